//! The table of RPCs: who may call each, and whether it changes anything.

use std::fmt::Write;

use prost_reflect::prost_types::method_options::IdempotencyLevel;
use prost_reflect::{DescriptorPool, MessageDescriptor, MethodDescriptor};

/// Every RPC of ours, in a stable order.
pub fn ours(pool: &DescriptorPool) -> Vec<MethodDescriptor> {
    let mut methods: Vec<_> = pool
        .services()
        .filter(|service| service.package_name().starts_with("jangteo."))
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .collect();
    methods.sort_by(|left, right| left.full_name().cmp(right.full_name()));
    methods
}

/// Whether `method` changes anything; one that does not says `idempotency_level = NO_SIDE_EFFECTS`.
pub fn mutates(method: &MethodDescriptor) -> bool {
    let proto = method.method_descriptor_proto();
    proto
        .options
        .as_ref()
        .is_none_or(|options| options.idempotency_level() != IdempotencyLevel::NoSideEffects)
}

/// Where the generated Rust type of `message` is.
pub fn rust_path(message: &MessageDescriptor) -> String {
    let package = message.package_name().trim_start_matches("jangteo.");
    format!("crate::{}::{}", package.replace('.', "::"), message.name())
}

/// `METHODS`; an RPC that allows nobody is an error.
pub fn generate(pool: &DescriptorPool) -> Result<String, String> {
    let mut code = String::from("/// Every RPC, by path.\npub const METHODS: &[Method] = &[\n");
    for method in ours(pool) {
        let name = method.full_name();
        let service = method.parent_service();
        let roles = roles(pool, &method)?;
        if roles.is_empty() {
            return Err(format!("{name}: names no role in (jangteo.access.v1.allow)"));
        }
        let _ = writeln!(
            code,
            "Method {{ path: \"/{}/{}\", roles: &[{}], mutates: {}, client_streaming: {}, server_streaming: {} }},",
            service.full_name(),
            method.name(),
            roles.join(", "),
            mutates(&method),
            method.is_client_streaming(),
            method.is_server_streaming(),
        );
    }
    code.push_str("];\n");
    Ok(code)
}

fn roles(pool: &DescriptorPool, method: &MethodDescriptor) -> Result<Vec<String>, String> {
    let allow = pool
        .get_extension_by_name("jangteo.access.v1.allow")
        .ok_or("the option jangteo.access.v1.allow is missing")?;
    let role = pool
        .get_enum_by_name("jangteo.access.v1.Role")
        .ok_or("the enum jangteo.access.v1.Role is missing")?;
    let options = method.options();
    let allowed = options.get_extension(&allow);
    let numbers = allowed.as_list().unwrap_or_default();
    numbers
        .iter()
        .map(|number| {
            number
                .as_enum_number()
                .filter(|number| *number != 0)
                .and_then(|number| role.get_value(number))
                .map(|value| format!("Role::{}", variant(value.name())))
                .ok_or_else(|| format!("{}: allows an unknown role", method.full_name()))
        })
        .collect()
}

/// `ROLE_CUSTOMER` → `Customer`.
fn variant(value: &str) -> String {
    let word = value.trim_start_matches("ROLE_");
    word[..1].to_owned() + &word[1..].to_lowercase()
}
