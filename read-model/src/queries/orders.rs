//! A user's orders, and watching one.

use std::time::Duration;

use futures::stream::BoxStream;
use kit::clock::from_proto;
use kit::context::Context;
use kit::page_token::{self, page_size};
use kit::refusal::{Failure, Locale, status};
use kit::revision::Revision;
use proto::readmodel::v1::*;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::NotFound;
use crate::ReadModel;
use crate::journal::{self, Journaled};
use crate::projections::orders::{self, Filter};
use crate::waiting::ViewRefusal;

const VIEW: &str = "orders";
/// Between two looks, where another process may be the one that applies.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// How long an order is watched at most.
const WATCH_MAX: Duration = Duration::from_secs(3_600);

pub(crate) async fn get_order(
    state: ReadModel,
    context: Context,
    request: GetOrderRequest,
) -> Result<GetOrderResponse, Failure> {
    state.await_revision(&context, &request.revision, &[VIEW]).await?;
    let order = state.own_order(&context, &request.order_id).await?;
    Ok(GetOrderResponse { order: Some(order) })
}

pub(crate) async fn list_orders(
    state: ReadModel,
    context: Context,
    request: ListOrdersRequest,
) -> Result<ListOrdersResponse, Failure> {
    state.await_revision(&context, &request.revision, &[VIEW]).await?;
    let user_id = context.user()?;
    let at = |time: &Option<prost_types::Timestamp>| time.as_ref().map(|time| from_proto(time).as_microsecond());
    let (after, before) = (at(&request.placed_after), at(&request.placed_before));
    let page = format!("ListOrders|{user_id}|{:?}|{after:?}|{before:?}", request.states);
    let behind = page_token::behind(state.database.signer(), &page, &request.page_token)?;
    let size = page_size(request.page_size);
    let filter = Filter {
        user_id,
        states: &request.states,
        placed_after: after.unwrap_or(i64::MIN),
        placed_before: before.unwrap_or(i64::MAX),
        behind: behind.as_ref().map(|(key, id)| (*key, id.as_str())),
        limit: size + 1,
    };
    let rows = orders::list(state.database.reader(), state.generation(), filter).await?;
    let rows = rows.iter().map(|row| Ok((row.placed_at, row.detail()?)));
    let mut rows = rows.collect::<Result<Vec<_>, Failure>>()?;
    let next_page_token = page_token::next(state.database.signer(), &page, &mut rows, size, |(placed_at, order)| {
        (*placed_at, order.order_id.clone())
    });
    Ok(ListOrdersResponse {
        orders: rows.into_iter().map(|(_, order)| summary(order)).collect(),
        next_page_token,
    })
}

fn summary(order: OrderDetail) -> OrderSummary {
    OrderSummary {
        order_id: order.order_id,
        state: order.state,
        line_count: i32::try_from(order.lines.len()).unwrap_or(i32::MAX),
        first_line: order.lines.into_iter().next(),
        total: order.total,
        payment_open: order.payment_open,
        payment_reason: order.payment_reason,
        placed_at: order.placed_at,
        expires_at: order.expires_at,
    }
}

impl ReadModel {
    /// The caller's order; another's answers as if there were none.
    async fn own_order(&self, context: &Context, order_id: &str) -> Result<OrderDetail, Failure> {
        let user_id = context.user()?;
        let row = orders::find(self.database.reader(), self.generation(), order_id).await?;
        let row = row.filter(|row| row.user_id == user_id);
        row.ok_or_else(|| NotFound::Order {
            order_id: order_id.to_owned(),
        })?
        .detail()
    }

    /// The present state, then every change in order, until a final one or the end of the process.
    pub(crate) async fn watch(
        &self,
        context: &Context,
        locale: Locale,
        request: WatchOrderRequest,
    ) -> Result<BoxStream<'static, Result<WatchOrderResponse, Status>>, Failure> {
        self.await_revision(context, &request.revision, &[VIEW]).await?;
        let order = self.own_order(context, &request.order_id).await?;
        let (sender, receiver) = mpsc::channel(16);
        let state = self.clone();
        tokio::spawn(async move {
            let watched = tokio::time::timeout(WATCH_MAX, state.follow(&order, &sender)).await;
            let interrupted = || Err(ViewRefusal::WatchInterrupted {}.into());
            if let Err(failure) = watched.unwrap_or_else(|_| interrupted()) {
                // a watcher that has gone needs no answer
                drop(sender.send(Err(status(failure, locale))).await);
            }
        });
        Ok(Box::pin(ReceiverStream::new(receiver)))
    }

    /// Sends the order as it is, and then as each later event tells it, until it is final or nobody listens.
    async fn follow(
        &self,
        order: &OrderDetail,
        sender: &mpsc::Sender<Result<WatchOrderResponse, Status>>,
    ) -> Result<(), Failure> {
        let subject = format!("order/{}", order.order_id);
        let mut version = order.version - 1;
        let mut applied = self.applied.subscribe();
        loop {
            applied.mark_unchanged();
            for Journaled { delivery, .. } in journal::of_subject(self.database.reader(), &subject, version).await? {
                let Some(snapshot) = delivery.event().ok().and_then(orders::snapshot) else {
                    continue;
                };
                version = delivery.version;
                let order = orders::shown(snapshot, version);
                let ended = is_final(&order);
                let mut revision = Revision::default();
                revision.add(delivery.event_id.parse().map_err(anyhow::Error::from)?);
                let (order, revision) = (Some(order), revision.seal(self.database.signer()));
                if sender.send(Ok(WatchOrderResponse { order, revision })).await.is_err() || ended {
                    return Ok(());
                }
            }
            tokio::select! {
                () = self.stop.cancelled() => return Err(ViewRefusal::WatchInterrupted {}.into()),
                () = sender.closed() => return Ok(()),
                _ = applied.changed() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    }
}

fn is_final(order: &OrderDetail) -> bool {
    matches!(
        order.state(),
        OrderState::Paid | OrderState::Cancelled | OrderState::Expired
    )
}
