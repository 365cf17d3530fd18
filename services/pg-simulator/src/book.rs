//! What the gateway knows: its transactions, the rules that change them, and the entries that a book on disk is made of.

mod keeper;
mod read_book;

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use crate::contract::Refusal;
use crate::mode::{Die, Mode};

pub(crate) use keeper::Keeper;
pub use read_book::{BOOK_FILE, read_book};

/// Everything the gateway ever accepted, in the order of acceptance.
#[derive(Debug, Clone, Default)]
pub struct Book {
    transactions: Vec<Transaction>,
    by_key: HashMap<String, usize>,
    by_order: HashMap<String, Order>,
    pending: BTreeMap<usize, Acceptance>,
}

/// One payment at the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// `yyyyMMdd:TR:xxxxxx`, unique in the book.
    pub transaction_key: String,
    /// The shop's name for the attempt; several transactions may carry it.
    pub order_id: String,
    /// SAMSUNG, KB or HYUNDAI.
    pub card_type: String,
    /// The rest of the number is never written down.
    pub card_last_four: String,
    /// Minor units, ≥ 1: what is or would be captured.
    pub amount: i64,
    /// Minor units, 0 to `amount`: given back so far.
    pub cancelled_amount: i64,
    /// Absent while PENDING; final once there.
    pub verdict: Option<Verdict>,
    /// What departs from a plain yes about it.
    pub modes: Vec<Mode>,
    accepted_at_ms: i64,
    decided_at_ms: Option<i64>,
}

/// How a payment was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The amount is captured.
    Approved,
    /// Declined.
    LimitExceeded,
    /// Declined.
    InvalidCard,
}

/// The contract's word for where a transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Not decided.
    Pending,
    /// Captured, also when cancelled later.
    Success,
    /// Declined.
    Failed,
}

/// Sums over the transactions of one order id, minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Money {
    /// Σ amount of SUCCESS.
    pub captured: i128,
    /// Σ cancelled amount, ≤ captured.
    pub cancelled: i128,
}

/// One line on disk: one change of state.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub(crate) enum Entry {
    Accepted(Acceptance),
    Decided {
        transaction_key: String,
        verdict: Verdict,
        at_ms: i64,
    },
    Cancelled {
        transaction_key: String,
        amount: i64,
        at_ms: i64,
    },
}

/// An accepted payment with its fate, so that a restart changes neither.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Acceptance {
    pub transaction_key: String,
    pub order_id: String,
    pub post: u32,
    pub card_type: String,
    pub card_last_four: String,
    pub amount: i64,
    pub callback_url: String,
    pub verdict: Verdict,
    #[serde(default)]
    pub modes: Vec<Mode>,
    pub at_ms: i64,
    pub decides_at_ms: i64,
}

#[derive(Debug, Clone, Default)]
struct Order {
    posts: u32,
    look_ups: u32,
    cancels: u32,
    transactions: Vec<usize>,
}

impl Book {
    /// All transactions, in the order of acceptance.
    pub fn transactions(&self) -> &[Transaction] {
        &self.transactions
    }

    /// The transaction of this key.
    pub fn transaction(&self, transaction_key: &str) -> Option<&Transaction> {
        self.by_key.get(transaction_key).map(|&index| &self.transactions[index])
    }

    /// The transactions of this order id, in the order of acceptance; none if it is unknown.
    pub fn of_order(&self, order_id: &str) -> impl Iterator<Item = &Transaction> {
        let indices = self.by_order.get(order_id).map_or(&[][..], |order| &order.transactions);
        indices.iter().map(|&index| &self.transactions[index])
    }

    /// What was captured and given back, per order id.
    pub fn money_by_order(&self) -> BTreeMap<&str, Money> {
        let mut sums: BTreeMap<&str, Money> = BTreeMap::new();
        for transaction in &self.transactions {
            let money = sums.entry(&transaction.order_id).or_default();
            if transaction.status() == Status::Success {
                money.captured += i128::from(transaction.amount);
            }
            money.cancelled += i128::from(transaction.cancelled_amount);
        }
        sums
    }

    pub(crate) fn pending(&self) -> impl Iterator<Item = &Acceptance> {
        self.pending.values()
    }

    /// The number of this call among those of its kind about an order, from 0. A restart forgets all but accepted POSTs.
    pub(crate) fn number(&mut self, die: Die, order_id: &str) -> u32 {
        let order = self.by_order.entry(order_id.to_owned()).or_default();
        let calls = match die {
            Die::LookUp => &mut order.look_ups,
            Die::Cancel => &mut order.cancels,
            _ => &mut order.posts,
        };
        *calls += 1;
        *calls - 1
    }

    /// A key for the next transaction, on a date written `yyyyMMdd`: distinct for 2^24 transactions in a row.
    pub(crate) fn next_key(&self, date: &str, seed: u64) -> String {
        // An odd factor permutes the 24 bits, so that keys look random and never meet.
        let number = (self.transactions.len() as u64)
            .wrapping_mul(0x9E37_79B1)
            .wrapping_add(seed)
            & 0xFF_FFFF;
        format!("{date}:TR:{number:06x}")
    }

    /// # Errors
    /// Unknown key, not SUCCESS, amount below 1 or above what is left.
    pub(crate) fn cancel(&self, transaction_key: &str, amount: i64, at_ms: i64) -> Result<Entry, Refusal> {
        let transaction = self.transaction(transaction_key).ok_or(Refusal::NotFound)?;
        if amount < 1 {
            return Err(Refusal::Invalid("amount must be a positive integer"));
        }
        if transaction.status() != Status::Success {
            return Err(Refusal::Invalid("only a successful payment can be cancelled"));
        }
        if amount > transaction.amount - transaction.cancelled_amount {
            return Err(Refusal::Invalid("cancelled amounts would exceed the captured amount"));
        }
        Ok(Entry::Cancelled {
            transaction_key: transaction_key.to_owned(),
            amount,
            at_ms,
        })
    }

    /// Takes an entry in and returns the transaction as it is now.
    ///
    /// # Errors
    /// An entry that contradicts the book.
    pub(crate) fn apply(&mut self, entry: &Entry) -> anyhow::Result<&Transaction> {
        let index = match entry {
            Entry::Accepted(acceptance) => self.apply_acceptance(acceptance)?,
            Entry::Decided {
                transaction_key,
                verdict,
                at_ms,
            } => {
                let index = self.index(transaction_key)?;
                ensure!(
                    self.pending.remove(&index).is_some(),
                    "{transaction_key} is decided twice"
                );
                self.transactions[index].verdict = Some(*verdict);
                self.transactions[index].decided_at_ms = Some(*at_ms);
                index
            }
            Entry::Cancelled {
                transaction_key,
                amount,
                at_ms,
            } => {
                let lawful = self.cancel(transaction_key, *amount, *at_ms);
                ensure!(lawful.is_ok(), "{transaction_key} cannot be cancelled by {amount}");
                let index = self.index(transaction_key)?;
                self.transactions[index].cancelled_amount += amount;
                index
            }
        };
        Ok(&self.transactions[index])
    }

    fn apply_acceptance(&mut self, acceptance: &Acceptance) -> anyhow::Result<usize> {
        let index = self.transactions.len();
        let known = self.by_key.contains_key(&acceptance.transaction_key);
        ensure!(!known, "{} is accepted twice", acceptance.transaction_key);
        self.by_key.insert(acceptance.transaction_key.clone(), index);

        let order = self.by_order.entry(acceptance.order_id.clone()).or_default();
        order.posts = order.posts.max(acceptance.post + 1);
        order.transactions.push(index);
        self.transactions.push(Transaction {
            transaction_key: acceptance.transaction_key.clone(),
            order_id: acceptance.order_id.clone(),
            card_type: acceptance.card_type.clone(),
            card_last_four: acceptance.card_last_four.clone(),
            amount: acceptance.amount,
            cancelled_amount: 0,
            verdict: None,
            modes: acceptance.modes.clone(),
            accepted_at_ms: acceptance.at_ms,
            decided_at_ms: None,
        });
        self.pending.insert(index, acceptance.clone());
        Ok(index)
    }

    fn index(&self, transaction_key: &str) -> anyhow::Result<usize> {
        self.by_key
            .get(transaction_key)
            .copied()
            .with_context(|| format!("{transaction_key} was never accepted"))
    }
}

impl Transaction {
    /// Where it stands.
    pub fn status(&self) -> Status {
        self.verdict.map_or(Status::Pending, Verdict::status)
    }

    /// As a look-up shows it, which may contradict the book for so long at a time; `None`: not at all.
    pub(crate) fn shown(&self, now_ms: i64, contradiction_ms: i64) -> Option<Self> {
        let age_ms = now_ms - self.accepted_at_ms;
        if self.modes.contains(&Mode::ShownLate) && age_ms < contradiction_ms {
            return None;
        }
        let mut shown = self.clone();
        if let Some(since_ms) = self.decided_at_ms.map(|decided_at_ms| now_ms - decided_at_ms) {
            let lies_first = self.modes.contains(&Mode::ShownFailedFirst) && since_ms < contradiction_ms;
            let again = self.modes.contains(&Mode::ShownPendingAgain);
            if lies_first && self.status() == Status::Success {
                shown.verdict = Some(Verdict::LimitExceeded);
            } else if again && (contradiction_ms..2 * contradiction_ms).contains(&since_ms) {
                shown.verdict = None;
            }
        }
        Some(shown)
    }

    /// Why it failed; absent otherwise.
    pub fn reason(&self) -> Option<&'static str> {
        self.verdict.and_then(Verdict::reason)
    }
}

impl Verdict {
    fn status(self) -> Status {
        match self {
            Self::Approved => Status::Success,
            Self::LimitExceeded | Self::InvalidCard => Status::Failed,
        }
    }

    fn reason(self) -> Option<&'static str> {
        match self {
            Self::Approved => None,
            Self::LimitExceeded => Some("limit exceeded"),
            Self::InvalidCard => Some("invalid card"),
        }
    }
}
