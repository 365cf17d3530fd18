//! The registry of reasons: one row for each way in which a rule can say no, written where the rule is.

use tonic::Code;

/// What kind of no it is; decides the gRPC code and which standard details go with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `NOT_FOUND`
    NotFound,
    /// `INVALID_ARGUMENT`: no state would make it right.
    InvalidArgument,
    /// `FAILED_PRECONDITION`: the state of things does not allow it.
    FailedPrecondition,
    /// `ALREADY_EXISTS`
    AlreadyExists,
    /// `PERMISSION_DENIED`
    PermissionDenied,
    /// `UNAUTHENTICATED`
    Unauthenticated,
    /// `RESOURCE_EXHAUSTED`
    ResourceExhausted,
    /// `ABORTED`: try again.
    Aborted,
    /// `UNAVAILABLE`: try again later.
    Unavailable,
    /// `DEADLINE_EXCEEDED`
    DeadlineExceeded,
    /// `UNIMPLEMENTED`: nothing here answers this.
    Unimplemented,
    /// `INTERNAL`: our fault, told without its cause.
    Internal,
}

impl Kind {
    /// The code that a caller is told.
    #[must_use]
    pub fn code(self) -> Code {
        match self {
            Self::NotFound => Code::NotFound,
            Self::InvalidArgument => Code::InvalidArgument,
            Self::FailedPrecondition => Code::FailedPrecondition,
            Self::AlreadyExists => Code::AlreadyExists,
            Self::PermissionDenied => Code::PermissionDenied,
            Self::Unauthenticated => Code::Unauthenticated,
            Self::ResourceExhausted => Code::ResourceExhausted,
            Self::Aborted => Code::Aborted,
            Self::Unavailable => Code::Unavailable,
            Self::DeadlineExceeded => Code::DeadlineExceeded,
            Self::Unimplemented => Code::Unimplemented,
            Self::Internal => Code::Internal,
        }
    }
}

/// One reason, as the generated table in the docs shows it.
#[derive(Debug, PartialEq, Eq)]
pub struct Reason {
    /// `UPPER_SNAKE`, the noun first; never renamed once released.
    pub reason: &'static str,
    /// Decides the code.
    pub kind: Kind,
    /// The names of the metadata that go with it.
    pub metadata: &'static [&'static str],
    /// The sentence in English, with `{name}` for metadata.
    pub english: &'static str,
    /// The sentence in Korean.
    pub korean: &'static str,
    /// Advice for `RetryInfo`.
    pub retry_after_milliseconds: Option<u64>,
    /// The field of the request that `BadRequest` names, where it is always the same one.
    pub field: Option<&'static str>,
    /// What it means, from the comment of the variant.
    pub meaning: &'static str,
}

/// Declares an enum of refusals together with its rows of the registry.
///
/// Each variant names its metadata as fields, then `=> Kind "REASON", en "…", ko "…"`, where trying again may help
/// `retry milliseconds`, and where one field of the request is at fault `field "name"`. The enum gets `REASONS`, all its
/// rows in order.
#[macro_export]
macro_rules! refusals {
    (
        $(#[doc = $enum_doc:literal])+
        $visibility:vis enum $name:ident {
            $(
                #[doc = $doc:literal]
                $variant:ident { $($field:ident : $type:ty),* $(,)? } => $kind:ident $reason:literal,
                en $english:literal,
                ko $korean:literal
                $(, retry $retry:literal)?
                $(, field $at:literal)?
                ,
            )+
        }
    ) => {
        $(#[doc = $enum_doc])+
        #[derive(Clone, Debug, PartialEq, Eq)]
        $visibility enum $name {
            $(
                #[doc = $doc]
                $variant {
                    $(
                        #[doc = concat!("Metadata `", stringify!($field), "`.")]
                        $field: $type,
                    )*
                },
            )+
        }

        impl $name {
            /// The rows of the registry, in the order of the variants.
            $visibility const REASONS: &'static [$crate::refusal::Reason] = &[
                $(
                    $crate::refusal::Reason {
                        reason: $reason,
                        kind: $crate::refusal::Kind::$kind,
                        metadata: &[$(stringify!($field)),*],
                        english: $english,
                        korean: $korean,
                        retry_after_milliseconds: $crate::refusals!(@option $($retry)?),
                        field: $crate::refusals!(@option $($at)?),
                        meaning: $doc.trim_ascii(),
                    },
                )+
            ];
        }

        impl $crate::refusal::Refusal for $name {
            fn reason(&self) -> &'static $crate::refusal::Reason {
                let reason = match self { $( Self::$variant { .. } => $reason, )+ };
                let row = Self::REASONS.iter().find(|row| row.reason == reason);
                row.expect("every variant has its row")
            }

            fn metadata(&self) -> Vec<(&'static str, String)> {
                match self {
                    $( Self::$variant { $($field),* } => vec![ $( (stringify!($field), $field.to_string()) ),* ], )+
                }
            }
        }
    };
    (@option) => { None };
    (@option $value:literal) => { Some($value) };
}
