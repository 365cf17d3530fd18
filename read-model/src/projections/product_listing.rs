//! Products: their details, the listing of those on sale in every order, and how many there are.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use kit::clock::from_proto;
use kit::database::{Sql, VALUES_MAX, WriteTransaction, placeholders};
use kit::refusal::Failure;
use kit::{Value, values};
use prost::Message;
use proto::event::v1 as event;
use proto::event::v1::event::Fact;
use proto::event::v1::{Event, ProductSnapshot, ProductStatus};
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::{Projection, by_ids, upsert};

#[derive(Debug)]
pub(crate) struct ProductListing;

/// The facts that say how a product is, or how much there is of it.
pub(crate) const FACTS: &[&str] = &[
    "ProductRegistered",
    "ProductUpdated",
    "ProductPriceChanged",
    "ProductHidden",
    "ProductShown",
    "ProductDiscontinued",
    "StockLevelChanged",
];

/// A product with the version it was told with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub product: ProductSnapshot,
    pub version: i64,
    pub updated_at: i64,
}

#[derive(FromQueryResult)]
struct DetailRow {
    snapshot: Vec<u8>,
    version: i64,
    updated_at: i64,
}

/// A row of a page.
#[derive(Clone, Debug, FromQueryResult)]
pub(crate) struct Listed {
    pub product_id: String,
    pub brand_id: String,
    pub name: String,
    pub image_url: String,
    pub price: i64,
    pub in_stock: bool,
    pub created_at: i64,
}

impl Known {
    /// Whether it is shown in listings.
    pub fn listed(&self) -> bool {
        self.product.status() == ProductStatus::Available
    }

    /// Takes over what a fact says, unless something newer is known.
    pub fn learn(&mut self, journaled: &event::Event) {
        if journaled.version <= self.version {
            return;
        }
        match (&journaled.fact, told(&journaled.fact)) {
            (_, Some(product)) => self.product = product.clone(),
            (Some(Fact::StockLevelChanged(level)), None) => {
                self.product.on_hand = level.on_hand;
                self.product.reserved = level.reserved;
            }
            _ => return,
        }
        self.version = journaled.version;
        self.updated_at = journaled
            .occurred_at
            .as_ref()
            .map(from_proto)
            .unwrap_or_default()
            .as_microsecond();
    }

    /// Its row in a listing.
    pub fn row(&self) -> Listed {
        let product = &self.product;
        Listed {
            product_id: product.product_id.clone(),
            brand_id: product.brand_id.clone(),
            name: product.name.clone(),
            image_url: product.image_url.clone(),
            price: product.price.as_ref().map_or(0, |price| price.minor_units),
            in_stock: product.on_hand > 0,
            created_at: product
                .created_at
                .as_ref()
                .map(from_proto)
                .unwrap_or_default()
                .as_microsecond(),
        }
    }
}

fn told(fact: &Option<Fact>) -> Option<&ProductSnapshot> {
    match fact.as_ref()? {
        Fact::ProductRegistered(event::ProductRegistered { product })
        | Fact::ProductUpdated(event::ProductUpdated { product })
        | Fact::ProductPriceChanged(event::ProductPriceChanged { product })
        | Fact::ProductHidden(event::ProductHidden { product })
        | Fact::ProductShown(event::ProductShown { product })
        | Fact::ProductDiscontinued(event::ProductDiscontinued { product }) => product.as_ref(),
        _ => None,
    }
}

/// The product a fact of [`FACTS`] is about.
pub(crate) fn product_id(event: &event::Event) -> &str {
    event.subject.trim_start_matches("product/")
}

#[async_trait]
impl Projection for ProductListing {
    fn name(&self) -> &'static str {
        "product_listing"
    }

    fn facts(&self) -> &'static [&'static str] {
        FACTS
    }

    async fn apply(&self, transaction: &WriteTransaction, generation: i32, events: &[&Event]) -> Result<(), Failure> {
        let ids: BTreeSet<&str> = events.iter().map(|event| product_id(event)).collect();
        let ids: Vec<&str> = ids.into_iter().collect();
        let before = details(&**transaction, generation, &ids).await?;
        let mut after = before.clone();
        for event in events {
            after.entry(product_id(event).to_owned()).or_default().learn(event);
        }
        let (mut details, mut listed, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        let mut counts: BTreeMap<String, (i64, i64)> = BTreeMap::new();
        for (product_id, known) in &after {
            let former = before.get(product_id);
            if former.is_some_and(|former| former.version == known.version) {
                continue;
            }
            let snapshot = known.product.encode_to_vec();
            details.push(values![
                generation,
                product_id.as_str(),
                snapshot,
                known.version,
                known.updated_at
            ]);
            let former = former.filter(|former| former.listed()).map(Known::row);
            let now = Some(known).filter(|known| known.listed()).map(Known::row);
            for (row, sign) in [(&former, -1), (&now, 1)] {
                let Some(row) = row else { continue };
                for brand_id in ["", row.brand_id.as_str()] {
                    let count = counts.entry(brand_id.to_owned()).or_default();
                    count.0 += sign;
                    count.1 += sign * i64::from(row.in_stock);
                }
            }
            match (former, now) {
                (Some(_), None) => gone.push(product_id.as_str()),
                // quantities alone do not rewrite a listing, only the last and the first piece do
                (Some(former), Some(now)) if same(&former, &now) => {}
                (_, Some(now)) => listed.push(values(generation, now)),
                (None, None) => {}
            }
        }
        let columns = ["generation", "product_id", "snapshot", "version", "updated_at"];
        upsert(transaction, "product_details", &columns, 2, details).await?;
        let columns = [
            "generation",
            "product_id",
            "brand_id",
            "name",
            "image_url",
            "price",
            "in_stock",
            "created_at",
        ];
        upsert(transaction, "product_listing", &columns, 2, listed).await?;
        remove(transaction, generation, &gone).await?;
        count(transaction, generation, counts).await
    }
}

fn same(one: &Listed, other: &Listed) -> bool {
    let shown = |row: &Listed| {
        (
            row.brand_id.clone(),
            row.name.clone(),
            row.image_url.clone(),
            row.price,
            row.in_stock,
            row.created_at,
        )
    };
    shown(one) == shown(other)
}

fn values(generation: i32, row: Listed) -> Vec<Value> {
    values![
        generation,
        row.product_id,
        row.brand_id,
        row.name,
        row.image_url,
        row.price,
        row.in_stock,
        row.created_at
    ]
}

async fn remove(transaction: &WriteTransaction, generation: i32, product_ids: &[&str]) -> Result<(), Failure> {
    for product_ids in product_ids.chunks(VALUES_MAX) {
        let sql = format!(
            "DELETE FROM product_listing WHERE generation = $1 AND product_id IN ({})",
            placeholders(2, product_ids.len())
        );
        let ids = product_ids.iter().map(|id| Value::from(*id));
        transaction
            .run(&sql, values![generation].into_iter().chain(ids).collect())
            .await?;
    }
    Ok(())
}

async fn count(
    transaction: &WriteTransaction,
    generation: i32,
    counts: BTreeMap<String, (i64, i64)>,
) -> Result<(), Failure> {
    for (brand_id, (listed, in_stock)) in counts.into_iter().filter(|(_, change)| *change != (0, 0)) {
        let sql = "INSERT INTO product_counts (generation, brand_id, listed, in_stock) VALUES ($1, $2, $3, $4)
            ON CONFLICT (generation, brand_id) DO UPDATE SET listed = product_counts.listed + excluded.listed,
                in_stock = product_counts.in_stock + excluded.in_stock";
        transaction
            .run(sql, values![generation, brand_id, listed, in_stock])
            .await?;
    }
    Ok(())
}

/// These products, as far as there are any.
pub(crate) async fn details(
    connection: &impl ConnectionTrait,
    generation: i32,
    product_ids: &[&str],
) -> Result<BTreeMap<String, Known>, Failure> {
    let select = "SELECT snapshot, version, updated_at FROM product_details";
    let rows: Vec<DetailRow> = by_ids(connection, select, "product_id", generation, product_ids).await?;
    let known = rows.into_iter().map(|row| {
        let product = ProductSnapshot::decode(row.snapshot.as_slice()).map_err(anyhow::Error::from)?;
        Ok((
            product.product_id.clone(),
            Known {
                product,
                version: row.version,
                updated_at: row.updated_at,
            },
        ))
    });
    known.collect()
}

/// Which products a listing has, and in which order.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The generation that is read.
    pub generation: i32,
    /// Empty for all brands.
    pub brand_id: &'a str,
    /// Leaves out what is sold out.
    pub in_stock_only: bool,
    /// Rows to leave out first.
    pub skip: u32,
    /// Rows wanted.
    pub limit: u32,
}

/// The order of a page of `product_listing`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    Latest,
    PriceAsc,
    PriceDesc,
}

/// The statement of a page behind a (key, id), and its values. One covering index answers it.
pub(crate) fn page_sql(question: Question<'_>, order: Order, behind: Option<(i64, &str)>) -> (String, Vec<Value>) {
    let (key, direction, comparison) = match order {
        Order::Latest => ("created_at", "DESC", "<"),
        Order::PriceAsc => ("price", "ASC", ">"),
        Order::PriceDesc => ("price", "DESC", "<"),
    };
    let columns = "product_id, brand_id, name, image_url, price, in_stock, created_at";
    statement(
        "product_listing",
        columns,
        question,
        (key, direction, comparison),
        behind,
        "",
    )
}

/// A page of any table whose indexes lead with generation, perhaps brand, then key and id.
pub(crate) fn statement(
    table: &str,
    columns: &str,
    question: Question<'_>,
    (key, direction, comparison): (&str, &str, &str),
    behind: Option<(i64, &str)>,
    condition: &str,
) -> (String, Vec<Value>) {
    let mut values = values![question.generation];
    let mut sql = format!("SELECT {columns} FROM {table} WHERE generation = $1{condition}");
    if question.in_stock_only {
        sql.push_str(" AND in_stock");
    }
    if !question.brand_id.is_empty() {
        values.push(Value::from(question.brand_id));
        sql.push_str(&format!(" AND brand_id = ${}", values.len()));
    }
    if let Some((last, product_id)) = behind {
        values.extend(values![last, product_id]);
        sql.push_str(&format!(
            " AND ({key}, product_id) {comparison} (${}, ${})",
            values.len() - 1,
            values.len()
        ));
    }
    let Question { skip, limit, .. } = question;
    sql.push_str(&format!(
        " ORDER BY {key} {direction}, product_id {direction} LIMIT {limit} OFFSET {skip}"
    ));
    (sql, values)
}

#[derive(FromQueryResult)]
struct Counts {
    listed: i64,
    in_stock: i64,
}

/// How many products a listing has, from the maintained count.
pub(crate) async fn total(connection: &impl ConnectionTrait, question: Question<'_>) -> Result<i64, Failure> {
    let sql = "SELECT listed, in_stock FROM product_counts WHERE generation = $1 AND brand_id = $2";
    let counts: Option<Counts> = connection
        .find(sql, values![question.generation, question.brand_id])
        .await?;
    Ok(counts.map_or(0, |counts| {
        if question.in_stock_only {
            counts.in_stock
        } else {
            counts.listed
        }
    }))
}
