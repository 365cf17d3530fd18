//! What follows here from a payment elsewhere: the pivot, the end of an attempt, a refund that is due or done.

use async_trait::async_trait;
use kit::database::WriteTransaction;
use kit::inbox::Reactions;
use kit::refusal::Failure;
use proto::event::v1 as event;
use proto::event::v1::event::Fact;
use proto::event::v1::{Event, PaymentSnapshot};
use proto::order::v1::OrderState;

use crate::Orders;
use crate::checkout::refunds::Refund;
use crate::checkout::{Checkout, Direction, Step, leases, refunds};
use crate::order::{Capture, Order, store as orders};

/// The name of the consumer.
pub const CONSUMER: &str = "order.checkout";
/// The facts that it reacts to.
pub const FACTS: &[&str] = &[
    "PaymentCaptured",
    "PaymentDeclined",
    "PaymentNotCharged",
    "PaymentConflicted",
    "PaymentClosed",
    "PaymentRefunded",
];

#[async_trait]
impl Reactions for Orders {
    fn consumer(&self) -> &'static str {
        CONSUMER
    }

    fn facts(&self) -> &'static [&'static str] {
        FACTS
    }

    async fn react(&self, transaction: &WriteTransaction, event: &Event) -> Result<(), Failure> {
        match &event.fact {
            Some(Fact::PaymentCaptured(event::PaymentCaptured { payment: Some(payment) })) => {
                self.captured(transaction, payment).await
            }
            Some(
                Fact::PaymentDeclined(event::PaymentDeclined { payment: Some(payment) })
                | Fact::PaymentNotCharged(event::PaymentNotCharged { payment: Some(payment) })
                | Fact::PaymentConflicted(event::PaymentConflicted { payment: Some(payment) })
                | Fact::PaymentClosed(event::PaymentClosed { payment: Some(payment) }),
            ) => self.ended(transaction, payment).await,
            Some(Fact::PaymentRefunded(event::PaymentRefunded {
                payment: Some(payment),
                refund_id,
                ..
            })) => refunded(transaction, payment, refund_id).await,
            _ => Ok(()),
        }
    }

    fn committed(&self) {
        self.wake.notify_one();
    }
}

impl Orders {
    /// The pivot: the order is paid by this very attempt, or the money goes back.
    async fn captured(&self, transaction: &WriteTransaction, payment: &PaymentSnapshot) -> Result<(), Failure> {
        let now = transaction.context().now;
        let (mut order, mut checkout) = lock(transaction, payment).await?;
        match order.capture(payment.attempt, now) {
            Capture::Paid => return Ok(()),
            Capture::Pays(change) => {
                checkout.go_on(Step::Settle, Some(now));
                orders::save(transaction, &self.currency, &order, change).await?;
            }
            Capture::Surplus(ended) => {
                let amount = self.currency.minor_units(payment.captured.as_ref())?;
                tracing::warn!(
                    order_id = order.order_id,
                    payment.attempt,
                    amount,
                    "a capture that pays nothing goes back"
                );
                if let Some(change) = ended {
                    orders::save(transaction, &self.currency, &order, change).await?;
                }
                refunds::insert(transaction, &Refund::new(&order, payment.attempt, amount)).await?;
                checkout.next_at = Some(now);
            }
        }
        leases::hand_over(transaction, &checkout).await
    }

    /// No money was taken: the order may be paid by another attempt until its time is up.
    async fn ended(&self, transaction: &WriteTransaction, payment: &PaymentSnapshot) -> Result<(), Failure> {
        let (mut order, mut checkout) = lock(transaction, payment).await?;
        let refusal = std::mem::take(&mut checkout.payment_refusal);
        // a tombstone has no reason of its own
        let reasons = [refusal.as_str(), payment.reason.as_str(), "PAYMENT_CLOSED"];
        let reason = reasons
            .into_iter()
            .find(|reason| !reason.is_empty())
            .unwrap_or_default();
        let Some(change) = order.end_attempt(payment.attempt, reason) else {
            return Ok(());
        };
        orders::save(transaction, &self.currency, &order, change).await?;
        if order.state != OrderState::AwaitingPayment {
            return Ok(());
        }
        checkout.go_on(Step::Await, order.expires_at);
        leases::hand_over(transaction, &checkout).await
    }
}

/// An order that waits for its refund goes on.
async fn refunded(transaction: &WriteTransaction, payment: &PaymentSnapshot, refund_id: &str) -> Result<(), Failure> {
    let (_, mut checkout) = lock(transaction, payment).await?;
    refunds::mark_done(transaction, &payment.order_id, refund_id).await?;
    if checkout.direction == Direction::Forward || checkout.step == Step::Rest {
        return Ok(());
    }
    checkout.next_at = Some(transaction.context().now);
    leases::hand_over(transaction, &checkout).await
}

async fn lock(transaction: &WriteTransaction, payment: &PaymentSnapshot) -> Result<(Order, Checkout), Failure> {
    let checkout = leases::lock(transaction, &payment.order_id).await?;
    let order = orders::find(&**transaction, &payment.order_id).await?;
    Ok(order
        .zip(checkout)
        .ok_or_else(|| anyhow::anyhow!("a payment of order {}, which is not ours", payment.order_id))?)
}
