//! The checkout: the one long story of this service, from a stored order to its end.
//!
//! | step | asks | is taken back by |
//! |---|---|---|
//! | `Take` | `ReserveStock`, `RedeemCoupon`, `HoldPoints` | `ReleaseStock`, `RestoreCoupon`, `ReleasePoints` |
//! | `Pay` | `RequestPayment` of the attempt that the order has open | `CloseAttempt`; a late capture is refunded |
//! | `Await` | nothing: a payment's fact, `PayOrder` or the order's time ends it | |
//! | `Settle` | the order is PAID: `SettlePoints`, `CommitStock`, which cannot refuse | `RefundPayment`, `RefundPoints`, `RestoreCoupon`, `ReturnStock` |
//! | `Rest` | nothing more | |
//!
//! A process is killed at any instant and another goes on: every call is keyed by the order and may be repeated, also
//! after its undo, which leaves a tombstone behind where there was nothing to undo. So an undo takes back all that can
//! have been taken, the step in progress included, and needs no log of what was.
//!
//! What keeps two workers apart: the direction turns at most once, and every save asks for the lease token it was begun
//! under. Whoever decides something from outside (the payment, PayOrder, CancelOrder) takes a new token with it.

pub(crate) mod compensate_checkout;
pub(crate) mod leases;
pub(crate) mod list_stuck_checkouts;
pub(crate) mod overview;
mod progress;
pub(crate) mod refunds;
pub(crate) mod resume_checkout;
pub(crate) mod services;
mod worker;

use kit::context::Context;
use kit::database::WriteTransaction;
use kit::refusal::{Failure, status};
use kit::refusals;
use prost::Message;
use proto::order::v1::{OrderState, PlaceOrderResponse};
use tonic::Status;

use crate::Orders;
use crate::order::store as orders;
use crate::order::{Bill, Change, Order, OrderRefusal, message};
use leases::Lease;
use refunds::Refund;
use services::{described, refuses};

pub(crate) use progress::{Checkout, Direction, Held, Step};

refusals! {
    /// Why PlaceOrder has no answer yet.
    pub enum CheckoutRefusal {
        /// A service did not answer. The order is stored and goes on by itself; ask for it later.
        Delayed { order_id: String } => Unavailable "CHECKOUT_DELAYED",
            en "order {order_id} is stored and goes on by itself, look again in a moment",
            ko "주문 {order_id}이(가) 접수되어 처리 중입니다. 잠시 후 다시 확인해 주세요", retry 1_000,
    }
}

/// How `Take` ended.
pub(crate) enum Taken {
    /// PlaceOrder's answer.
    Answer(Box<PlaceOrderResponse>),
    /// A service or a rule said no, and what was taken is given back.
    Refused(Box<Status>),
    /// Somebody else has the checkout now.
    Lost,
}

impl Orders {
    /// Goes on from where the checkout stands, as far as it can.
    pub(crate) async fn advance(&self, held: &mut Held) -> Result<(), Failure> {
        let refunds = self.request_refunds(held).await;
        let step = match (held.checkout.direction, held.checkout.step) {
            (_, Step::Rest) => self.rest(held, Step::Rest).await,
            (Direction::Undo, _) => self.undo(held).await,
            _ if held.order.overdue(held.context.now) => self.expire(held).await,
            (Direction::Forward, Step::Take) => self.take(held).await.map(drop),
            (Direction::Forward, Step::Pay) => self.pay(held).await,
            (Direction::Forward, Step::Await) => self.rest(held, Step::Await).await,
            (Direction::Forward, Step::Settle) => self.settle(held).await,
        };
        refunds.and(step)
    }

    /// Steps 2 to 4: stock, coupon, points; then the order awaits its card, or is paid.
    pub(crate) async fn take(&self, held: &mut Held) -> Result<Taken, Failure> {
        let mut order = held.order.clone();
        let asked = self
            .within(self.ask_for_all(&held.context, &mut order, held.checkout.expected_total))
            .await;
        let revisions = match asked {
            Ok(revisions) => revisions,
            Err(failure) if refuses(&failure) => return self.refuse(held, failure).await,
            Err(failure) => return Err(failure),
        };

        let context = self.now(&held.context);
        let Some(change) = order.taken(context.now) else {
            return Ok(Taken::Lost);
        };
        let transaction = self.database.begin_bare(&context).await?;
        revisions.iter().for_each(|revision| transaction.include(revision));
        let checkout = &mut held.checkout;
        let step = if change == Change::Paid {
            Step::Settle
        } else {
            Step::Pay
        };
        checkout.go_on(step, Some(context.now));
        if !leases::save(&transaction, checkout, Direction::Forward, Lease::Release).await? {
            return Ok(Taken::Lost);
        }
        orders::save_lines(&transaction, &order).await?;
        orders::save(&transaction, &self.currency, &order, change).await?;
        let answer = PlaceOrderResponse {
            order: Some(message::answer(&order, &self.currency)),
            revision: transaction.revision(),
        };
        if checkout.request_id.is_some() {
            leases::keep_answer(&transaction, &order.order_id, &answer.encode_to_vec()).await?;
        }
        transaction.commit_quietly().await?;
        self.wake.notify_one();
        Ok(Taken::Answer(Box::new(answer)))
    }

    /// Asks for everything an order takes, and prices it on the way.
    async fn ask_for_all(
        &self,
        context: &Context,
        order: &mut Order,
        expected: Option<i64>,
    ) -> Result<Vec<String>, Failure> {
        let mut revisions = Vec::new();
        let reserved = self.services.reserve_stock(context, order).await?;
        for line in &mut order.lines {
            let product = reserved
                .lines
                .iter()
                .find(|product| product.product_id == line.product_id);
            let product = product.ok_or_else(|| anyhow::anyhow!("product {} was not reserved", line.product_id))?;
            let unit_price = self.currency.minor_units(product.unit_price.as_ref())?;
            line.price(product.name.clone(), product.brand_id.clone(), unit_price)?;
        }
        // a subtotal that is too large for a message is refused before it is in one
        Bill::of(&order.lines, order.bill.points)?;
        revisions.push(reserved.revision);

        if !order.coupon_id.is_empty() {
            let redeemed = self.services.redeem_coupon(context, order).await?;
            for part in &redeemed.line_discounts {
                let discount = self.currency.minor_units(part.discount.as_ref())?;
                let line = order.lines.iter_mut().find(|line| line.product_id == part.product_id);
                line.ok_or_else(|| anyhow::anyhow!("a discount on {}, which is not ordered", part.product_id))?
                    .discount = discount;
            }
            revisions.push(redeemed.revision);
        }
        let bill = Bill::of(&order.lines, order.bill.points)?;
        bill.agree(expected, !order.card_token.is_empty())?;
        order.bill = bill;

        if bill.points > 0 {
            revisions.push(self.services.hold_points(context, order).await?.revision);
        }
        Ok(revisions)
    }

    /// The order ends before it began. That is durable before anything is given back, and the caller hears why.
    async fn refuse(&self, held: &mut Held, failure: Failure) -> Result<Taken, Failure> {
        let context = self.now(&held.context);
        let reason = failure.reason().unwrap_or_default();
        let refusal = status(failure, context.locale);
        let Some(change) = held.order.cancel(&reason, context.now).unwrap_or_default() else {
            return Ok(Taken::Lost);
        };
        if !self.turn(held, &context, change, Some(&refusal)).await? {
            return Ok(Taken::Lost);
        }
        if let Err(failure) = self.undo(held).await {
            self.postpone(held, &failure).await;
        }
        Ok(Taken::Refused(Box::new(refusal)))
    }

    /// Step 5: the payment service stores the attempt. The gateway's word comes later, as a fact.
    async fn pay(&self, held: &mut Held) -> Result<(), Failure> {
        match self
            .within(self.services.request_payment(&held.context, &held.order))
            .await
        {
            Ok(()) => {}
            // a request that is still on its way may not be taken after this: the tombstone's fact ends the attempt
            Err(failure) if refuses(&failure) => {
                held.checkout.payment_refusal = failure.reason().unwrap_or_default();
                if !self.save(held, Direction::Forward, Lease::Keep).await? {
                    return Ok(());
                }
                self.within(self.services.close_attempt(&held.context, &held.order))
                    .await?;
            }
            Err(failure) => return Err(failure),
        }
        self.rest(held, Step::Await).await
    }

    /// Step 6, behind the pivot: what was held is spent. An order that is to be given back turns here, and not before.
    async fn settle(&self, held: &mut Held) -> Result<(), Failure> {
        let (services, context, order) = (&self.services, &held.context, &held.order);
        let points = async {
            match order.bill.points {
                0 => Ok(()),
                _ => services.settle_points(context, order).await,
            }
        };
        let (points, stock) = tokio::join!(self.within(points), self.within(services.commit_stock(context, order)));
        points.and(stock)?;
        if order.state != OrderState::Refunding {
            return self.rest(held, Step::Rest).await;
        }
        let transaction = self.database.begin_bare(&self.now(context)).await?;
        held.checkout.direction = Direction::Undo;
        if !leases::save(&transaction, &held.checkout, Direction::Forward, Lease::Keep).await? {
            return Ok(());
        }
        held.refunds.extend(refund_payment(&transaction, order).await?);
        transaction.commit_quietly().await?;
        let refunds = self.request_refunds(held).await;
        refunds.and(self.undo(held).await)
    }

    /// The order was not paid in time.
    async fn expire(&self, held: &mut Held) -> Result<(), Failure> {
        let context = self.now(&held.context);
        match held.order.expire(context.now) {
            Some(change) if self.turn(held, &context, change, None).await? => self.undo(held).await,
            _ => Ok(()),
        }
    }

    /// Stores that the order is over, and turns its checkout for good.
    async fn turn(
        &self,
        held: &mut Held,
        context: &Context,
        change: Change,
        refusal: Option<&Status>,
    ) -> Result<bool, Failure> {
        let transaction = self.database.begin_bare(context).await?;
        held.checkout.direction = Direction::Undo;
        if !leases::save(&transaction, &held.checkout, Direction::Forward, Lease::Keep).await? {
            return Ok(false);
        }
        if let Some(refusal) = refusal.filter(|_| held.checkout.request_id.is_some()) {
            leases::keep_refusal(&transaction, &held.order.order_id, refusal.details()).await?;
        }
        orders::save(&transaction, &self.currency, &held.order, change).await?;
        transaction.commit_quietly().await?;
        Ok(true)
    }

    /// Gives back everything: what a paid order spent is refunded, what another holds is released. A service that does
    /// not answer keeps nothing from being given back to the others.
    async fn undo(&self, held: &mut Held) -> Result<(), Failure> {
        let (services, context, order) = (&self.services, &held.context, &held.order);
        let spent = order.paid_at.is_some();
        let attempt = async {
            match order.attempt_open {
                true => services.close_attempt(context, order).await,
                false => Ok(()),
            }
        };
        let points = async {
            match order.bill.points {
                0 => Ok(()),
                _ if spent => services.refund_points(context, order).await,
                _ => services.release_points(context, order).await,
            }
        };
        let coupon = async {
            match order.coupon_id.as_str() {
                "" => Ok(()),
                _ => services.restore_coupon(context, order).await,
            }
        };
        let stock = async {
            match spent {
                true => services.return_stock(context, order).await,
                false => services.release_stock(context, order).await,
            }
        };
        let (attempt, points, coupon, stock) = tokio::join!(
            self.within(attempt),
            self.within(points),
            self.within(coupon),
            self.within(stock)
        );
        attempt.and(points).and(coupon).and(stock)?;
        if order.state == OrderState::Refunding {
            self.end_refunding(held).await
        } else {
            self.rest(held, Step::Rest).await
        }
    }

    /// The order is cancelled once its card has its money back; until then the checkout waits for that fact.
    async fn end_refunding(&self, held: &mut Held) -> Result<(), Failure> {
        if !held.refunds.is_empty() {
            return Ok(());
        }
        let context = self.now(&held.context);
        let transaction = self.database.begin_bare(&context).await?;
        let Some(checkout) = leases::lock(&transaction, &held.order.order_id).await? else {
            return Ok(());
        };
        let open = refunds::open(&transaction, &checkout.order_id).await?;
        held.checkout.go_on(if open { checkout.step } else { Step::Rest }, None);
        if !leases::save(&transaction, &held.checkout, Direction::Undo, Lease::Release).await? {
            return Ok(());
        }
        if !open && let Some(change) = held.order.refunded(context.now) {
            orders::save(&transaction, &self.currency, &held.order, change).await?;
        }
        transaction.commit_quietly().await
    }

    /// Asks the payment service for the refunds that are due.
    async fn request_refunds(&self, held: &mut Held) -> Result<(), Failure> {
        while let Some(refund) = held.refunds.last() {
            self.within(self.services.refund_payment(&held.context, &held.order, refund))
                .await?;
            let transaction = self.database.begin_bare(&held.context).await?;
            refunds::mark_requested(&transaction, refund).await?;
            transaction.commit_quietly().await?;
            held.refunds.pop();
        }
        Ok(())
    }

    /// Nothing to do until a fact, a command, or the order's time; but a refund that is still to be asked for keeps the
    /// checkout due, or a crash before `postpone` would leave it to nobody.
    async fn rest(&self, held: &mut Held, step: Step) -> Result<(), Failure> {
        if !held.refunds.is_empty() {
            return Ok(());
        }
        let order = &held.order;
        let waits = order.state == OrderState::AwaitingPayment && !order.attempt_open;
        let next_at = if waits { order.expires_at } else { None };
        let from = held.checkout.direction;
        held.checkout.go_on(step, next_at);
        self.save(held, from, Lease::Release).await.map(drop)
    }

    /// Leaves the checkout for later, because a service or the database did not do its part.
    pub(crate) async fn postpone(&self, held: &Held, failure: &Failure) {
        let Checkout {
            order_id,
            step,
            direction,
            tries,
            ..
        } = &held.checkout;
        tracing::warn!(order_id, ?direction, ?step, tries, %failure, "checkout goes on later");
        let (context, error) = (self.now(&held.context), described(failure));
        if let Err(failure) = leases::postpone(&self.database, &context, &held.checkout, &error).await {
            tracing::warn!(order_id, %failure, "its lease runs out by itself");
        }
    }

    /// The order with its checkout, held still until the transaction ends.
    pub(crate) async fn lock(
        &self,
        transaction: &WriteTransaction,
        order_id: &str,
    ) -> Result<(Order, Checkout), Failure> {
        let checkout = leases::lock(transaction, order_id).await?;
        let order = orders::find(&**transaction, order_id).await?;
        Ok(order.zip(checkout).ok_or_else(|| OrderRefusal::NotFound {
            order_id: order_id.to_owned(),
        })?)
    }

    /// As [`Orders::lock`], where the order is the caller's.
    pub(crate) async fn lock_own(
        &self,
        transaction: &WriteTransaction,
        order_id: &str,
    ) -> Result<(Order, Checkout), Failure> {
        let (order, checkout) = self.lock(transaction, order_id).await?;
        if order.user_id == transaction.context().user()? {
            return Ok((order, checkout));
        }
        Err(OrderRefusal::NotFound {
            order_id: order.order_id,
        }
        .into())
    }

    async fn save(&self, held: &Held, from: Direction, lease: Lease) -> Result<bool, Failure> {
        let transaction = self.database.begin_bare(&self.now(&held.context)).await?;
        let saved = leases::save(&transaction, &held.checkout, from, lease).await?;
        transaction.commit_quietly().await?;
        Ok(saved)
    }

    /// What a worker asks of other services before it saves takes less than a lease, so that it saves under its own.
    async fn within<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let late = |_| Err(Status::deadline_exceeded("the other services took too long").into());
        let ask = self.database.lease() * 4 / 5;
        tokio::time::timeout(ask, work).await.unwrap_or_else(late)
    }

    /// The same circumstances, now; what is done in them answers nobody.
    fn now(&self, context: &Context) -> Context {
        Context {
            now: self.database.clock().now(),
            idempotency: None,
            deadline: None,
            ..context.clone()
        }
    }
}

/// Notes that the card's part of a paid order goes back to it.
pub(crate) async fn refund_payment(transaction: &WriteTransaction, order: &Order) -> Result<Option<Refund>, Failure> {
    if order.bill.card == 0 {
        return Ok(None);
    }
    let refund = Refund::new(order, order.attempt, order.bill.card);
    refunds::insert(transaction, &refund).await?;
    Ok(Some(refund))
}
