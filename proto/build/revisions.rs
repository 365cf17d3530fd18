//! Lets the server put the revision into a response.

use std::collections::BTreeSet;
use std::fmt::Write;

use prost_reflect::{DescriptorPool, Kind, MessageDescriptor};

use crate::methods::{self, rust_path};

/// `Revised` for every response with a revision; a command without `request_id` or `revision` is an error.
pub fn generate(pool: &DescriptorPool) -> Result<String, String> {
    let mut responses = BTreeSet::new();
    for method in methods::ours(pool) {
        let (request, response) = (method.input(), method.output());
        if methods::mutates(&method) {
            if !has_string(&request, "request_id") || !has_string(&response, "revision") {
                return Err(format!(
                    "{}: changes something, so its request needs a request_id and its response a revision; \
                     else say idempotency_level = NO_SIDE_EFFECTS",
                    method.full_name()
                ));
            }
        } else if has_string(&request, "request_id") {
            return Err(format!("{}: has a request_id but no effect", method.full_name()));
        }
        if has_string(&response, "revision") {
            responses.insert(rust_path(&response));
        }
    }
    let mut code = String::new();
    for response in responses {
        let _ = writeln!(
            code,
            "impl Revised for {response} {{ fn set_revision(&mut self, revision: String) {{ self.revision = revision; }} \
             fn revision(&self) -> &str {{ &self.revision }} }}"
        );
    }
    Ok(code)
}

fn has_string(message: &MessageDescriptor, name: &str) -> bool {
    message
        .get_field_by_name(name)
        .is_some_and(|field| field.kind() == Kind::String && !field.is_list())
}
