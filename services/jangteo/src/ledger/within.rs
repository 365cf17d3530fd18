//! Invariants within one owner's tables: each a statement that finds what breaks it, and one that gives its figure.

use futures::FutureExt;
use futures::future::BoxFuture;
use kit::database::Database;
use kit::refusal::Failure;
use proto::operations::v1::CheckResponse;
use sea_orm::FromQueryResult;

use super::{Tables, all, outcome};

/// One invariant.
pub(super) struct Invariant {
    name: &'static str,
    description: &'static str,
    owner: fn(&Tables) -> &Database,
    /// Selects `id` of whatever breaks it.
    broken: &'static str,
    /// Selects one `figure`.
    figure: &'static str,
}

#[derive(FromQueryResult)]
struct Id {
    id: String,
}

#[derive(FromQueryResult)]
struct Figure {
    figure: String,
}

impl Invariant {
    pub(super) fn check(&'static self, tables: Tables) -> BoxFuture<'static, Result<CheckResponse, Failure>> {
        async move {
            let database = (self.owner)(&tables);
            let broken: Vec<Id> = all(database, self.broken).await?;
            let figure: Vec<Figure> = all(database, self.figure).await?;
            let figure = figure.into_iter().next().map(|row| row.figure).unwrap_or_default();
            Ok(outcome(self.name, self.description, figure, broken.into_iter().map(|row| row.id).collect()))
        }
        .boxed()
    }
}

pub(super) const INVARIANTS: &[Invariant] = &[
    Invariant {
        name: "order-totals",
        description: "an order's subtotal and discount are the sums of its lines, and its total is points and card",
        owner: |tables| &tables.order,
        broken: "SELECT o.order_id AS id FROM orders o LEFT JOIN
                     (SELECT order_id, SUM(subtotal) AS subtotal, SUM(discount) AS discount FROM order_lines GROUP BY order_id) l
                     ON l.order_id = o.order_id
                 WHERE COALESCE(l.subtotal, 0) <> o.subtotal OR COALESCE(l.discount, 0) <> o.discount
                     OR o.total <> o.subtotal - o.discount
                     OR (o.total <> o.points + o.card AND o.state NOT IN ('PLACED', 'CANCELLED', 'EXPIRED'))",
        figure: "SELECT CAST(COUNT(*) AS TEXT) || ' orders, ' || CAST(COALESCE(SUM(total), 0) AS TEXT) || ' in total' AS figure FROM orders",
    },
    Invariant {
        name: "checkouts-at-rest",
        description: "no checkout is under way and no refund is due",
        owner: |tables| &tables.order,
        broken: "SELECT order_id AS id FROM checkouts WHERE next_at IS NOT NULL AND order_id NOT IN
                     (SELECT order_id FROM orders WHERE state = 'AWAITING_PAYMENT' AND NOT attempt_open)
                 UNION SELECT order_id AS id FROM orders WHERE attempt_open OR state IN ('PLACED', 'REFUNDING')
                 UNION SELECT refund_id AS id FROM refunds_due WHERE NOT done",
        figure: "SELECT CAST(COUNT(*) AS TEXT) || ' checkouts' AS figure FROM checkouts",
    },
];
