//! Places an order: stores it with its checkout, and carries that as far as to where the caller is answered.

use kit::context::Context;
use kit::id::new_id;
use kit::idempotency::RequestRefusal;
use kit::refusal::Failure;
use prost::Message;
use proto::order::v1::{self as contract, OrderState, PlaceOrderRequest, PlaceOrderResponse};
use tonic::{Code, Status};

use super::{Bill, Order, OrderRefusal, merge, state_name, store};
use crate::Orders;
use crate::checkout::{Checkout, CheckoutRefusal, Held, Taken, leases};

pub(crate) async fn place_order(
    orders: Orders,
    context: Context,
    request: PlaceOrderRequest,
) -> Result<PlaceOrderResponse, Failure> {
    let expected_total = request
        .expected_total
        .as_ref()
        .map(|total| orders.currency.minor_units(Some(total)))
        .transpose()?;
    let order = wished(&orders, &context, request)?;
    let order_id = order.order_id.clone();
    let transaction = match orders.database.begin_write(&context).await {
        Err(Failure::Answered(first)) => return orders.first_answer(&context, &order_of(&first)?).await,
        begun => begun?,
    };
    let checkout = Checkout::begun(&order, expected_total, &context);
    leases::insert(&transaction, &checkout).await?;
    store::insert(&transaction, &orders.currency, &order).await?;
    // what is kept under the request_id is only which order it became; its outcome is the checkout's
    let named = contract::Order {
        order_id: order_id.clone(),
        ..contract::Order::default()
    };
    transaction
        .commit(PlaceOrderResponse {
            order: Some(named),
            revision: String::new(),
        })
        .await?;

    let mut held = Held {
        checkout,
        order,
        refunds: Vec::new(),
        context,
    };
    match orders.take(&mut held).await {
        Ok(Taken::Answer(answer)) => Ok(*answer),
        Ok(Taken::Refused(refusal)) => Err(Failure::Passed(refusal)),
        Ok(Taken::Lost) => orders.first_answer(&held.context, &order_id).await,
        Err(failure) => {
            orders.postpone(&held, &failure).await;
            Err(CheckoutRefusal::Delayed { order_id }.into())
        }
    }
}

fn wished(orders: &Orders, context: &Context, request: PlaceOrderRequest) -> Result<Order, Failure> {
    let points = orders.currency.minor_units(request.points.as_ref())?;
    Ok(Order {
        order_id: new_id(),
        user_id: context.user()?.to_owned(),
        state: OrderState::Placed,
        version: 1,
        lines: merge(request.lines.into_iter().map(|line| (line.product_id, line.quantity))),
        bill: Bill {
            points,
            ..Bill::default()
        },
        coupon_id: request.coupon_id,
        card_token: request.card_token,
        attempt: 0,
        attempt_open: false,
        payment_reason: String::new(),
        placed_at: context.now,
        expires_at: Some(context.now + orders.settings.expires_after),
        paid_at: None,
        ended_at: None,
        why: String::new(),
    })
}

fn order_of(first: &[u8]) -> Result<String, Failure> {
    let first = PlaceOrderResponse::decode(first).map_err(anyhow::Error::from)?;
    Ok(first.order.unwrap_or_default().order_id)
}

impl Orders {
    /// What PlaceOrder said of this order, or that it has said nothing yet.
    async fn first_answer(&self, context: &Context, order_id: &str) -> Result<PlaceOrderResponse, Failure> {
        let outcome = leases::outcome(self.database.reader(), order_id).await?;
        let outcome = outcome.ok_or_else(|| anyhow::anyhow!("order {order_id} has no checkout"))?;
        let (turned, at_rest) = (outcome.turned(), outcome.at_rest());
        if let Some(answer) = outcome.answer {
            return Ok(PlaceOrderResponse::decode(answer.as_slice()).map_err(anyhow::Error::from)?);
        }
        if turned && outcome.refusal.is_none() {
            let order = store::find(self.database.reader(), order_id).await?;
            let state = order.map_or(OrderState::Unspecified, |order| order.state);
            return Err(OrderRefusal::NotPayable {
                order_id: order_id.to_owned(),
                state: state_name(state),
            }
            .into());
        }
        match (outcome.refusal, &context.idempotency) {
            (Some(refusal), _) if at_rest => Err(replayed(refusal)?.into()),
            (_, Some(key)) => Err(RequestRefusal::InProgress {
                request_id: key.request_id.to_string(),
            }
            .into()),
            (_, None) => Err(CheckoutRefusal::Delayed {
                order_id: order_id.to_owned(),
            }
            .into()),
        }
    }
}

fn replayed(refusal: Vec<u8>) -> Result<Status, Failure> {
    let status = tonic_types::Status::decode(refusal.as_slice()).map_err(anyhow::Error::from)?;
    Ok(Status::with_details(
        Code::from(status.code),
        status.message,
        refusal.into(),
    ))
}
