//! Checks the fields of a request against their bounds and collects what breaks them.

use std::fmt::Write;
use std::ops::RangeInclusive;

use prost_types::Timestamp;

use crate::contract::Violation;

/// Violations told of one request.
const VIOLATIONS_MAX: usize = 20;

/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z, in seconds since 1970.
const SECONDS: RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// A message whose fields have bounds.
pub(crate) trait Bounded {
    fn inspect(&self, inspection: &mut Inspection);
}

/// A step of the path to a field.
#[derive(Clone, Copy)]
pub(crate) enum Step {
    Field(&'static str),
    Index(usize),
}

/// The bounds of a string.
pub(crate) struct Text {
    pub form: Form,
    /// Whether an empty string is fine whatever the form.
    pub optional: bool,
}

/// What a string must look like.
pub(crate) enum Form {
    Id,
    Uuid,
    CardToken,
    CardNumber,
    Currency,
    /// Any visible text of so many characters, with line breaks and tabs if `breaks`.
    Free {
        least: usize,
        most: usize,
        breaks: bool,
    },
}

/// One walk through a request.
#[derive(Default)]
pub(crate) struct Inspection {
    path: Vec<Step>,
    violations: Vec<Violation>,
}

impl Inspection {
    pub fn of(request: &impl Bounded) -> Vec<Violation> {
        let mut inspection = Self::default();
        request.inspect(&mut inspection);
        inspection.violations
    }

    pub fn text(&mut self, at: Step, value: &str, text: &Text) {
        if text.optional && value.is_empty() {
            return;
        }
        let (fits, asked) = match text.form {
            Form::Id => (is_id(value), "must be 1 to 64 of A-Z, a-z, 0-9, _ and -"),
            Form::Uuid => (
                has_shape(value, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"),
                "must be a UUID",
            ),
            Form::CardToken => (
                is_id(value) && value.starts_with(|first: char| first.is_ascii_alphabetic()),
                "must be a token of TokenizeCard",
            ),
            Form::CardNumber => (has_shape(value, "dddd-dddd-dddd-dddd"), "must be dddd-dddd-dddd-dddd"),
            Form::Currency => (has_shape(value, "AAA"), "must be 3 capital letters"),
            Form::Free { least, most, breaks } => {
                if !(least..=most).contains(&value.chars().count()) {
                    return self.violate(at, format!("must be {least} to {most} characters"));
                }
                let hidden = value.chars().any(|character| is_hidden(character, breaks));
                (
                    !hidden,
                    "must hold no control, invisible or direction-changing characters",
                )
            }
        };
        if !fits {
            self.violate(at, asked.to_owned());
        }
    }

    pub fn number(&mut self, at: Step, value: i64, range: RangeInclusive<i64>) {
        if !range.contains(&value) {
            let asked = match (*range.start(), *range.end()) {
                (i64::MIN, most) => format!("must be at most {most}"),
                (least, i64::MAX) => format!("must be at least {least}"),
                (least, most) => format!("must be {least} to {most}"),
            };
            self.violate(at, asked);
        }
    }

    pub fn choice(&mut self, at: Step, value: i32, allowed: &[i32]) {
        if !allowed.contains(&value) {
            let asked = match allowed {
                [0, ..] => "must be a defined value",
                _ => "must be a defined value, and given",
            };
            self.violate(at, asked.to_owned());
        }
    }

    pub fn list<T>(
        &mut self,
        at: Step,
        items: &[T],
        sizes: RangeInclusive<usize>,
        mut inspect: impl FnMut(&mut Self, Step, &T),
    ) {
        if !sizes.contains(&items.len()) {
            let asked = format!("must have {} to {} entries", sizes.start(), sizes.end());
            return self.violate(at, asked);
        }
        self.path.push(at);
        for (index, item) in items.iter().enumerate() {
            if self.violations.len() == VIOLATIONS_MAX {
                break;
            }
            inspect(self, Step::Index(index), item);
        }
        self.path.pop();
    }

    pub fn message<T>(
        &mut self,
        at: Step,
        value: Option<&T>,
        required: bool,
        inspect: impl FnOnce(&mut Self, Step, &T),
    ) {
        match value {
            Some(value) => inspect(self, at, value),
            None if required => self.violate(at, "must be given".to_owned()),
            None => {}
        }
    }

    pub fn inside(&mut self, at: Step, message: &impl Bounded) {
        self.path.push(at);
        message.inspect(self);
        self.path.pop();
    }

    pub fn instant(&mut self, at: Step, value: &Timestamp) {
        let whole = (0..1_000_000_000).contains(&value.nanos);
        if !whole || !SECONDS.contains(&value.seconds) {
            self.violate(
                at,
                "must be of the years 1 to 9999, with nanos of 0 to 999999999".to_owned(),
            );
        }
    }

    fn violate(&mut self, at: Step, description: String) {
        if self.violations.len() == VIOLATIONS_MAX {
            return;
        }
        let mut field = String::new();
        for step in self.path.iter().chain([&at]) {
            match step {
                Step::Field(name) if field.is_empty() => field.push_str(name),
                Step::Field(name) => {
                    let _ = write!(field, ".{name}");
                }
                Step::Index(index) => {
                    let _ = write!(field, "[{index}]");
                }
            }
        }
        self.violations.push(Violation { field, description });
    }
}

fn is_id(value: &str) -> bool {
    (1..=64).contains(&value.len())
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// `d` is a digit, `x` a hexadecimal digit, `A` a capital letter; anything else is itself.
fn has_shape(value: &str, shape: &str) -> bool {
    value.len() == shape.len()
        && value.bytes().zip(shape.bytes()).all(|(byte, shape)| match shape {
            b'd' => byte.is_ascii_digit(),
            b'x' => byte.is_ascii_hexdigit(),
            b'A' => byte.is_ascii_uppercase(),
            itself => byte == itself,
        })
}

/// Characters that make a text read as something else than it is.
fn is_hidden(character: char, breaks: bool) -> bool {
    match character {
        '\n' | '\t' => !breaks,
        ' '..='~' => false,
        _ => {
            character.is_control()
                || matches!(character,
                    '\u{ad}'                    // soft hyphen
                    | '\u{34f}'                 // combining grapheme joiner
                    | '\u{61c}'                 // Arabic letter mark
                    | '\u{180e}'                // Mongolian vowel separator
                    | '\u{200b}'..='\u{200f}'   // zero-width characters, direction marks
                    | '\u{2028}'..='\u{202e}'   // line separators, embeddings, overrides
                    | '\u{2060}'..='\u{206f}'   // word joiner, invisible operators, isolates
                    | '\u{feff}'                // byte order mark
                    | '\u{fff9}'..='\u{fffb}'   // interlinear annotation
                    | '\u{e0000}'..='\u{e007f}' // tags
                )
        }
    }
}
