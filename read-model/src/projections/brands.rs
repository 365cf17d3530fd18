//! Brands by name.

use std::collections::BTreeMap;

use async_trait::async_trait;
use kit::database::{Sql, WriteTransaction};
use kit::refusal::Failure;
use kit::values;
use proto::event::v1::event::Fact;
use proto::event::v1::{BrandRegistered, BrandUpdated, Event};
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::{Projection, by_ids, upsert};

#[derive(Debug)]
pub(crate) struct Brands;

/// A brand as a reader sees it.
#[derive(Clone, Debug, FromQueryResult)]
pub(crate) struct Row {
    pub brand_id: String,
    pub name: String,
    pub version: i64,
}

#[async_trait]
impl Projection for Brands {
    fn name(&self) -> &'static str {
        "brands"
    }

    fn facts(&self) -> &'static [&'static str] {
        &["BrandRegistered", "BrandUpdated"]
    }

    async fn apply(&self, transaction: &WriteTransaction, generation: i32, events: &[&Event]) -> Result<(), Failure> {
        let mut told: BTreeMap<String, Row> = BTreeMap::new();
        for event in events {
            let (Some(Fact::BrandRegistered(BrandRegistered { brand }))
            | Some(Fact::BrandUpdated(BrandUpdated { brand }))) = &event.fact
            else {
                continue;
            };
            let brand = brand.clone().unwrap_or_default();
            let row = Row {
                brand_id: brand.brand_id,
                name: brand.name,
                version: event.version,
            };
            if told.get(&row.brand_id).is_none_or(|known| known.version < row.version) {
                told.insert(row.brand_id.clone(), row);
            }
        }
        let ids: Vec<&str> = told.keys().map(String::as_str).collect();
        let known: BTreeMap<String, Row> = find(&**transaction, generation, &ids)
            .await?
            .into_iter()
            .map(|row| (row.brand_id.clone(), row))
            .collect();
        let newer = told
            .into_values()
            .filter(|row| known.get(&row.brand_id).is_none_or(|known| known.version < row.version));
        let rows = newer
            .map(|row| values![generation, row.brand_id, row.name, row.version])
            .collect();
        upsert(
            transaction,
            "brands",
            &["generation", "brand_id", "name", "version"],
            2,
            rows,
        )
        .await
    }
}

/// These brands, as far as there are any.
pub(crate) async fn find(
    connection: &impl ConnectionTrait,
    generation: i32,
    ids: &[&str],
) -> Result<Vec<Row>, Failure> {
    by_ids(
        connection,
        "SELECT brand_id, name, version FROM brands",
        "brand_id",
        generation,
        ids,
    )
    .await
}

/// Brands by name, behind a (name, id).
pub(crate) async fn list(
    connection: &impl ConnectionTrait,
    generation: i32,
    behind: Option<(&str, &str)>,
    limit: u32,
) -> Result<Vec<Row>, Failure> {
    let (name, brand_id) = behind.unwrap_or(("", ""));
    let sql = format!(
        "SELECT brand_id, name, version FROM brands WHERE generation = $1 AND (name, brand_id) > ($2, $3)
        ORDER BY name, brand_id LIMIT {limit}"
    );
    Ok(connection.list(&sql, values![generation, name, brand_id]).await?)
}
