//! What a test can check of the house's invariants: who depends on whom, where words and statements may stand, how long
//! files are.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};

const SERVICES: &[&str] = &["catalog", "coupon", "order", "payment", "notification"];
/// Words of the shop's business that kit must not know. "order" is left out: it also means a sequence.
const BUSINESS: &[&str] = &[
    "product", "brand", "stock", "coupon", "campaign", "payment", "checkout", "cart", "wallet", "catalog", "refund",
];
/// Systems outside of the shop that a service calls, each behind a trait.
const OUTSIDE: &[&str] = &["CardGateway", "Sender"];
const LINES_MAX: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            found.extend(files(&path, ending));
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
    found
}

fn dependencies(manifest: &Path) -> Vec<String> {
    let text = fs::read_to_string(manifest).unwrap();
    let table = text
        .split("[dependencies]")
        .nth(1)
        .unwrap_or_default()
        .split("\n[")
        .next()
        .unwrap_or_default()
        .to_owned();
    table
        .lines()
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn services_do_not_depend_on_each_other_nor_on_the_read_model() {
    for service in SERVICES {
        let depends_on = dependencies(&root().join("services").join(service).join("Cargo.toml"));
        for other in SERVICES
            .iter()
            .copied()
            .chain(["read-model", "pg-simulator", "jangteo"])
        {
            assert!(
                other == *service || !depends_on.iter().any(|name| name == other),
                "{service} depends on {other}"
            );
        }
    }
    let read_model = dependencies(&root().join("read-model/Cargo.toml"));
    assert!(
        SERVICES
            .iter()
            .all(|service| !read_model.iter().any(|name| name == service)),
        "the read model depends on a service"
    );
    let kit = dependencies(&root().join("services/kit/Cargo.toml"));
    assert!(
        SERVICES.iter().all(|service| !kit.iter().any(|name| name == service)),
        "kit depends on a service"
    );
}

#[test]
fn kit_knows_no_word_of_the_business() {
    for file in files(&root().join("services/kit/src"), ".rs") {
        let text = fs::read_to_string(&file).unwrap().to_lowercase();
        let code = text.lines().filter(|line| !line.contains("proto::"));
        for word in code.flat_map(|line| line.split(|letter: char| !letter.is_alphanumeric())) {
            assert!(
                !BUSINESS.contains(&word.trim_end_matches('s')),
                "{}: {word}",
                file.display()
            );
        }
    }
}

#[test]
fn rules_know_no_clock_no_database_and_no_transport() {
    for service in SERVICES {
        let source = root().join("services").join(service).join("src");
        for file in fs::read_dir(&source).unwrap().map(|entry| entry.unwrap().path()) {
            let Some(stem) = file.file_stem().and_then(|stem| stem.to_str()) else {
                continue;
            };
            // a noun with verbs in its folder: the file beside the folder holds its rules
            let holds_rules =
                file.extension().is_some_and(|ending| ending == "rs") && source.join(stem).join("store.rs").exists();
            if !holds_rules {
                continue;
            }
            let text = fs::read_to_string(&file).unwrap();
            for banned in ["tonic::", "sea_orm::", "kit::database", "Clock", ".await"] {
                assert!(
                    !text.contains(banned),
                    "{} is a file of rules and has {banned}",
                    file.display()
                );
            }
        }
    }
}

/// Crash points sit where every commit and every call outside passes, so that new code cannot be without.
#[test]
fn commits_and_calls_outside_pass_their_crash_points() {
    let ours = SERVICES
        .iter()
        .chain(&["kit"])
        .map(|name| root().join("services").join(name));
    let ours = ours.chain([root().join("read-model")]).map(|folder| folder.join("src"));
    for file in ours.flat_map(|folder| files(&folder, ".rs")) {
        let (text, name) = (fs::read_to_string(&file).unwrap(), file.display());
        // kit's commit takes the answer, the bare one of the database takes nothing
        let commits = text.contains(".commit()");
        assert!(
            !commits || file.starts_with(root().join("services/kit/src/database")),
            "{name} commits by itself"
        );

        let adapter = OUTSIDE
            .iter()
            .any(|system| text.contains(&format!("impl {system} for")));
        let calls_out = ["reqwest::", "TcpStream::connect", "Endpoint::"]
            .iter()
            .any(|way| text.contains(way));
        assert!(
            adapter || !calls_out,
            "{name} calls outside and is no adapter of {OUTSIDE:?}"
        );

        for system in OUTSIDE {
            let holder = text
                .lines()
                .find(|line| line.contains(&format!("<dyn {system}>,")) && line.contains(':'));
            let Some((field, _)) = holder.and_then(|line| line.trim().split_once(':')) else {
                continue;
            };
            let field = field.rsplit(' ').next().unwrap();
            let calls = text.matches(&format!(".{field}.")).count();
            for point in ["crash_point::before(", "crash_point::after("] {
                let points = text.matches(point).count();
                assert_eq!(points, calls, "{name}: {point} and calls of {system}");
            }
        }
    }
}

#[test]
fn files_are_short_and_say_first_what_they_are_for() {
    let folders = ["proto/src", "proto/build", "services", "read-model", "tests"];
    for file in folders.iter().flat_map(|folder| files(&root().join(folder), ".rs")) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(
            text.lines().count() <= LINES_MAX,
            "{} has more than {LINES_MAX} lines",
            file.display()
        );
        assert!(
            text.starts_with("//! "),
            "{} does not begin with a sentence on what it is for",
            file.display()
        );
    }
}

#[test]
fn nothing_hides_in_a_drawer() {
    for file in ["services", "read-model", "tests", "proto"]
        .iter()
        .flat_map(|folder| files(&root().join(folder), ".rs"))
    {
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        let drawers = [
            "util", "utils", "common", "helper", "helpers", "types", "manager", "misc", "mod",
        ];
        assert!(!drawers.contains(&stem.as_str()), "{}", file.display());
    }
}

#[test]
fn only_the_relay_publishes() {
    for file in files(&root().join("services"), ".rs")
        .into_iter()
        .chain(files(&root().join("read-model"), ".rs"))
    {
        let text = fs::read_to_string(&file).unwrap();
        let publishes = text.contains(".publish(");
        assert!(
            !publishes || file.ends_with("kit/src/outbox/relay.rs"),
            "{} publishes",
            file.display()
        );
    }
}
