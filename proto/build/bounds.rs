//! Turns the `buf.validate` rules of request fields into plain Rust; a rule it does not know stops the build.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor, Value,
};

use crate::methods::{self, rust_path};

/// Patterns that are checked by hand-written code, with the form they become.
const PATTERNS: &[(&str, &str)] = &[
    ("^[A-Za-z0-9_-]{1,64}$", "Form::Id"),
    ("^[A-Za-z][A-Za-z0-9_-]{0,63}$", "Form::CardToken"),
    ("^[0-9]{4}-[0-9]{4}-[0-9]{4}-[0-9]{4}$", "Form::CardNumber"),
    ("^[A-Z]{3}$", "Form::Currency"),
];

/// `Bounded` for every message that can be in a request, and `Contract` for the requests themselves.
pub fn generate(pool: &DescriptorPool) -> Result<String, String> {
    let extension = |name: &str| {
        pool.get_extension_by_name(name)
            .ok_or(format!("the option {name} is missing"))
    };
    let rules = extension("buf.validate.field")?;
    let message_rules = extension("buf.validate.message")?;
    let requests: BTreeMap<String, MessageDescriptor> = methods::ours(pool)
        .into_iter()
        .map(|method| (method.input().full_name().to_owned(), method.input()))
        .collect();

    let mut code = String::new();
    let mut seen = BTreeSet::new();
    let mut waiting: Vec<MessageDescriptor> = requests.values().cloned().collect();
    while let Some(message) = waiting.pop() {
        if !seen.insert(message.full_name().to_owned()) {
            continue;
        }
        if message.options().has_extension(&message_rules) {
            return Err(format!(
                "{}: rules of a whole message are not supported",
                message.full_name()
            ));
        }
        let mut checks = String::new();
        for field in message.fields() {
            let check = field_check(&rules, &field).map_err(|error| format!("{}: {error}", field.full_name()))?;
            checks.push_str(&check);
            if let Kind::Message(inner) = field.kind()
                && inner.package_name().starts_with("jangteo.")
            {
                waiting.push(inner);
            }
        }
        let parameter = match checks.as_str() {
            "" => "_",
            _ => "inspection",
        };
        let _ = writeln!(
            code,
            "impl Bounded for {} {{\nfn inspect(&self, {parameter}: &mut Inspection) {{\n{checks}}}\n}}",
            rust_path(&message)
        );
    }
    for request in requests.values() {
        code.push_str(&contract(request));
    }
    Ok(code)
}

fn contract(request: &MessageDescriptor) -> String {
    let request_id = match request.get_field_by_name("request_id") {
        Some(_) => {
            "fn request_id(&self) -> Option<&str> {\n\
             Some(self.request_id.as_str()).filter(|id| !id.is_empty())\n}\n"
        }
        None => "",
    };
    format!(
        "impl Contract for {} {{\nfn violations(&self) -> Vec<Violation> {{ Inspection::of(self) }}\n{request_id}}}\n",
        rust_path(request)
    )
}

/// The rules of one field or list item; what is asked for is taken out, what is left is unknown.
#[derive(Default)]
struct Rules {
    required: bool,
    ignore_empty: bool,
    left: BTreeMap<String, Value>,
}

impl Rules {
    fn read(options: &DynamicMessage) -> Result<Self, String> {
        let mut rules = Self::default();
        for (field, value) in options.fields() {
            match (field.name(), value) {
                ("required", Value::Bool(required)) => rules.required = *required,
                // IGNORE_IF_ZERO_VALUE
                ("ignore", Value::EnumNumber(1)) => rules.ignore_empty = true,
                (kind, Value::Message(message)) => {
                    for (rule, value) in message.fields() {
                        rules.left.insert(format!("{kind}.{}", rule.name()), value.clone());
                    }
                }
                (name, _) => return Err(format!("the rule {name} is not supported")),
            }
        }
        Ok(rules)
    }

    fn integer(&mut self, rule: &str) -> Option<i128> {
        match self.left.remove(rule)? {
            Value::I32(value) => Some(value.into()),
            Value::I64(value) => Some(value.into()),
            Value::U32(value) => Some(value.into()),
            Value::U64(value) => Some(value.into()),
            _ => None,
        }
    }

    fn flag(&mut self, rule: &str) -> bool {
        matches!(self.left.remove(rule), Some(Value::Bool(true)))
    }

    fn finish(self) -> Result<(), String> {
        match self.left.into_keys().next() {
            Some(rule) => Err(format!("the rule {rule} is not supported")),
            None if self.required => Err("`required` is only for messages".into()),
            None if self.ignore_empty => Err("`ignore` is only for strings".into()),
            None => Ok(()),
        }
    }
}

fn field_check(extension: &ExtensionDescriptor, field: &FieldDescriptor) -> Result<String, String> {
    let options = field.options();
    let value = options.get_extension(extension);
    let mut rules = match value.as_message() {
        Some(message) => Rules::read(message)?,
        None => Rules::default(),
    };
    if field.is_map() || field.containing_oneof().is_some() {
        return Err("maps, oneofs and `optional` are not supported in requests".into());
    }
    let name = field.name();
    let at = format!("Step::Field({name:?})");
    if field.cardinality() == Cardinality::Repeated {
        return list_check(field, rules, &at);
    }
    if matches!(field.kind(), Kind::Message(_)) {
        let required = std::mem::take(&mut rules.required);
        let check = value_check(field, rules, "at", "value")?;
        return Ok(format!(
            "inspection.message({at}, self.{name}.as_ref(), {required}, |inspection, at, value| {{ {check} }});\n"
        ));
    }
    let value = match field.kind() {
        Kind::String => format!("&self.{name}"),
        _ => format!("self.{name}"),
    };
    value_check(field, rules, &at, &value)
}

fn list_check(field: &FieldDescriptor, mut rules: Rules, at: &str) -> Result<String, String> {
    let least = rules.integer("repeated.min_items").unwrap_or(0);
    let most = rules
        .integer("repeated.max_items")
        .ok_or("a list in a request needs repeated.max_items")?;
    let of_items = match rules.left.remove("repeated.items") {
        Some(Value::Message(message)) => Rules::read(&message)?,
        _ => Rules::default(),
    };
    rules.finish()?;
    let item = match field.kind() {
        Kind::String | Kind::Message(_) => "item",
        _ => "*item",
    };
    let check = value_check(field, of_items, "at", item)?;
    Ok(format!(
        "inspection.list({at}, &self.{}, {least}..={most}, |inspection, at, item| {{ {check} }});\n",
        field.name()
    ))
}

/// A statement that checks `value`, be it a field's or an item's.
fn value_check(field: &FieldDescriptor, mut rules: Rules, at: &str, value: &str) -> Result<String, String> {
    let check = match field.kind() {
        Kind::String => {
            let text = text(&mut rules, field.name() == "description")?;
            format!("inspection.text({at}, {value}, &{text});\n")
        }
        Kind::Int32 => number(&mut rules, "int32", at, &format!("i64::from({value})")),
        Kind::Uint32 => number(&mut rules, "uint32", at, &format!("i64::from({value})")),
        Kind::Int64 => number(&mut rules, "int64", at, value),
        Kind::Enum(kind) => {
            if !rules.flag("enum.defined_only") {
                return Err("an enum in a request needs enum.defined_only".into());
            }
            let refused = rules.left.remove("enum.not_in");
            let refused = refused.as_ref().and_then(Value::as_list).unwrap_or_default();
            let allowed: Vec<i32> = kind
                .values()
                .map(|value| value.number())
                .filter(|number| !refused.contains(&Value::I32(*number)))
                .collect();
            format!("inspection.choice({at}, {value}, &{allowed:?});\n")
        }
        Kind::Bool => String::new(),
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.Timestamp" => format!("inspection.instant({at}, {value});\n"),
            "google.protobuf.FieldMask" => {
                "let _ = (inspection, at, value); // its paths are the service's to judge\n".into()
            }
            name if name.starts_with("jangteo.") => {
                format!("inspection.inside({at}, {value});\n")
            }
            name => return Err(format!("{name} is not supported in requests")),
        },
        kind => return Err(format!("{kind:?} is not supported in requests")),
    };
    rules.finish()?;
    Ok(check)
}

fn text(rules: &mut Rules, breaks: bool) -> Result<String, String> {
    let form = match rules.left.remove("string.pattern") {
        Some(Value::String(pattern)) => Some(
            PATTERNS
                .iter()
                .find(|(known, _)| *known == pattern)
                .map(|(_, form)| *form)
                .ok_or(format!("the pattern {pattern} is not supported"))?,
        ),
        _ => rules.flag("string.uuid").then_some("Form::Uuid"),
    };
    let least = rules.integer("string.min_len").unwrap_or(0);
    let most = rules.integer("string.max_len");
    let optional = std::mem::take(&mut rules.ignore_empty);
    match (form, most) {
        (Some(form), None) if least == 0 => Ok(format!("Text {{ form: {form}, optional: {optional} }}")),
        (None, Some(most)) => Ok(format!(
            "Text {{ form: Form::Free {{ least: {least}, most: {most}, breaks: {breaks} }}, optional: {optional} }}"
        )),
        (None, None) => Err("a string in a request needs string.max_len or a known pattern".into()),
        (Some(_), _) => Err("a pattern and a length at once are not supported".into()),
    }
}

fn number(rules: &mut Rules, kind: &str, at: &str, value: &str) -> String {
    let mut bound = |rule: &str| rules.integer(&format!("{kind}.{rule}"));
    let least = bound("gte").or(bound("gt").map(|limit| limit + 1));
    let most = bound("lte").or(bound("lt").map(|limit| limit - 1));
    if least.is_none() && most.is_none() {
        return String::new();
    }
    let least = least.unwrap_or(i64::MIN.into());
    let most = most.unwrap_or(i64::MAX.into());
    format!("inspection.number({at}, {value}, {least}..={most});\n")
}
