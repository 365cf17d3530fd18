//! The rules of stock: what is on hand, what orders hold, what is sold.

pub(crate) mod adjust_stock;
pub(crate) mod preview_stock;
pub(crate) mod restock;
pub(crate) mod store;

use std::collections::HashMap;

use kit::refusals;
use proto::catalog::v1::StockLine;
use proto::event::v1::{StockCause, StockLevelChanged};

/// Pieces of one product that may be put on hand.
const ON_HAND_PIECES_MAX: i64 = 10_000_000_000;

refusals! {
    /// Why a rule of stock said no.
    pub enum StockRefusal {
        /// An order asks for more than is on hand.
        Insufficient { product_id: String, requested: i64, available: i64 } => FailedPrecondition "STOCK_INSUFFICIENT",
            en "product {product_id} has {available} on hand, {requested} were asked for",
            ko "상품 {product_id} 의 재고는 {available}개로, 요청한 {requested}개보다 적습니다",
        /// There would be more pieces of a product than a shop may have.
        Overflow { product_id: String } => FailedPrecondition "STOCK_OVERFLOW",
            en "the stock of product {product_id} would become too large",
            ko "상품 {product_id} 의 재고가 너무 커집니다",
    }
}

/// A product's stock. Received + adjusted = on hand + reserved + sold, at every instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Level {
    pub product_id: String,
    pub on_hand: i64,
    pub reserved: i64,
    pub sold: i64,
    pub received: i64,
    pub adjusted: i64,
    pub version: i64,
}

/// What an order wants done with the pieces it reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Commit,
    Release,
    Return,
}

impl Level {
    /// A level that nothing was received into yet.
    pub fn empty(product_id: String) -> Self {
        Self {
            product_id,
            on_hand: 0,
            reserved: 0,
            sold: 0,
            received: 0,
            adjusted: 0,
            version: 0,
        }
    }

    /// Pieces arrive.
    pub fn restock(&mut self, quantity: i64) -> Result<(), StockRefusal> {
        let overflow = || StockRefusal::Overflow {
            product_id: self.product_id.clone(),
        };
        let received = self.received.checked_add(quantity).ok_or_else(overflow)?;
        let on_hand = self.on_hand.checked_add(quantity).ok_or_else(overflow)?;
        if on_hand > ON_HAND_PIECES_MAX {
            return Err(overflow());
        }
        self.on_hand = on_hand;
        self.received = received;
        self.version += 1;
        Ok(())
    }

    /// Pieces were counted; `false` if the books had it right.
    pub fn adjust(&mut self, counted: i64) -> Result<bool, StockRefusal> {
        if counted == self.on_hand {
            return Ok(false);
        }
        let overflow = || StockRefusal::Overflow {
            product_id: self.product_id.clone(),
        };
        let adjusted = self.adjusted.checked_add(counted - self.on_hand).ok_or_else(overflow)?;
        self.adjusted = adjusted;
        self.on_hand = counted;
        self.version += 1;
        Ok(true)
    }

    /// Pieces on hand become an order's.
    pub fn reserve(&mut self, quantity: i64) -> Result<(), StockRefusal> {
        if quantity > self.on_hand {
            let product_id = self.product_id.clone();
            return Err(StockRefusal::Insufficient {
                product_id,
                requested: quantity,
                available: self.on_hand,
            });
        }
        self.on_hand -= quantity;
        self.reserved += quantity;
        self.version += 1;
        Ok(())
    }

    /// An order's pieces are sold, given back, or come back.
    pub fn fulfil(&mut self, wish: Wish, quantity: i64) {
        match wish {
            Wish::Commit => {
                self.reserved -= quantity;
                self.sold += quantity;
            }
            Wish::Release => {
                self.reserved -= quantity;
                self.on_hand += quantity;
            }
            Wish::Return => {
                self.sold -= quantity;
                self.on_hand += quantity;
            }
        }
        self.version += 1;
    }

    /// The fact of this level.
    pub fn told(&self, cause: StockCause, order_id: &str, why: &str) -> StockLevelChanged {
        StockLevelChanged {
            product_id: self.product_id.clone(),
            on_hand: self.on_hand,
            reserved: self.reserved,
            sold: self.sold,
            received: self.received,
            adjusted: self.adjusted,
            cause: cause.into(),
            order_id: order_id.to_owned(),
            why: why.to_owned(),
        }
    }
}

/// One line a product, in the order asked: lines that name a product twice are added up.
pub(crate) fn merge(lines: Vec<StockLine>) -> Result<Vec<StockLine>, StockRefusal> {
    let mut merged: Vec<StockLine> = Vec::with_capacity(lines.len());
    let mut places: HashMap<String, usize> = HashMap::new();
    for line in lines {
        let place = *places.entry(line.product_id.clone()).or_insert(merged.len());
        let Some(first) = merged.get_mut(place) else {
            merged.push(line);
            continue;
        };
        let sum = first.quantity.checked_add(line.quantity);
        first.quantity = sum.ok_or(StockRefusal::Overflow {
            product_id: line.product_id,
        })?;
    }
    Ok(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(on_hand: i64) -> Level {
        let mut level = Level::empty("a".to_owned());
        level.restock(on_hand).unwrap();
        level
    }

    fn balanced(level: &Level) -> bool {
        level.received + level.adjusted == level.on_hand + level.reserved + level.sold
    }

    #[test]
    fn exactly_what_is_on_hand_can_be_reserved() {
        let mut stock = level(5);
        stock.reserve(5).unwrap();
        let refused = StockRefusal::Insufficient {
            product_id: "a".to_owned(),
            requested: 1,
            available: 0,
        };
        assert_eq!(stock.reserve(1), Err(refused));
        assert_eq!((stock.on_hand, stock.reserved), (0, 5));
    }

    #[test]
    fn every_move_keeps_the_books_balanced_and_raises_the_version_by_one() {
        let mut stock = level(10);
        let moves: [&dyn Fn(&mut Level); 6] = [
            &|stock| stock.reserve(4).unwrap(),
            &|stock| stock.fulfil(Wish::Commit, 3),
            &|stock| stock.fulfil(Wish::Release, 1),
            &|stock| stock.fulfil(Wish::Return, 3),
            &|stock| assert!(stock.adjust(2).unwrap()),
            &|stock| stock.restock(7).unwrap(),
        ];
        for (number, change) in moves.into_iter().enumerate() {
            change(&mut stock);
            assert!(balanced(&stock), "move {number}: {stock:?}");
            assert_eq!(stock.version, i64::try_from(number).unwrap() + 2);
        }
    }

    #[test]
    fn more_than_a_shop_may_have_is_refused_and_changes_nothing() {
        let mut stock = level(ON_HAND_PIECES_MAX);
        let full = stock.clone();
        assert!(stock.restock(1).is_err());
        assert!(stock.restock(i64::MAX).is_err());
        assert_eq!(stock, full);
    }

    #[test]
    fn lines_of_one_product_are_added_up_in_the_order_asked() {
        let line = |product_id: &str, quantity| StockLine {
            product_id: product_id.to_owned(),
            quantity,
        };
        let merged = merge(vec![line("b", 1), line("a", 2), line("b", 3)]);
        assert_eq!(merged, Ok(vec![line("b", 4), line("a", 2)]));
        assert!(merge(vec![line("a", i64::MAX), line("a", 1)]).is_err());
    }
}
