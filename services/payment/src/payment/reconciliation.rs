//! What an attempt at rest and the gateway's book make of each other.

use super::Payment;
use crate::card_gateway::{Standing, Transaction};

/// Where a transaction of the gateway is not what we account for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) transaction_key: String,
    pub(super) is: Found,
    /// Minor units: what goes back, or what the gateway keeps where that is not what we say.
    pub(super) amount: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It captured, pays nothing, and has not gone back.
    Surplus,
    /// It is the one that we account for, with other figures, or it is not there.
    Other,
}

impl Difference {
    pub(super) fn goes_back(&self) -> bool {
        self.is == Found::Surplus
    }
}

impl Payment {
    /// What the book has and we do not account for, and the other way round; nothing where both agree.
    pub(super) fn differences(&self, book: &[Transaction]) -> Vec<Difference> {
        let left = self.surplus(book).filter(|(_, left)| *left > 0);
        let surplus = left.map(|(transaction, amount)| Difference {
            transaction_key: transaction.transaction_key.clone(),
            is: Found::Surplus,
            amount,
        });
        let mut differences: Vec<Difference> = surplus.collect();
        let counted = differences
            .iter()
            .any(|other| other.transaction_key == self.transaction_key);
        if self.captured > 0 && !counted {
            let ours = book
                .iter()
                .find(|transaction| transaction.transaction_key == self.transaction_key);
            let as_ours = |transaction: &&Transaction| {
                transaction.standing == Standing::Success
                    && (transaction.amount, transaction.cancelled) == (self.captured, self.refunded)
            };
            if ours.filter(as_ours).is_none() {
                differences.push(Difference {
                    transaction_key: self.transaction_key.clone(),
                    is: Found::Other,
                    amount: ours.map_or(0, |transaction| transaction.amount - transaction.cancelled),
                });
            }
        }
        differences
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::State;
    use super::*;

    fn captured(refunded: i64) -> Payment {
        Payment {
            state: State::Captured,
            captured: 100,
            refunded,
            transaction_key: "a".to_owned(),
            posts: 1,
            ..Payment::queued("order".to_owned(), 1, "mina".to_owned(), 100, Timestamp::UNIX_EPOCH)
        }
    }

    fn success(key: &str, cancelled: i64) -> Transaction {
        Transaction {
            transaction_key: key.to_owned(),
            standing: Standing::Success,
            amount: 100,
            cancelled,
        }
    }

    fn found(payment: &Payment, book: &[Transaction]) -> Vec<(String, Found, i64)> {
        let differences = payment.differences(book).into_iter();
        differences
            .map(|one| (one.transaction_key, one.is, one.amount))
            .collect()
    }

    #[test]
    fn a_capture_that_both_know_is_no_difference() {
        assert_eq!(found(&captured(0), &[success("a", 0)]), []);
        assert_eq!(found(&captured(40), &[success("a", 40)]), []);
    }

    #[test]
    fn a_capture_beside_it_goes_back_until_it_has() {
        let both = [success("a", 0), success("b", 30)];
        assert_eq!(found(&captured(0), &both), [("b".to_owned(), Found::Surplus, 70)]);
        assert_eq!(found(&captured(0), &[success("a", 0), success("b", 100)]), []);
    }

    #[test]
    fn a_capture_of_an_attempt_that_ended_without_one_goes_back() {
        let declined = Payment {
            state: State::Declined,
            captured: 0,
            transaction_key: String::new(),
            ..captured(0)
        };
        assert_eq!(
            found(&declined, &[success("late", 0)]),
            [("late".to_owned(), Found::Surplus, 100)]
        );
    }

    #[test]
    fn what_the_gateway_gave_back_or_lost_by_itself_is_told_and_left() {
        assert_eq!(
            found(&captured(0), &[success("a", 60)]),
            [("a".to_owned(), Found::Other, 40)]
        );
        assert_eq!(found(&captured(0), &[]), [("a".to_owned(), Found::Other, 0)]);
    }
}
