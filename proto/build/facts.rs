//! The table of facts: what an event can tell, and which service tells it.

use std::fmt::Write;

use prost_reflect::prost_types::source_code_info::Location;
use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};

/// Tag of `FileDescriptorProto.message_type`, which begins the path of a message in the source information.
const MESSAGE_TYPE_TAG: i32 = 4;

/// `FACTS` and `Fact::name`.
pub fn generate(pool: &DescriptorPool) -> Result<String, String> {
    let event = pool
        .get_message_by_name("jangteo.event.v1.Event")
        .ok_or("the message jangteo.event.v1.Event is missing")?;
    let oneof = event
        .oneofs()
        .find(|oneof| oneof.name() == "fact")
        .ok_or("jangteo.event.v1.Event has no oneof fact")?;
    let mut table = String::from("/// Every fact, by its number in the event.\npub const FACTS: &[FactInfo] = &[\n");
    let mut names = String::from(
        "impl Fact {\n/// Name of the fact, which is its event's `type`.\n\
         pub const fn name(&self) -> &'static str { match self {\n",
    );
    let mut fields: Vec<FieldDescriptor> = oneof.fields().collect();
    fields.sort_by_key(FieldDescriptor::number);
    for field in fields {
        let Kind::Message(message) = field.kind() else {
            return Err(format!("{}: a fact is a message", field.full_name()));
        };
        let name = message.name();
        let _ = writeln!(
            table,
            "FactInfo {{ name: {name:?}, message: {:?}, source: {:?}, comment: {:?} }},",
            message.full_name(),
            source(&message)?,
            comment(&message)?,
        );
        let _ = writeln!(names, "Self::{name}(_) => {name:?},");
    }
    Ok(format!("{table}];\n{names}}} }} }}\n"))
}

/// The service that tells the fact, from the file it is in: `catalog_facts.proto` is told by `catalog`.
fn source(message: &MessageDescriptor) -> Result<String, String> {
    let file = message.parent_file();
    let stem = file.name().rsplit('/').next().unwrap_or_default();
    match stem.trim_end_matches("_facts.proto") {
        "point" => Ok("payment".into()),
        service if service.len() < stem.len() => Ok(service.into()),
        _ => Err(format!(
            "{}: a fact is in a file <service>_facts.proto",
            message.full_name()
        )),
    }
}

fn comment(message: &MessageDescriptor) -> Result<String, String> {
    let file = message.parent_file();
    let index = file
        .messages()
        .position(|other| other == *message)
        .and_then(|index| i32::try_from(index).ok())
        .unwrap_or_default();
    let locations = file
        .file_descriptor_proto()
        .source_code_info
        .as_ref()
        .map(|info| info.location.as_slice())
        .unwrap_or_default();
    let comment = locations
        .iter()
        .find(|location| location.path == [MESSAGE_TYPE_TAG, index])
        .map(Location::leading_comments)
        .unwrap_or_default();
    if comment.trim().is_empty() {
        return Err(format!("{}: has no comment", message.full_name()));
    }
    Ok(comment.split_whitespace().collect::<Vec<_>>().join(" "))
}
