//! Invariants within one owner's tables: each a statement that finds what breaks it, and one that gives its figure.

use futures::FutureExt;
use futures::future::BoxFuture;
use kit::database::Database;
use kit::refusal::Failure;
use sea_orm::FromQueryResult;

use super::{Outcome, Tables, all, outcome};

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
    pub(super) fn check(&'static self, tables: Tables) -> BoxFuture<'static, Result<Outcome, Failure>> {
        async move {
            let database = (self.owner)(&tables);
            let broken: Vec<Id> = all(database, self.broken).await?;
            let figure: Vec<Figure> = all(database, self.figure).await?;
            let figure = figure.into_iter().next().map(|row| row.figure).unwrap_or_default();
            Ok(outcome(
                self.name,
                self.description,
                figure,
                broken.into_iter().map(|row| row.id).collect(),
            ))
        }
        .boxed()
    }
}

pub(super) const INVARIANTS: &[Invariant] = &[
    Invariant {
        name: "stock-balances",
        description: "received and adjusted are on hand, reserved or sold, of every product",
        owner: |tables| &tables.catalog,
        broken: "SELECT product_id AS id FROM stock_levels WHERE received + adjusted <> on_hand + reserved + sold
            OR on_hand < 0 OR reserved < 0 OR sold < 0",
        figure: "SELECT CAST(COALESCE(SUM(received + adjusted), 0) AS TEXT) || ' = ' || CAST(COALESCE(SUM(on_hand), 0) AS TEXT)
            || ' + ' || CAST(COALESCE(SUM(reserved), 0) AS TEXT) || ' + ' || CAST(COALESCE(SUM(sold), 0) AS TEXT) AS figure
            FROM stock_levels",
    },
    Invariant {
        name: "stock-is-reserved-by-orders",
        description: "what a product has reserved and sold is what reservations say",
        owner: |tables| &tables.catalog,
        broken: "SELECT s.product_id AS id FROM stock_levels s LEFT JOIN
                (SELECT l.product_id, SUM(CASE WHEN r.state = 'RESERVED' THEN l.quantity ELSE 0 END) AS reserved,
                    SUM(CASE WHEN r.state = 'COMMITTED' THEN l.quantity ELSE 0 END) AS sold
                FROM reservation_lines l JOIN reservations r ON r.order_id = l.order_id GROUP BY l.product_id) t
                ON t.product_id = s.product_id
            WHERE s.reserved <> COALESCE(t.reserved, 0) OR s.sold <> COALESCE(t.sold, 0)",
        figure: "SELECT CAST(COUNT(*) AS TEXT) || ' lines reserved' AS figure FROM reservation_lines",
    },
    Invariant {
        name: "campaigns-issue-what-they-may",
        description: "a campaign has issued as many coupons as there are, and no more than its quantity",
        owner: |tables| &tables.coupon,
        broken: "SELECT c.campaign_id AS id FROM campaigns c LEFT JOIN
                (SELECT campaign_id, COUNT(*) AS issued FROM coupons GROUP BY campaign_id) t ON t.campaign_id = c.campaign_id
            WHERE c.issued <> COALESCE(t.issued, 0) OR c.issued > c.quantity",
        figure: "SELECT CAST(COUNT(*) AS TEXT) || ' coupons' AS figure FROM coupons",
    },
    Invariant {
        name: "coupons-serve-one-order",
        description: "a coupon that names an order is redeemed by it, and by no other",
        owner: |tables| &tables.coupon,
        broken: "SELECT c.coupon_id AS id FROM coupons c LEFT JOIN
                (SELECT coupon_id, COUNT(*) AS orders, MAX(order_id) AS order_id FROM redemptions
                WHERE state = 'REDEEMED' GROUP BY coupon_id) t ON t.coupon_id = c.coupon_id
            WHERE COALESCE(t.orders, 0) > 1 OR COALESCE(t.order_id, '') <> COALESCE(c.order_id, '')",
        figure: "SELECT CAST(COUNT(*) AS TEXT) || ' redeemed' AS figure FROM redemptions WHERE state = 'REDEEMED'",
    },
    Invariant {
        name: "points-are-double-entry",
        description: "every movement of points sums to zero",
        owner: |tables| &tables.payment,
        broken: "SELECT movement_id AS id FROM point_entries GROUP BY movement_id HAVING SUM(amount) <> 0",
        figure: "SELECT CAST(COUNT(DISTINCT movement_id) AS TEXT) || ' movements' AS figure FROM point_entries",
    },
    Invariant {
        name: "points-balance",
        description: "a balance is the sum of its entries and never below zero",
        owner: |tables| &tables.payment,
        broken: "SELECT a.user_id AS id FROM point_accounts a LEFT JOIN
                (SELECT user_id, SUM(CASE WHEN account = 'AVAILABLE' THEN amount ELSE 0 END) AS available,
                    SUM(CASE WHEN account = 'HELD' THEN amount ELSE 0 END) AS held
                FROM point_entries GROUP BY user_id) t ON t.user_id = a.user_id
            WHERE a.available <> COALESCE(t.available, 0) OR a.held <> COALESCE(t.held, 0) OR a.available < 0 OR a.held < 0",
        figure: "SELECT CAST(COALESCE(SUM(available), 0) AS TEXT) || ' available, ' || CAST(COALESCE(SUM(held), 0) AS TEXT)
            || ' held' AS figure FROM point_accounts",
    },
    Invariant {
        name: "payments-at-rest",
        description: "no payment is open and no refund is due",
        owner: |tables| &tables.payment,
        broken: "SELECT order_id AS id FROM payments WHERE state IN ('QUEUED', 'REQUESTED', 'PENDING', 'UNKNOWN', 'REFUNDING')
            UNION SELECT refund_id AS id FROM refunds WHERE NOT done",
        figure: "SELECT CAST(COUNT(*) AS TEXT) || ' payments' AS figure FROM payments",
    },
    Invariant {
        name: "messages-at-rest",
        description: "every message is sent, or a dead letter stands for it",
        owner: |tables| &tables.notification,
        broken: "SELECT message_id AS id FROM messages WHERE state = 'PENDING' OR next_at IS NOT NULL
                 UNION SELECT message_id AS id FROM messages WHERE state = 'FAILED' AND 'message/' || message_id NOT IN
                     (SELECT subject FROM dead_letters WHERE consumer = 'notification.sender')",
        figure: "SELECT CAST(COUNT(CASE WHEN state = 'SENT' THEN 1 END) AS TEXT) || ' sent, '
            || CAST(COUNT(CASE WHEN state = 'FAILED' THEN 1 END) AS TEXT) || ' dead' AS figure FROM messages",
    },
    Invariant {
        name: "facts-are-told-once",
        description: "no fact was told twice on one channel",
        owner: |tables| &tables.notification,
        broken: "SELECT event_id AS id FROM messages GROUP BY event_id, channel HAVING COUNT(*) > 1
                 UNION SELECT aggregateid AS id FROM outbox WHERE type IN ('MessageSendRequested', 'MessageSent')
                     GROUP BY aggregateid, type HAVING COUNT(*) > 1",
        figure: "SELECT CAST(COUNT(DISTINCT event_id) AS TEXT) || ' facts' AS figure FROM messages",
    },
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
        figure: "SELECT CAST(COUNT(*) AS TEXT) || ' orders, '
            || CAST(COUNT(CASE WHEN state = 'PAID' THEN 1 END) AS TEXT) || ' paid, '
            || CAST(COALESCE(SUM(total), 0) AS TEXT) || ' in total' AS figure FROM orders",
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
    Invariant {
        name: "checkouts-say-if-they-rest",
        description: "a checkout is among those under way until it is at rest, and no longer",
        owner: |tables| &tables.order,
        // one that awaits its payment is at rest until its time is up, which only its worker can tell
        broken: "SELECT order_id AS id FROM checkouts WHERE
                (under_way_since IS NULL AND (step IN ('TAKE', 'PAY', 'SETTLE') OR (step = 'REST' AND next_at IS NOT NULL)
                    OR (step = 'AWAIT' AND (direction = 'UNDO' OR next_at IS NULL))))
                OR (under_way_since IS NOT NULL AND step = 'REST' AND next_at IS NULL)",
        figure: "SELECT CAST(COUNT(*) AS TEXT) || ' under way' AS figure FROM checkouts WHERE under_way_since IS NOT NULL",
    },
];
