//! The rules of an order: what it costs, and which state may follow which.

pub(crate) mod cancel_order;
pub(crate) mod message;
pub(crate) mod pay_order;
pub(crate) mod place_order;
pub(crate) mod preview_order;
pub(crate) mod store;

use jiff::Timestamp;
use kit::money::{MoneyRefusal, sum, times};
use kit::refusals;
use proto::order::v1::OrderState;

/// The largest amount that a message may carry, in minor units.
pub(crate) const AMOUNT_MAX: i64 = 1_000_000_000_000_000;

refusals! {
    /// Why an order is not placed, paid or cancelled.
    pub enum OrderRefusal {
        /// There is no such order, or it is another user's.
        NotFound { order_id: String } => NotFound "ORDER_NOT_FOUND",
            en "there is no order {order_id}",
            ko "주문 {order_id} 을(를) 찾을 수 없습니다",
        /// The total is not the one the user saw.
        TotalChanged { total: i64, expected: i64 } => FailedPrecondition "ORDER_TOTAL_CHANGED",
            en "the total is {total}, not {expected}",
            ko "총액이 {expected}에서 {total}(으)로 변경되었습니다",
        /// More points are to be used than there is to pay.
        PointsExceedTotal { points: i64, total: i64 } => FailedPrecondition "POINTS_EXCEED_TOTAL",
            en "{points} points are more than the total of {total}",
            ko "사용할 포인트 {points}이(가) 총액 {total}보다 많습니다",
        /// A part is left to pay by card, and no card was named.
        CardTokenMissing { card: i64 } => InvalidArgument "CARD_TOKEN_MISSING",
            en "{card} are left to pay by card, name one",
            ko "카드로 결제할 금액 {card}이(가) 남았습니다. 카드를 지정해 주세요", field "card_token",
        /// The last attempt to pay is not decided yet.
        PaymentInProgress { order_id: String, attempt: i32 } => FailedPrecondition "PAYMENT_IN_PROGRESS",
            en "attempt {attempt} to pay order {order_id} is not decided yet",
            ko "주문 {order_id}의 {attempt}번째 결제가 아직 진행 중입니다", retry 2_000,
        /// The order does not await a payment.
        NotPayable { order_id: String, state: &'static str } => FailedPrecondition "ORDER_NOT_PAYABLE",
            en "order {order_id} is {state} and takes no payment",
            ko "주문 {order_id}은(는) {state} 상태이므로 결제할 수 없습니다",
        /// The order was not paid in time and has ended by itself.
        Expired { order_id: String } => FailedPrecondition "ORDER_EXPIRED",
            en "order {order_id} has expired",
            ko "주문 {order_id}은(는) 만료되었습니다",
    }
}

/// A line of an order; what comes from the product is empty until its stock is reserved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    pub product_id: String,
    pub name: String,
    pub brand_id: String,
    pub unit_price: i64,
    pub quantity: i64,
    pub subtotal: i64,
    pub discount: i64,
}

/// What is to be paid: `total = subtotal - discount = points + card`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bill {
    pub subtotal: i64,
    pub discount: i64,
    pub total: i64,
    pub points: i64,
    pub card: i64,
}

/// An order as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub order_id: String,
    pub user_id: String,
    pub state: OrderState,
    pub version: i64,
    pub lines: Vec<Line>,
    pub bill: Bill,
    pub coupon_id: String,
    pub card_token: String,
    pub attempt: i32,
    pub attempt_open: bool,
    pub payment_reason: String,
    pub placed_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub paid_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub why: String,
}

/// What became of an order; each is told as a fact of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a change must be stored and told"]
pub(crate) enum Change {
    Placed,
    AwaitingPayment,
    PaymentOpened,
    PaymentEnded,
    Paid,
    Refunding,
    Cancelled,
    Expired,
}

/// What a capture means to its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "money was taken"]
pub(crate) enum Capture {
    /// It pays the order.
    Pays(Change),
    /// It paid the order before.
    Paid,
    /// It pays nothing and goes back; perhaps it ends the open attempt of an order that is over.
    Surplus(Option<Change>),
}

/// Wanted pieces as lines, each product once, in the order of their first mention.
pub(crate) fn merge(wanted: impl IntoIterator<Item = (String, i64)>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for (product_id, quantity) in wanted {
        match lines.iter_mut().find(|line| line.product_id == product_id) {
            Some(line) => line.quantity = line.quantity.saturating_add(quantity),
            None => lines.push(Line {
                product_id,
                quantity,
                ..Line::default()
            }),
        }
    }
    lines
}

impl Line {
    /// Takes over what the product is called and costs now.
    pub fn price(&mut self, name: String, brand_id: String, unit_price: i64) -> Result<(), MoneyRefusal> {
        self.subtotal = bounded(times(unit_price, self.quantity)?)?;
        self.name = name;
        self.brand_id = brand_id;
        self.unit_price = unit_price;
        Ok(())
    }
}

impl Bill {
    /// Adds up priced lines; `card` is below zero where there are more points than there is to pay.
    pub fn of(lines: &[Line], points: i64) -> Result<Self, MoneyRefusal> {
        let subtotal = bounded(sum(lines.iter().map(|line| line.subtotal))?)?;
        let discount = sum(lines.iter().map(|line| line.discount))?;
        let total = sum([subtotal, -discount])?;
        let card = sum([total, -points])?;
        Ok(Self {
            subtotal,
            discount,
            total,
            points,
            card,
        })
    }

    /// Whether the user agrees to pay this: it is what was expected, the points fit, and a card covers the rest.
    pub fn agree(&self, expected: Option<i64>, has_card: bool) -> Result<(), OrderRefusal> {
        let Self {
            total, points, card, ..
        } = *self;
        match expected {
            Some(expected) if expected != total => Err(OrderRefusal::TotalChanged { total, expected }),
            _ if card < 0 => Err(OrderRefusal::PointsExceedTotal { points, total }),
            _ if card > 0 && !has_card => Err(OrderRefusal::CardTokenMissing { card }),
            _ => Ok(()),
        }
    }
}

fn bounded(amount: i64) -> Result<i64, MoneyRefusal> {
    if amount > AMOUNT_MAX {
        Err(MoneyRefusal::Overflow {})
    } else {
        Ok(amount)
    }
}

impl Order {
    /// Stock, coupon and points are taken: the first attempt to pay is open, or the order is paid where no card is
    /// needed. `None` if the order is no longer being placed.
    pub fn taken(&mut self, now: Timestamp) -> Option<Change> {
        if self.state != OrderState::Placed {
            return None;
        }
        if self.bill.card == 0 {
            return Some(self.paid(now));
        }
        self.attempt = 1;
        self.attempt_open = true;
        Some(self.turned(OrderState::AwaitingPayment, Change::AwaitingPayment))
    }

    /// Opens the next attempt, with this card.
    pub fn open_attempt(&mut self, card_token: String, now: Timestamp) -> Result<Change, OrderRefusal> {
        let overdue = self.overdue(now);
        if self.state != OrderState::AwaitingPayment || overdue {
            let state = if overdue { OrderState::Expired } else { self.state };
            return Err(OrderRefusal::NotPayable {
                order_id: self.order_id.clone(),
                state: state_name(state),
            });
        }
        if self.attempt_open {
            return Err(OrderRefusal::PaymentInProgress {
                order_id: self.order_id.clone(),
                attempt: self.attempt,
            });
        }
        self.attempt += 1;
        self.attempt_open = true;
        self.payment_reason.clear();
        self.card_token = card_token;
        Ok(self.turned(self.state, Change::PaymentOpened))
    }

    /// The attempt ended without money; `None` if that is known, or it is not the last one.
    pub fn end_attempt(&mut self, attempt: i32, reason: &str) -> Option<Change> {
        if !self.attempt_open || self.attempt != attempt {
            return None;
        }
        self.attempt_open = false;
        reason.clone_into(&mut self.payment_reason);
        Some(self.turned(self.state, Change::PaymentEnded))
    }

    /// The attempt was captured. It pays the order only if that awaits this very attempt.
    pub fn capture(&mut self, attempt: i32, now: Timestamp) -> Capture {
        let last = self.attempt == attempt;
        match self.state {
            OrderState::AwaitingPayment if last && self.attempt_open => Capture::Pays(self.paid(now)),
            _ if last && self.paid_at.is_some() => Capture::Paid,
            // the order was over before its money came
            OrderState::Cancelled | OrderState::Expired => {
                Capture::Surplus(self.end_attempt(attempt, "ORDER_NOT_PAYABLE"))
            }
            _ => Capture::Surplus(None),
        }
    }

    /// Ends an unpaid order, or lets a paid one begin to give back; `None` if that was done before.
    pub fn cancel(&mut self, why: &str, now: Timestamp) -> Result<Option<Change>, OrderRefusal> {
        let change = match self.state {
            OrderState::Placed | OrderState::AwaitingPayment => {
                self.ended(OrderState::Cancelled, Change::Cancelled, now)
            }
            OrderState::Paid => self.turned(OrderState::Refunding, Change::Refunding),
            OrderState::Expired => {
                return Err(OrderRefusal::Expired {
                    order_id: self.order_id.clone(),
                });
            }
            OrderState::Refunding | OrderState::Cancelled | OrderState::Unspecified => return Ok(None),
        };
        why.clone_into(&mut self.why);
        Ok(Some(change))
    }

    /// Everything a paid order took was given back.
    pub fn refunded(&mut self, now: Timestamp) -> Option<Change> {
        (self.state == OrderState::Refunding).then(|| self.ended(OrderState::Cancelled, Change::Cancelled, now))
    }

    /// Whether the order's time is up; never while an attempt is open.
    pub fn overdue(&self, now: Timestamp) -> bool {
        let unpaid = matches!(self.state, OrderState::Placed | OrderState::AwaitingPayment);
        unpaid && !self.attempt_open && self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }

    /// Ends an order that was not paid in time.
    pub fn expire(&mut self, now: Timestamp) -> Option<Change> {
        self.overdue(now)
            .then(|| self.ended(OrderState::Expired, Change::Expired, now))
    }

    fn paid(&mut self, now: Timestamp) -> Change {
        self.attempt_open = false;
        self.expires_at = None;
        self.paid_at = Some(now);
        self.turned(OrderState::Paid, Change::Paid)
    }

    fn ended(&mut self, state: OrderState, change: Change, now: Timestamp) -> Change {
        self.expires_at = None;
        self.ended_at = Some(now);
        self.turned(state, change)
    }

    fn turned(&mut self, state: OrderState, change: Change) -> Change {
        self.state = state;
        self.version += 1;
        change
    }
}

/// The state as callers and tables name it, such as `AWAITING_PAYMENT`.
pub(crate) fn state_name(state: OrderState) -> &'static str {
    state.as_str_name().trim_start_matches("ORDER_STATE_")
}

#[cfg(test)]
mod tests;
