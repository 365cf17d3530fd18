//! Every way in which a gateway departs from a plain yes, by name: each is a face of one die, and can be a card's fate.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! modes {
    ($($(#[doc = $doc:literal])+ $mode:ident $name:literal $die:ident,)+) => {
        /// A way to depart from a plain yes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Mode {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $mode,)+
        }

        impl Mode {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$mode,)+];

            /// As settings and the control port call it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$mode => $name,)+
                }
            }

            pub(crate) fn die(self) -> Die {
                match self {
                    $(Self::$mode => Die::$die,)+
                }
            }
        }
    };
}

modes! {
    /// The contract's own: HTTP 500, nothing stored.
    ServerError "server_error" Reply,
    /// No answer, nothing stored.
    Hang "hang" Reply,
    /// Answered HTTP 500 as if nothing were stored, but it is.
    ServerErrorStored "server_error_stored" Reply,
    /// Stored; HTTP 502 with a text that repeats the request, card number and all.
    BadGateway "bad_gateway" Reply,
    /// Approved, but no answer.
    CapturedTimeout "captured_timeout" Reply,
    /// No answer, and stored only `store_late_ms` later: look-ups before that find nothing.
    StoredLate "stored_late" Reply,
    /// Stored; the body of the answer drips for `hang_ms`.
    SlowBody "slow_body" Reply,
    /// Stored; the connection is cut in the middle of the body.
    ResetBody "reset_body" Reply,
    /// Stored; the answer's JSON ends in the middle.
    MalformedBody "malformed_body" Reply,
    /// Stored; the answer stands behind 10 MB of blanks.
    HugeBody "huge_body" Reply,
    /// Stored; answered with a redirect to where the same payment would be taken once more.
    Redirect "redirect" Reply,
    /// Accepted, then declined: limit exceeded.
    LimitExceeded "limit_exceeded" Verdict,
    /// Accepted, then declined: invalid card.
    InvalidCard "invalid_card" Verdict,
    /// The callback comes twice.
    CallbackTwice "callback_twice" Callback,
    /// The callback never comes.
    CallbackLost "callback_lost" Callback,
    /// The callback comes `callback_late_ms` after the decision.
    CallbackLate "callback_late" Callback,
    /// A callback claims SUCCESS while nothing is decided; the true one follows.
    CallbackForged "callback_forged" Callback,
    /// Decided and called back before the POST is answered.
    CallbackBeforeReply "callback_before_reply" Callback,
    /// The gateway books another amount than asked.
    WrongAmount "wrong_amount" Amount,
    /// Look-ups do not show it for `contradiction_ms` from its acceptance.
    ShownLate "shown_late" Shown,
    /// Look-ups show what was approved as FAILED for `contradiction_ms` from the decision, then as what it is.
    ShownFailedFirst "shown_failed_first" Shown,
    /// Look-ups show the decision for `contradiction_ms`, then PENDING for as long, then the decision again.
    ShownPendingAgain "shown_pending_again" Shown,
    /// A look-up gets no answer.
    LookUpHang "look_up_hang" LookUp,
    /// A look-up is answered HTTP 500.
    LookUpError "look_up_error" LookUp,
    /// The answer to a look-up drips for `hang_ms`.
    LookUpSlow "look_up_slow" LookUp,
    /// The answer to a look-up is cut off.
    LookUpReset "look_up_reset" LookUp,
    /// The answer to a look-up ends in the middle.
    LookUpMalformed "look_up_malformed" LookUp,
    /// The answer to a look-up stands behind 10 MB of blanks.
    LookUpHuge "look_up_huge" LookUp,
    /// A look-up is redirected to where nothing is known.
    LookUpRedirect "look_up_redirect" LookUp,
    /// The money goes back, but the cancellation gets no answer.
    CancelTimeoutDone "cancel_timeout_done" Cancel,
    /// The money does not go back, and the cancellation gets no answer.
    CancelTimeoutNotDone "cancel_timeout_not_done" Cancel,
    /// The money goes back, but the cancellation is answered HTTP 500.
    CancelErrorDone "cancel_error_done" Cancel,
    /// The money does not go back; the cancellation is answered HTTP 200 with JSON that ends in the middle.
    CancelMalformedNotDone "cancel_malformed_not_done" Cancel,
    /// The money goes back; the cancellation is redirected to where the same amount would go back once more.
    CancelRedirect "cancel_redirect" Cancel,
}

/// What is thrown for: at most one mode each. Look-ups and cancellations are thrown for call by call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Die {
    Reply,
    Verdict,
    Callback,
    Amount,
    Shown,
    LookUp,
    Cancel,
}

/// How an answer is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Breakage {
    Silence,
    Error,
    Echo,
    Slow,
    Reset,
    Malformed,
    Huge,
    Redirect,
}

impl Mode {
    /// Whether it belongs to the contract: a gateway that does nothing worse is not hostile.
    #[must_use]
    pub fn is_lawful(self) -> bool {
        matches!(self, Self::ServerError | Self::LimitExceeded | Self::InvalidCard)
    }

    pub(crate) fn breakage(self) -> Option<Breakage> {
        let breakage = match self {
            Self::Hang
            | Self::CapturedTimeout
            | Self::StoredLate
            | Self::LookUpHang
            | Self::CancelTimeoutDone
            | Self::CancelTimeoutNotDone => Breakage::Silence,
            Self::ServerError | Self::ServerErrorStored | Self::LookUpError | Self::CancelErrorDone => Breakage::Error,
            Self::BadGateway => Breakage::Echo,
            Self::SlowBody | Self::LookUpSlow => Breakage::Slow,
            Self::ResetBody | Self::LookUpReset => Breakage::Reset,
            Self::MalformedBody | Self::LookUpMalformed | Self::CancelMalformedNotDone => Breakage::Malformed,
            Self::HugeBody | Self::LookUpHuge => Breakage::Huge,
            Self::Redirect | Self::LookUpRedirect | Self::CancelRedirect => Breakage::Redirect,
            _ => return None,
        };
        Some(breakage)
    }
}

impl FromStr for Mode {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> anyhow::Result<Self> {
        let mode = Self::ALL.iter().find(|mode| mode.name() == name);
        mode.copied().ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|mode| mode.name()).collect();
            anyhow::anyhow!("unknown mode {name:?}: one of {}", names.join(", "))
        })
    }
}

impl Die {
    /// Those that are thrown once, for a POST.
    pub const OF_POST: [Self; 5] = [Self::Reply, Self::Verdict, Self::Callback, Self::Amount, Self::Shown];

    pub fn modes(self) -> impl Iterator<Item = Mode> {
        Mode::ALL.iter().copied().filter(move |mode| mode.die() == self)
    }
}
