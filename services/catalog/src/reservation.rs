//! The rules of a reservation: what an order may do next with the pieces it holds, and what it left word of.

pub(crate) mod books;
pub(crate) mod commit_stock;
pub(crate) mod lanes;
pub(crate) mod move_stock;
pub(crate) mod release_stock;
pub(crate) mod reserve_stock;
pub(crate) mod return_stock;
pub(crate) mod store;

use std::collections::HashMap;

use kit::refusals;
use proto::catalog::v1::StockLine;
use proto::event::v1::ReservationLine;

use crate::stock::Wish;

refusals! {
    /// Why a rule of reservations said no.
    pub enum ReservationRefusal {
        /// The order has no reservation.
        NotFound { order_id: String } => NotFound "RESERVATION_NOT_FOUND",
            en "order {order_id} has reserved nothing",
            ko "주문 {order_id} 의 재고 예약이 없습니다",
        /// The order has reserved other lines.
        Differs { order_id: String } => AlreadyExists "RESERVATION_DIFFERS",
            en "order {order_id} has reserved other lines",
            ko "주문 {order_id} 은(는) 다른 상품을 예약했습니다",
        /// The order's reservation was given back, perhaps before it was made.
        Released { order_id: String } => FailedPrecondition "RESERVATION_RELEASED",
            en "the reservation of order {order_id} was released",
            ko "주문 {order_id} 의 재고 예약이 해제되었습니다",
        /// The order's reservation was sold.
        Committed { order_id: String } => FailedPrecondition "RESERVATION_COMMITTED",
            en "the reservation of order {order_id} was sold",
            ko "주문 {order_id} 의 재고는 이미 판매되었습니다",
        /// The order's reservation is not sold, so nothing can come back.
        NotCommitted { order_id: String } => FailedPrecondition "RESERVATION_NOT_COMMITTED",
            en "the reservation of order {order_id} was not sold",
            ko "주문 {order_id} 의 재고는 판매되지 않았습니다",
        /// What the order bought has come back.
        Returned { order_id: String } => FailedPrecondition "RESERVATION_RETURNED",
            en "what order {order_id} bought was returned",
            ko "주문 {order_id} 의 상품은 반품되었습니다",
    }
}

/// Where a reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Reserved,
    Committed,
    /// Given back; without lines it is a tombstone: nothing had been reserved, and nothing may be any more.
    Released,
    Returned,
}

/// What an order holds, held or may never hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reservation {
    pub state: State,
    pub version: i64,
    /// In the order asked.
    pub lines: Vec<Line>,
}

/// Pieces of one product, with its name and price of the moment when they were reserved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub product_id: String,
    pub quantity: i64,
    pub name: String,
    pub brand_id: String,
    pub unit_price: i64,
}

impl Reservation {
    /// Whether the order may be told again what it reserved, which must be what it asks for.
    pub fn answers(&self, order_id: &str, wanted: &[StockLine]) -> Result<(), ReservationRefusal> {
        let order_id = order_id.to_owned();
        match self.state {
            State::Reserved if self.is_of(wanted) => Ok(()),
            State::Reserved => Err(ReservationRefusal::Differs { order_id }),
            State::Committed => Err(ReservationRefusal::Committed { order_id }),
            State::Released => Err(ReservationRefusal::Released { order_id }),
            State::Returned => Err(ReservationRefusal::Returned { order_id }),
        }
    }

    fn is_of(&self, wanted: &[StockLine]) -> bool {
        let held: HashMap<&str, i64> = self
            .lines
            .iter()
            .map(|line| (line.product_id.as_str(), line.quantity))
            .collect();
        let same = |line: &StockLine| held.get(line.product_id.as_str()) == Some(&line.quantity);
        held.len() == wanted.len() && wanted.iter().all(same)
    }

    /// The lines as facts tell them.
    pub fn told_lines(&self) -> Vec<ReservationLine> {
        let line = |line: &Line| ReservationLine {
            product_id: line.product_id.clone(),
            quantity: line.quantity,
        };
        self.lines.iter().map(line).collect()
    }
}

impl State {
    /// Where a wish leads; `None` if it is so already.
    pub fn after(self, wish: Wish, order_id: &str) -> Result<Option<Self>, ReservationRefusal> {
        let order_id = order_id.to_owned();
        match (wish, self) {
            (Wish::Commit, Self::Reserved) => Ok(Some(Self::Committed)),
            (Wish::Release, Self::Reserved) => Ok(Some(Self::Released)),
            (Wish::Return, Self::Committed) => Ok(Some(Self::Returned)),
            (Wish::Commit, Self::Committed) | (Wish::Release, Self::Released) | (Wish::Return, Self::Returned) => {
                Ok(None)
            }
            (Wish::Return, Self::Reserved) => Err(ReservationRefusal::NotCommitted { order_id }),
            (_, Self::Released) => Err(ReservationRefusal::Released { order_id }),
            (_, Self::Committed) => Err(ReservationRefusal::Committed { order_id }),
            (_, Self::Returned) => Err(ReservationRefusal::Returned { order_id }),
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
        let all = [Self::Reserved, Self::Committed, Self::Released, Self::Returned];
        all.into_iter().find(|state| state.name() == name)
    }
}

/// The subject of an order's reservation.
pub(crate) fn subject(order_id: &str) -> String {
    format!("reservation/{order_id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_goes_one_way_and_a_repeated_wish_is_already_so() {
        use State::{Committed, Released, Reserved, Returned};
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
