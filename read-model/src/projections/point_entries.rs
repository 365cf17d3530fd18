//! The point statement of a user, newest first; its last line has the balance.

use async_trait::async_trait;
use kit::database::{Sql, WriteTransaction};
use kit::refusal::Failure;
use kit::values;
use prost::Message;
use proto::event::v1::Event;
use proto::event::v1::event::Fact;
use proto::money::v1::Money;
use proto::readmodel::v1::{PointEntry, PointEntryKind};
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::{Projection, upsert};

#[derive(Debug)]
pub(crate) struct PointEntries;

/// A line of a statement.
#[derive(Clone, Debug, FromQueryResult)]
pub(crate) struct Row {
    pub version: i64,
    entry: Vec<u8>,
}

impl Row {
    /// The line as the contract shows it.
    pub fn entry(&self) -> Result<PointEntry, Failure> {
        Ok(PointEntry::decode(self.entry.as_slice()).map_err(anyhow::Error::from)?)
    }
}

#[async_trait]
impl Projection for PointEntries {
    fn name(&self) -> &'static str {
        "point_entries"
    }

    fn facts(&self) -> &'static [&'static str] {
        &[
            "PointsCharged",
            "PointsHeld",
            "PointsSettled",
            "PointsReleased",
            "PointsRefunded",
        ]
    }

    async fn apply(&self, transaction: &WriteTransaction, generation: i32, events: &[&Event]) -> Result<(), Failure> {
        let lines = events.iter().filter_map(|event| {
            let (user_id, entry) = line(event)?;
            Some(values![generation, user_id, event.version, entry.encode_to_vec()])
        });
        upsert(
            transaction,
            "point_entries",
            &["generation", "user_id", "version", "entry"],
            3,
            lines.collect(),
        )
        .await
    }
}

fn line(event: &Event) -> Option<(String, PointEntry)> {
    macro_rules! line {
        ($kind:ident, $fact:expr, $order_id:expr, $funding_reference:expr) => {
            (
                PointEntryKind::$kind,
                &$fact.user_id,
                [&$fact.amount, &$fact.available, &$fact.held],
                $order_id,
                $funding_reference,
            )
        };
    }
    let (kind, user_id, [amount, available, held], order_id, funding_reference) = match event.fact.as_ref()? {
        Fact::PointsCharged(fact) => line!(Charge, fact, "", fact.funding_reference.as_str()),
        Fact::PointsHeld(fact) => line!(Hold, fact, fact.order_id.as_str(), ""),
        Fact::PointsSettled(fact) => line!(Settle, fact, fact.order_id.as_str(), ""),
        Fact::PointsReleased(fact) => line!(Release, fact, fact.order_id.as_str(), ""),
        Fact::PointsRefunded(fact) => line!(Refund, fact, fact.order_id.as_str(), ""),
        _ => return None,
    };
    let entry = PointEntry {
        kind: kind.into(),
        amount: Option::<Money>::clone(amount),
        available: Option::<Money>::clone(available),
        held: Option::<Money>::clone(held),
        order_id: order_id.to_owned(),
        funding_reference: funding_reference.to_owned(),
        occurred_at: event.occurred_at,
    };
    Some((user_id.clone(), entry))
}

/// A user's statement, newest first, behind a version.
pub(crate) async fn list(
    connection: &impl ConnectionTrait,
    generation: i32,
    user_id: &str,
    behind: Option<i64>,
    limit: u32,
) -> Result<Vec<Row>, Failure> {
    let sql = format!(
        "SELECT version, entry FROM point_entries WHERE generation = $1 AND user_id = $2 AND version < $3
        ORDER BY version DESC LIMIT {limit}"
    );
    Ok(connection
        .list(&sql, values![generation, user_id, behind.unwrap_or(i64::MAX)])
        .await?)
}
