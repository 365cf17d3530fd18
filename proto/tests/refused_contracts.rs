//! Contracts that must not compile: an RPC for nobody, a command that cannot be repeated, a field without bounds.

#[path = "../build/bounds.rs"]
mod bounds;
#[path = "../build/methods.rs"]
mod methods;
#[path = "../build/revisions.rs"]
mod revisions;

use std::fs;
use std::path::Path;

use prost_reflect::DescriptorPool;

const FOR_ADMINS: &str = "option (jangteo.access.v1.allow) = ROLE_ADMIN;";
const REQUEST_ID: &str = "string request_id = 1 [(buf.validate.field).string.max_len = 36];";

/// A contract of one RPC with these options, request fields and response fields.
fn contract(test: &str, options: &str, request: &str, response: &str) -> DescriptorPool {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    fs::create_dir_all(&folder).expect("the folder is ours");
    let source = format!(
        r#"syntax = "proto3"; package jangteo.trial.v1;
        import "jangteo/access/v1/role.proto"; import "jangteo/money/v1/money.proto";
        import "buf/validate/validate.proto"; import "google/protobuf/duration.proto";
        enum Colour {{ COLOUR_UNSPECIFIED = 0; COLOUR_RED = 1; }}
        message TryRequest {{ {request} }} message TryResponse {{ {response} }}
        service TrialService {{ rpc Try(TryRequest) returns (TryResponse) {{ {options} }} }}"#
    );
    fs::write(folder.join("trial.proto"), source).expect("the folder is ours");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut compiler =
        protox::Compiler::new([folder.as_path(), root, &root.join("third_party")]).expect("the folders exist");
    compiler.include_imports(true);
    compiler
        .open_file(folder.join("trial.proto"))
        .expect("the contract is well formed");
    compiler.descriptor_pool()
}

fn field(test: &str, field: &str) -> Result<String, String> {
    bounds::generate(&contract(test, FOR_ADMINS, field, ""))
}

#[test]
fn a_method_that_allows_nobody_is_refused() {
    let error = methods::generate(&contract("nobody", "", "", "")).unwrap_err();
    assert!(error.contains("jangteo.trial.v1.TrialService.Try"), "{error}");
    assert!(methods::generate(&contract("admins", FOR_ADMINS, "", "")).is_ok());
    let nobody = "option (jangteo.access.v1.allow) = ROLE_UNSPECIFIED;";
    assert!(methods::generate(&contract("unspecified", nobody, "", "")).is_err());
}

#[test]
fn a_command_needs_a_request_id_and_a_revision() {
    let revision = "string revision = 1;";
    let generate =
        |test: &str, options, request, response| revisions::generate(&contract(test, options, request, response));
    assert!(generate("command", FOR_ADMINS, REQUEST_ID, revision).is_ok());
    assert!(generate("no_request_id", FOR_ADMINS, "", revision).is_err());
    assert!(generate("no_revision", FOR_ADMINS, REQUEST_ID, "").is_err());
    let query = "option idempotency_level = NO_SIDE_EFFECTS;";
    assert!(generate("query", query, "", "").is_ok());
    assert!(generate("query_with_id", query, REQUEST_ID, "").is_err());
}

#[test]
fn a_field_without_bounds_is_refused() {
    for (test, unbounded) in [
        ("string", "string a = 1;"),
        (
            "strings",
            "repeated string a = 1 [(buf.validate.field).repeated.max_items = 9];",
        ),
        ("list", "repeated bool a = 1;"),
        ("enum", "Colour a = 1;"),
    ] {
        let error = field(test, unbounded).unwrap_err();
        assert!(error.contains("jangteo.trial.v1.TryRequest.a"), "{error}");
    }
}

#[test]
fn an_unknown_rule_or_kind_is_refused() {
    for (test, unknown) in [
        (
            "pattern",
            r#"string a = 1 [(buf.validate.field).string.pattern = "^a$"];"#,
        ),
        (
            "rule",
            "string a = 1 [(buf.validate.field).string = {max_len: 9, email: true}];",
        ),
        ("other_kind", "int64 a = 1 [(buf.validate.field).int64.const = 9];"),
        ("required", "int64 a = 1 [(buf.validate.field).required = true];"),
        ("float", "double a = 1;"),
        ("optional", "optional int64 a = 1;"),
        ("oneof", "oneof b { bool a = 1; }"),
        ("map", "map<int32, int32> a = 1;"),
        ("duration", "google.protobuf.Duration a = 1;"),
    ] {
        assert!(field(test, unknown).is_err(), "{test}");
    }
}

#[test]
fn fields_of_messages_within_a_request_are_bounded_too() {
    let code = field("within", "jangteo.money.v1.Money a = 1;").unwrap();
    assert!(code.contains("Bounded for crate::money::v1::Money"), "{code}");
}
