//! The tables in `docs/` are what the code says. `JANGTEO_WRITE_DOCS=1 cargo test -p tests --test documents` writes them anew.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fmt::Write;
use std::path::Path;

use kit::refusal::Kind;

const WRITE: &str = "JANGTEO_WRITE_DOCS";

#[expect(clippy::disallowed_methods, reason = "a setting of the test, not of the shop")]
fn is_in_docs(name: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == expected,
        "docs/{name} is not what the code says; write it anew with {WRITE}=1"
    );
}

#[test]
fn the_table_of_facts_is_what_the_code_says() {
    let mut table = String::from(
        "# Facts\n\n\
         What an event can tell. Its envelope and every payload are described in `proto/jangteo/event/v1`. The journal of the read \
         model keeps all of them. The topic of a service is `jangteo.<service>.events.v1`. This table is generated from the code.\n\n\
         | fact | told by | what happened | payload | followed by |\n|---|---|---|---|---|\n",
    );
    let mut followers: Vec<(&str, &[&str])> = read_model::projections().collect();
    followers.push((order::CONSUMER, order::FACTS));
    followers.push((notification::POLICY, notification::POLICY_FACTS));
    followers.push((notification::SENDER, notification::SENDER_FACTS));
    for (name, facts) in &followers {
        for fact in *facts {
            assert!(
                proto::FACTS.iter().any(|known| known.name == *fact),
                "{name} follows {fact}, which nobody tells"
            );
        }
    }
    for fact in proto::FACTS {
        let following = followers.iter().filter(|(_, facts)| facts.contains(&fact.name));
        let following: Vec<String> = following.map(|(name, _)| format!("`{name}`")).collect();
        let (name, source, comment, message) = (fact.name, fact.source, fact.comment, fact.message);
        writeln!(
            table,
            "| `{name}` | {source} | {comment} | `{message}` | {} |",
            following.join(", ")
        )
        .unwrap();
    }
    is_in_docs("facts.md", &table);
}

#[test]
fn the_table_of_reasons_is_what_the_code_says() {
    let mut table = String::from(
        "# Reasons\n\n\
         Every way in which the shop says no: `reason` and metadata are in the error's `google.rpc.ErrorInfo`, domain `jangteo`. A reason \
         is never renamed. This table is generated from the code.\n\n\
         | reason | code | metadata | try again after | meaning |\n|---|---|---|---|---|\n",
    );
    let mut reasons = jangteo::shop::reasons();
    reasons.sort_by_key(|reason| reason.reason);
    // what an owner does not have its view does not have either
    reasons.dedup_by(|second, first| {
        second.reason == first.reason && second.kind == first.kind && second.metadata == first.metadata
    });
    let twice = reasons.windows(2).find(|pair| pair[0].reason == pair[1].reason);
    assert!(twice.is_none(), "one reason, two meanings: {twice:?}");
    for row in reasons {
        let metadata: Vec<String> = row.metadata.iter().map(|name| format!("`{name}`")).collect();
        let retry = row
            .retry_after_milliseconds
            .map(|pause| format!("{pause} ms"))
            .unwrap_or_default();
        let (reason, code, meaning) = (row.reason, code(row.kind), row.meaning);
        writeln!(
            table,
            "| `{reason}` | {code} | {} | {retry} | {meaning} |",
            metadata.join(", ")
        )
        .unwrap();
    }
    is_in_docs("reasons.md", &table);
}

/// `FailedPrecondition` → `FAILED_PRECONDITION`.
fn code(kind: Kind) -> String {
    let mut code = String::new();
    for letter in format!("{kind:?}").chars() {
        if letter.is_uppercase() && !code.is_empty() {
            code.push('_');
        }
        code.push(letter.to_ascii_uppercase());
    }
    code
}
