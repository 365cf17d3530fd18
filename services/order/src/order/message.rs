//! An order in the words of the contracts: as an answer, and as the fact that a change is told as.

use kit::clock::to_proto;
use kit::money::Currency;
use proto::event::v1 as event;
use proto::event::v1::event::Fact;
use proto::order::v1 as contract;

use super::{Change, Order};

/// The two packages describe an order alike, and apart, so that an event need not change when an answer does.
macro_rules! describe {
    ($order:ident, $currency:ident, $message:path, $line:path) => {{
        use $line as Line;
        use $message as Message;
        let money = |minor_units| Some($currency.money(minor_units));
        let lines = $order.lines.iter().map(|line| Line {
            product_id: line.product_id.clone(),
            name: line.name.clone(),
            brand_id: line.brand_id.clone(),
            unit_price: money(line.unit_price),
            quantity: line.quantity,
            subtotal: money(line.subtotal),
            discount: money(line.discount),
        });
        Message {
            order_id: $order.order_id.clone(),
            user_id: $order.user_id.clone(),
            // the states bear the same numbers in both packages
            state: $order.state.into(),
            lines: lines.collect(),
            subtotal: money($order.bill.subtotal),
            discount: money($order.bill.discount),
            total: money($order.bill.total),
            points: money($order.bill.points),
            card: money($order.bill.card),
            coupon_id: $order.coupon_id.clone(),
            attempt: $order.attempt,
            payment_open: $order.attempt_open,
            payment_reason: $order.payment_reason.clone(),
            placed_at: Some(to_proto($order.placed_at)),
            expires_at: $order.expires_at.map(to_proto),
            paid_at: $order.paid_at.map(to_proto),
            ended_at: $order.ended_at.map(to_proto),
            why: $order.why.clone(),
        }
    }};
}

/// The order as callers see it.
pub(crate) fn answer(order: &Order, currency: &Currency) -> contract::Order {
    describe!(order, currency, contract::Order, contract::OrderLine)
}

/// The fact that tells of a change, with the order as it is after it.
pub(crate) fn fact(change: Change, order: &Order, currency: &Currency) -> Fact {
    let order = Some(describe!(
        order,
        currency,
        event::OrderSnapshot,
        event::OrderLineSnapshot
    ));
    match change {
        Change::Placed => Fact::OrderPlaced(event::OrderPlaced { order }),
        Change::AwaitingPayment => Fact::OrderAwaitingPayment(event::OrderAwaitingPayment { order }),
        Change::PaymentOpened => Fact::OrderPaymentOpened(event::OrderPaymentOpened { order }),
        Change::PaymentEnded => Fact::OrderPaymentEnded(event::OrderPaymentEnded { order }),
        Change::Paid => Fact::OrderPaid(event::OrderPaid { order }),
        Change::Refunding => Fact::OrderRefunding(event::OrderRefunding { order }),
        Change::Cancelled => Fact::OrderCancelled(event::OrderCancelled { order }),
        Change::Expired => Fact::OrderExpired(event::OrderExpired { order }),
    }
}
