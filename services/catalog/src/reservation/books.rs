//! The books that the orders of one batch are judged by, one after the other, in memory.

use std::collections::{BTreeMap, HashMap};

use kit::refusal::Failure;
use proto::catalog::v1::StockLine;
use proto::event::v1::event::Fact;
use proto::event::v1::{StockCause, StockCommitted, StockReleased, StockReserved, StockReturned};

use super::{Line, Reservation, ReservationRefusal, State, subject};
use crate::product::{self, Product, ProductRefusal};
use crate::stock::{Level, Wish};

/// The part of the stock that a batch works on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Books {
    pub levels: BTreeMap<String, Level>,
    pub products: HashMap<String, Product>,
    /// By order.
    pub reservations: BTreeMap<String, Reservation>,
}

/// What an order asks for.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    /// These lines, each of another product.
    Reserve(Vec<StockLine>),
    /// Something done with what it reserved.
    Fulfil(Wish),
}

/// What an order is answered, and what is to be told of it: subject, version and fact; nothing if it was so already.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub lines: Vec<Line>,
    pub told: Vec<(String, i64, Fact)>,
}

impl Books {
    /// Grants all that an order asks for, or refuses and leaves the books as they are.
    pub fn judge(&mut self, order_id: &str, ask: &Ask) -> Result<Verdict, Failure> {
        match (ask, self.reservations.get(order_id)) {
            (Ask::Reserve(wanted), None) => self.reserve(order_id, wanted),
            (Ask::Reserve(wanted), Some(known)) => {
                known.answers(order_id, wanted)?;
                let lines = known.lines.clone();
                Ok(Verdict {
                    lines,
                    told: Vec::new(),
                })
            }
            (Ask::Fulfil(Wish::Release), None) => Ok(self.bury(order_id)),
            (Ask::Fulfil(_), None) => {
                let order_id = order_id.to_owned();
                Err(ReservationRefusal::NotFound { order_id }.into())
            }
            (Ask::Fulfil(wish), Some(known)) => {
                let known = known.clone();
                match known.state.after(*wish, order_id)? {
                    Some(next) => self.fulfil(order_id, known, *wish, next),
                    None => Ok(Verdict::default()),
                }
            }
        }
    }

    fn reserve(&mut self, order_id: &str, wanted: &[StockLine]) -> Result<Verdict, Failure> {
        let mut changed = BTreeMap::new();
        for StockLine { product_id, quantity } in sorted(wanted) {
            let mut level = self.on_sale(product_id)?.1.clone();
            level.reserve(*quantity)?;
            changed.insert(product_id.clone(), level);
        }
        let mut lines = Vec::with_capacity(wanted.len());
        for StockLine { product_id, quantity } in wanted {
            let product = self.on_sale(product_id)?.0;
            lines.push(Line {
                product_id: product_id.clone(),
                quantity: *quantity,
                name: product.name.clone(),
                brand_id: product.brand_id.clone(),
                unit_price: product.price,
            });
        }
        let reservation = Reservation {
            state: State::Reserved,
            version: 1,
            lines: lines.clone(),
        };
        let fact = Fact::StockReserved(StockReserved {
            order_id: order_id.to_owned(),
            lines: reservation.told_lines(),
        });
        let told = self.keep(order_id, reservation, changed, StockCause::Reserved, fact);
        Ok(Verdict { lines, told })
    }

    /// The product and its level, if it is on sale.
    fn on_sale(&self, product_id: &str) -> Result<(&Product, &Level), ProductRefusal> {
        let known = self.products.get(product_id).zip(self.levels.get(product_id));
        let (product, level) = known.ok_or_else(|| ProductRefusal::NotFound {
            product_id: product_id.to_owned(),
        })?;
        product.status.check_on_sale(product_id)?;
        Ok((product, level))
    }

    /// Leaves word that this order may reserve nothing any more.
    fn bury(&mut self, order_id: &str) -> Verdict {
        let reservation = Reservation {
            state: State::Released,
            version: 1,
            lines: Vec::new(),
        };
        let fact = Fact::StockReleased(StockReleased {
            order_id: order_id.to_owned(),
            lines: Vec::new(),
            tombstone: true,
        });
        let told = self.keep(order_id, reservation, BTreeMap::new(), StockCause::Released, fact);
        Verdict {
            lines: Vec::new(),
            told,
        }
    }

    fn fulfil(&mut self, order_id: &str, mut known: Reservation, wish: Wish, next: State) -> Result<Verdict, Failure> {
        let mut changed = BTreeMap::new();
        for line in &known.lines {
            let level = self.levels.get(&line.product_id);
            let mut level = level
                .cloned()
                .ok_or_else(|| anyhow::anyhow!("no level of {}", line.product_id))?;
            level.fulfil(wish, line.quantity);
            changed.insert(line.product_id.clone(), level);
        }
        known.state = next;
        known.version += 1;
        let (order, lines) = (order_id.to_owned(), known.told_lines());
        let (cause, fact) = match wish {
            Wish::Commit => (
                StockCause::Committed,
                Fact::StockCommitted(StockCommitted { order_id: order, lines }),
            ),
            Wish::Return => (
                StockCause::Returned,
                Fact::StockReturned(StockReturned { order_id: order, lines }),
            ),
            Wish::Release => {
                let told = StockReleased {
                    order_id: order,
                    lines,
                    tombstone: false,
                };
                (StockCause::Released, Fact::StockReleased(told))
            }
        };
        let told = self.keep(order_id, known, changed, cause, fact);
        Ok(Verdict {
            lines: Vec::new(),
            told,
        })
    }

    fn keep(
        &mut self,
        order_id: &str,
        reservation: Reservation,
        changed: BTreeMap<String, Level>,
        cause: StockCause,
        fact: Fact,
    ) -> Vec<(String, i64, Fact)> {
        let level_told = |level: &Level| {
            let told = Fact::StockLevelChanged(level.told(cause, order_id, ""));
            (product::subject(&level.product_id), level.version, told)
        };
        let mut told: Vec<_> = changed.values().map(level_told).collect();
        told.push((subject(order_id), reservation.version, fact));
        self.levels.extend(changed);
        self.reservations.insert(order_id.to_owned(), reservation);
        told
    }
}

/// By product, so that of several refusals the same one is always told.
fn sorted(lines: &[StockLine]) -> Vec<&StockLine> {
    let mut lines: Vec<&StockLine> = lines.iter().collect();
    lines.sort_by(|one, other| one.product_id.cmp(&other.product_id));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::product::Status;

    fn books(stock: &[(&str, i64)]) -> Books {
        let mut books = Books::default();
        for (product_id, on_hand) in stock {
            let mut level = Level::empty((*product_id).to_owned());
            level.restock(*on_hand).unwrap();
            let product = Product {
                product_id: (*product_id).to_owned(),
                brand_id: "house".to_owned(),
                name: "A".to_owned(),
                description: String::new(),
                category: String::new(),
                image_url: String::new(),
                price: 100,
                status: Status::Available,
                edit: 1,
                created_at: jiff::Timestamp::UNIX_EPOCH,
                updated_at: jiff::Timestamp::UNIX_EPOCH,
            };
            books.products.insert((*product_id).to_owned(), product);
            books.levels.insert((*product_id).to_owned(), level);
        }
        books
    }

    fn reserve(lines: &[(&str, i64)]) -> Ask {
        let line = |(product_id, quantity): &(&str, i64)| StockLine {
            product_id: (*product_id).to_owned(),
            quantity: *quantity,
        };
        Ask::Reserve(lines.iter().map(line).collect())
    }

    fn reason(outcome: Result<Verdict, Failure>) -> String {
        outcome.unwrap_err().reason().unwrap()
    }

    #[test]
    fn orders_are_judged_one_after_the_other_and_each_gets_all_or_nothing() {
        let mut books = books(&[("a", 5), ("b", 1)]);
        assert!(books.judge("o1", &reserve(&[("b", 1), ("a", 3)])).is_ok());
        assert_eq!(
            reason(books.judge("o2", &reserve(&[("a", 2), ("b", 1)]))),
            "STOCK_INSUFFICIENT"
        );
        assert_eq!((books.levels["a"].on_hand, books.levels["b"].on_hand), (2, 0));
        let verdict = books.judge("o3", &reserve(&[("a", 2)])).unwrap();
        assert_eq!(books.levels["a"].on_hand, 0);
        // the restock was version 1, o1 version 2, and o2 left none
        assert_eq!(verdict.told[0].1, 3);
    }

    #[test]
    fn the_same_order_again_is_told_the_same_and_changes_nothing() {
        let mut books = books(&[("a", 5), ("b", 5)]);
        let first = books.judge("o", &reserve(&[("b", 1), ("a", 2)])).unwrap();
        books.products.get_mut("a").unwrap().price = 200;
        let again = books.judge("o", &reserve(&[("a", 2), ("b", 1)])).unwrap();
        assert_eq!(again.lines, first.lines);
        assert!(again.told.is_empty());
        assert_eq!(reason(books.judge("o", &reserve(&[("a", 2)]))), "RESERVATION_DIFFERS");
    }

    #[test]
    fn releasing_what_never_was_refuses_the_late_reservation() {
        let mut books = books(&[("a", 5)]);
        assert_eq!(books.judge("o", &Ask::Fulfil(Wish::Release)).unwrap().told.len(), 1);
        assert!(books.judge("o", &Ask::Fulfil(Wish::Release)).unwrap().told.is_empty());
        assert_eq!(reason(books.judge("o", &reserve(&[("a", 1)]))), "RESERVATION_RELEASED");
        assert_eq!(
            reason(books.judge("other", &Ask::Fulfil(Wish::Commit))),
            "RESERVATION_NOT_FOUND"
        );
        assert_eq!(books.levels["a"].on_hand, 5);
    }

    #[test]
    fn what_is_not_on_sale_cannot_be_reserved_but_what_was_reserved_goes_on() {
        let mut books = books(&[("a", 5)]);
        books.judge("o", &reserve(&[("a", 1)])).unwrap();
        books.products.get_mut("a").unwrap().status = Status::Hidden;
        assert_eq!(
            reason(books.judge("late", &reserve(&[("a", 1)]))),
            "PRODUCT_NOT_ON_SALE"
        );
        assert_eq!(reason(books.judge("late", &reserve(&[("x", 1)]))), "PRODUCT_NOT_FOUND");
        for wish in [Wish::Commit, Wish::Return] {
            books.judge("o", &Ask::Fulfil(wish)).unwrap();
        }
        assert_eq!((books.levels["a"].on_hand, books.levels["a"].sold), (5, 0));
        assert_eq!(books.reservations["o"].version, 3);
    }
}
