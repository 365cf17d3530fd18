//! The gateway's own book of one attempt, and what is still on the wire to it.

/// POSTs of one attempt in the model; the code's default is three.
pub const POSTS: usize = 2;

/// How a POST's transaction stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// There is none.
    #[default]
    None,
    /// It will be stored, within the time after which an absence is proof.
    OnWire,
    /// Stored and not decided.
    Pending,
    /// Money was taken.
    Success,
    /// Declined.
    Failed,
}

/// One transaction of the gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Transaction {
    /// How it stands.
    pub verdict: Verdict,
    /// Of another amount than was asked for.
    pub wrong: bool,
    /// How often it was cancelled. A cancellation of a part may be repeated at the gateway, so more than once is possible.
    pub cancelled: u8,
    /// A cancellation that nobody has an answer to arrives later.
    pub cancel_on_wire: bool,
}

/// The transactions of an attempt, by the POST that brought them.
pub type Book = [Transaction; POSTS];

impl Transaction {
    /// Whether a look-up shows it.
    pub(crate) fn is_listed(&self) -> bool {
        !matches!(self.verdict, Verdict::None | Verdict::OnWire)
    }

    /// Whether money was taken, given back or not.
    pub(crate) fn is_taken(&self) -> bool {
        self.verdict == Verdict::Success
    }

    /// Whether money was taken and is still there.
    pub(crate) fn is_kept(&self) -> bool {
        self.is_taken() && self.cancelled == 0
    }
}
