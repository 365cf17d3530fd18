//! The rules of stock: what is on hand, what orders hold, and what each may do next.

pub(crate) mod adjust_stock;
pub(crate) mod commit_stock;
pub(crate) mod preview_stock;
pub(crate) mod release_stock;
pub(crate) mod reserve_stock;
pub(crate) mod restock;
pub(crate) mod return_stock;
pub(crate) mod store;

use std::collections::BTreeMap;

use kit::refusals;
use proto::event::v1::{StockCause, StockLevelChanged};

refusals! {
    /// Why a rule of stock said no.
    pub enum StockRefusal {
        /// An order asks for more than is on hand.
        Insufficient { product_id: String, requested: i64, available: i64 } => FailedPrecondition "STOCK_INSUFFICIENT",
            en "product {product_id} has {available} on hand, {requested} were asked for",
            ko "상품 {product_id} 의 재고는 {available}개로, 요청한 {requested}개보다 적습니다",
        /// A level would not fit into 63 bits.
        Overflow { product_id: String } => InvalidArgument "STOCK_OVERFLOW",
            en "the stock of product {product_id} would become too large",
            ko "상품 {product_id} 의 재고가 너무 커집니다",
        /// The order has no reservation.
        ReservationNotFound { order_id: String } => NotFound "RESERVATION_NOT_FOUND",
            en "order {order_id} has reserved nothing",
            ko "주문 {order_id} 의 재고 예약이 없습니다",
        /// The order has reserved other lines.
        ReservationDiffers { order_id: String } => AlreadyExists "RESERVATION_DIFFERS",
            en "order {order_id} has reserved other lines",
            ko "주문 {order_id} 은(는) 다른 상품을 예약했습니다",
        /// The order's reservation was given back, perhaps before it was made.
        ReservationReleased { order_id: String } => FailedPrecondition "RESERVATION_RELEASED",
            en "the reservation of order {order_id} was released",
            ko "주문 {order_id} 의 재고 예약이 해제되었습니다",
        /// The order's reservation was sold.
        ReservationCommitted { order_id: String } => FailedPrecondition "RESERVATION_COMMITTED",
            en "the reservation of order {order_id} was sold",
            ko "주문 {order_id} 의 재고는 이미 판매되었습니다",
        /// The order's reservation is not sold, so nothing can come back.
        ReservationNotCommitted { order_id: String } => FailedPrecondition "RESERVATION_NOT_COMMITTED",
            en "the reservation of order {order_id} was not sold",
            ko "주문 {order_id} 의 재고는 판매되지 않았습니다",
        /// What the order bought has come back.
        ReservationReturned { order_id: String } => FailedPrecondition "RESERVATION_RETURNED",
            en "what order {order_id} bought was returned",
            ko "주문 {order_id} 의 상품은 반품되었습니다",
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

/// Where a reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReservationState {
    Reserved,
    Committed,
    Released,
    Returned,
}

/// What an order asks of its reservation.
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
        self.on_hand = self.on_hand.checked_add(quantity).ok_or_else(overflow)?;
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

impl ReservationState {
    /// Where a wish leads; `None` if it is so already.
    pub fn after(self, wish: Wish, order_id: &str) -> Result<Option<Self>, StockRefusal> {
        let order_id = order_id.to_owned();
        match (wish, self) {
            (Wish::Commit, Self::Reserved) => Ok(Some(Self::Committed)),
            (Wish::Release, Self::Reserved) => Ok(Some(Self::Released)),
            (Wish::Return, Self::Committed) => Ok(Some(Self::Returned)),
            (Wish::Commit, Self::Committed) | (Wish::Release, Self::Released) | (Wish::Return, Self::Returned) => {
                Ok(None)
            }
            (Wish::Return, Self::Reserved) => Err(StockRefusal::ReservationNotCommitted { order_id }),
            (_, Self::Released) => Err(StockRefusal::ReservationReleased { order_id }),
            (_, Self::Committed) => Err(StockRefusal::ReservationCommitted { order_id }),
            (_, Self::Returned) => Err(StockRefusal::ReservationReturned { order_id }),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Reserved => "RESERVED",
            Self::Committed => "COMMITTED",
            Self::Released => "RELEASED",
            Self::Returned => "RETURNED",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Reserved, Self::Committed, Self::Released, Self::Returned]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// One quantity a product: lines that name a product twice are added up. The map is also the order of locking.
pub(crate) fn merge(lines: impl IntoIterator<Item = (String, i64)>) -> Result<BTreeMap<String, i64>, StockRefusal> {
    let mut merged = BTreeMap::new();
    for (product_id, quantity) in lines {
        let sum: &mut i64 = merged.entry(product_id.clone()).or_default();
        *sum = sum.checked_add(quantity).ok_or(StockRefusal::Overflow { product_id })?;
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
    fn sums_that_do_not_fit_are_refused() {
        assert!(level(i64::MAX).restock(1).is_err());
        assert!(merge([("a".to_owned(), i64::MAX), ("a".to_owned(), 1)]).is_err());
    }

    #[test]
    fn a_reservation_goes_one_way_and_a_repeated_wish_is_already_so() {
        use ReservationState::{Committed, Released, Reserved, Returned};
        let allowed = [
            (Wish::Commit, Reserved, Committed),
            (Wish::Release, Reserved, Released),
            (Wish::Return, Committed, Returned),
        ];
        for wish in [Wish::Commit, Wish::Release, Wish::Return] {
            for state in [Reserved, Committed, Released, Returned] {
                let next = state.after(wish, "o");
                match allowed.iter().find(|(allowed, _, _)| *allowed == wish) {
                    Some((_, from, to)) if *from == state => assert_eq!(next, Ok(Some(*to))),
                    Some((_, _, to)) if *to == state => assert_eq!(next, Ok(None)),
                    _ => assert!(next.is_err(), "{wish:?} {state:?}"),
                }
            }
        }
    }
}
