//! Compiles the contracts without protoc, and derives from them what a server must know about them.

mod bounds;
mod facts;
mod methods;
mod revisions;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    #[expect(clippy::disallowed_methods, reason = "cargo sets it; it is no setting")]
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed=jangteo");
    println!("cargo::rerun-if-changed=third_party");

    let mut compiler = protox::Compiler::new([root, &root.join("third_party")])?;
    compiler
        .include_imports(true)
        .include_source_info(true)
        .open_files(proto_files(&root.join("jangteo"))?)?;
    // Encoded from the sources: a detour through prost-types would drop the options.
    fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;

    let pool = compiler.descriptor_pool();
    fs::write(out.join("bounds.rs"), bounds::generate(&pool)?)?;
    fs::write(out.join("facts.rs"), facts::generate(&pool)?)?;
    fs::write(out.join("methods.rs"), methods::generate(&pool)?)?;
    fs::write(out.join("revisions.rs"), revisions::generate(&pool)?)?;

    let mut files = compiler.file_descriptor_set();
    files
        .file
        .retain(|file| !matches!(file.package(), "google.api" | "buf.validate"));
    tonic_prost_build::configure().compile_fds(files)?;
    Ok(())
}

/// Every `.proto` file below `folder`, in a stable order.
fn proto_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(proto_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
