//! Each defect that `tests/mutants/run` seeds still fits the tree, names tests that are there, and stands in `docs/guarantees.md`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const WRITE: &str = "JANGTEO_WRITE_DOCS";
const HEADING: &str = "## Rules broken on purpose\n";
/// What the suite must notice at the least.
const DEFECTS: [&str; 12] = [
    "skip the inbox",
    "acknowledge before commit",
    "deferred transaction",
    "publish then crash before marking",
    "no request id on retry",
    "release twice",
    "`>` for `>=` in stock",
    "outbox outside the transaction",
    "money in floats",
    "missing owner check",
    "callback trusted",
    "points not compensated",
];
/// What a patch's first line may say, and how `docs/guarantees.md` calls it.
const KINDS: [(&str, &str); 3] = [
    (
        "Defect",
        "The twelve defects that every suite of such a shop must notice",
    ),
    ("Rule", "Rules of checkout and payment"),
    ("Mechanism", "Mechanisms"),
];

struct Mutant {
    file: PathBuf,
    kind: String,
    what: String,
    breaks: String,
    /// Arguments of `cargo test`, the last of which is the test.
    caught_by: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn mutants() -> Vec<Mutant> {
    let files = fs::read_dir(root().join("tests/mutants")).unwrap();
    let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "patch"));
    files.sort();
    files.into_iter().map(read).collect()
}

fn read(file: PathBuf) -> Mutant {
    let text = fs::read_to_string(&file).unwrap();
    let head = text.split("\ndiff --git ").next().unwrap();
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let (kind, what) = lines.next().unwrap();
    let known = KINDS.iter().any(|(known, _)| *known == kind);
    assert!(known, "{}: begins with {kind:?}", file.display());
    let (key, breaks) = lines.next().unwrap();
    assert_eq!(key, "Breaks", "{}", file.display());
    let (kind, what, breaks) = (kind.to_owned(), what.to_owned(), breaks.to_owned());
    let caught_by: Vec<String> = lines
        .filter(|(key, _)| *key == "Caught-by")
        .map(|(_, catcher)| catcher.to_owned())
        .collect();
    assert!(!caught_by.is_empty(), "{} names no test", file.display());
    Mutant {
        file,
        kind,
        what,
        breaks,
        caught_by,
    }
}

#[test]
fn every_defect_can_still_be_seeded() {
    let torn: Vec<String> = mutants()
        .iter()
        .filter_map(|mutant| {
            let mut git = Command::new("git");
            let output = git
                .args(["apply", "--check"])
                .arg(&mutant.file)
                .current_dir(root())
                .output()
                .unwrap();
            (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
        })
        .collect();
    assert!(torn.is_empty(), "refresh these patches: {torn:#?}");
}

#[test]
fn every_defect_names_tests_that_are_there() {
    for mutant in mutants() {
        for catcher in &mutant.caught_by {
            let words: Vec<&str> = catcher.split(' ').collect();
            let [package, rest @ .., test] = &words[1..] else {
                panic!("{}: {catcher}", mutant.file.display())
            };
            let sources = match rest {
                ["--test", suite] => vec![
                    root().join(format!("tests/{suite}")),
                    root().join(format!("tests/{suite}.rs")),
                ],
                _ => ["services/", ""]
                    .map(|folder| root().join(format!("{folder}{package}/src")))
                    .into(),
            };
            let name = test.trim_end_matches("::sqlite").trim_end_matches("::postgres");
            let name = format!("fn {}(", name.rsplit("::").next().unwrap());
            let there = sources.iter().any(|source| holds(source, &name));
            assert!(there, "{}: there is no {test}", mutant.file.display());
        }
    }
}

fn holds(source: &Path, text: &str) -> bool {
    match fs::read_dir(source) {
        Ok(entries) => entries.into_iter().any(|entry| holds(&entry.unwrap().path(), text)),
        Err(_) => fs::read_to_string(source).is_ok_and(|code| code.contains(text)),
    }
}

#[test]
fn the_twelve_defects_are_seeded() {
    let mutants = mutants();
    for defect in DEFECTS {
        let seeded = mutants.iter().filter(|mutant| mutant.kind == "Defect");
        assert_eq!(seeded.filter(|mutant| mutant.what == defect).count(), 1, "{defect}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a setting of the test, not of the shop")]
fn the_table_of_broken_rules_is_what_the_patches_say() {
    let path = root().join("docs/guarantees.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, behind) = text.split_once(HEADING).unwrap();
    let after = behind.find("\n## ").map_or("", |end| &behind[end..]);
    let expected = format!("{before}{HEADING}{}{after}", table());
    if std::env::var_os(WRITE).is_some() {
        fs::write(&path, &expected).unwrap();
    } else {
        assert!(
            text == expected,
            "docs/guarantees.md is not what tests/mutants say; write it anew with {WRITE}=1"
        );
    }
}

fn table() -> String {
    let mutants = mutants();
    let mut table = format!(
        "\n`tests/mutants/run` breaks the shop on purpose, one rule at a time, and fails where the test named here does not: {} defects. \
         This section is generated from the patches in `tests/mutants`.\n",
        mutants.len()
    );
    for (kind, title) in KINDS {
        write!(
            table,
            "\n**{title}**\n\n| left out | in the code | caught by |\n|---|---|---|\n"
        )
        .unwrap();
        for mutant in mutants.iter().filter(|mutant| mutant.kind == kind) {
            let caught_by: Vec<String> = mutant.caught_by.iter().map(|catcher| shown(catcher)).collect();
            writeln!(
                table,
                "| {} | {} | {} |",
                mutant.what,
                mutant.breaks,
                caught_by.join(", ")
            )
            .unwrap();
        }
    }
    table
}

/// `-p tests --test mechanisms inbox::once` → `mechanisms::inbox::once`; `-p order --lib order::tests::once` → `order`: `once`.
fn shown(catcher: &str) -> String {
    let words: Vec<&str> = catcher.split(' ').collect();
    let test = words.last().unwrap();
    match words[2..] {
        ["--test", suite, _] => format!("`{suite}::{test}`"),
        _ => format!("`{}`: `{}`", words[1], test.rsplit("::").next().unwrap()),
    }
}
