//! Products by likes, with all that a page shows, and who likes what. Likes are merged: one row a product and batch.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use kit::clock::from_proto;
use kit::database::{Sql, VALUES_MAX, WriteTransaction};
use kit::refusal::Failure;
use kit::{Value, values};
use proto::event::v1::Event;
use proto::event::v1::event::Fact;
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::product_listing::{self, Known, Question, statement};
use super::{Projection, by_ids, upsert};

#[derive(Debug)]
pub(crate) struct ProductPopularity;

const FACTS: &[&str] = &[
    "ProductRegistered",
    "ProductUpdated",
    "ProductPriceChanged",
    "ProductHidden",
    "ProductShown",
    "ProductDiscontinued",
    "StockLevelChanged",
    "ProductLiked",
    "ProductUnliked",
];

/// A row of a page by likes.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub(crate) struct Row {
    pub product_id: String,
    pub like_count: i64,
    pub listed: bool,
    pub brand_id: String,
    pub name: String,
    pub image_url: String,
    pub price: i64,
    pub in_stock: bool,
    pub created_at: i64,
    pub version: i64,
}

/// Whether a user likes a product.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub(crate) struct Like {
    pub user_id: String,
    pub product_id: String,
    pub liked: bool,
    pub liked_at: i64,
    pub version: i64,
}

/// The part of a row that a page shows.
const COLUMNS: &str = "product_id, like_count, listed, brand_id, name, image_url, price, in_stock, created_at";

impl Row {
    fn empty(product_id: &str) -> Self {
        Self {
            product_id: product_id.to_owned(),
            like_count: 0,
            listed: false,
            brand_id: String::new(),
            name: String::new(),
            image_url: String::new(),
            price: 0,
            in_stock: false,
            created_at: 0,
            version: 0,
        }
    }

    /// Takes over how the product is; the version moves only with what a page shows.
    fn learn(&mut self, known: &Known) {
        let row = known.row();
        self.listed = known.listed();
        self.brand_id = row.brand_id;
        self.name = row.name;
        self.image_url = row.image_url;
        self.price = row.price;
        self.in_stock = row.in_stock;
        self.created_at = row.created_at;
    }
}

#[async_trait]
impl Projection for ProductPopularity {
    fn name(&self) -> &'static str {
        "product_popularity"
    }

    fn facts(&self) -> &'static [&'static str] {
        FACTS
    }

    async fn apply(&self, transaction: &WriteTransaction, generation: i32, events: &[&Event]) -> Result<(), Failure> {
        let (likes, changes) = self.apply_likes(transaction, generation, events).await?;
        let about = |event: &&&Event| event.subject.starts_with("product/");
        let touched = events
            .iter()
            .filter(about)
            .map(|event| product_listing::product_id(event));
        let ids: BTreeSet<&str> = touched.chain(changes.keys().map(String::as_str)).collect();
        let ids: Vec<&str> = ids.into_iter().collect();
        let before = rows(&**transaction, generation, &ids).await?;
        let mut after = before.clone();
        for event in events.iter().filter(about) {
            let product_id = product_listing::product_id(event);
            let row = after
                .entry(product_id.to_owned())
                .or_insert_with(|| Row::empty(product_id));
            learn(row, event);
        }
        for (product_id, change) in changes {
            let row = after
                .entry(product_id.clone())
                .or_insert_with(|| Row::empty(&product_id));
            row.like_count += change;
        }
        let changed = after
            .into_values()
            .filter(|row| before.get(&row.product_id) != Some(row));
        let columns = [
            "generation",
            "product_id",
            "like_count",
            "listed",
            "brand_id",
            "name",
            "image_url",
            "price",
            "in_stock",
            "created_at",
            "version",
        ];
        upsert(
            transaction,
            "product_popularity",
            &columns,
            2,
            changed.map(|row| values(generation, row)).collect(),
        )
        .await?;
        let columns = ["generation", "user_id", "product_id", "liked", "liked_at", "version"];
        upsert(transaction, "product_likes", &columns, 3, likes).await
    }
}

impl ProductPopularity {
    /// The rows of likes to write, and by how much each product's count changes.
    async fn apply_likes(
        &self,
        transaction: &WriteTransaction,
        generation: i32,
        events: &[&Event],
    ) -> Result<(Vec<Vec<Value>>, BTreeMap<String, i64>), Failure> {
        let mut told: BTreeMap<(String, String), Like> = BTreeMap::new();
        for event in events {
            let (user_id, product_id, at, liked) = match &event.fact {
                Some(Fact::ProductLiked(fact)) => (&fact.user_id, &fact.product_id, &fact.at, true),
                Some(Fact::ProductUnliked(fact)) => (&fact.user_id, &fact.product_id, &fact.at, false),
                _ => continue,
            };
            let liked_at = at.as_ref().map(from_proto).unwrap_or_default().as_microsecond();
            let like = Like {
                user_id: user_id.clone(),
                product_id: product_id.clone(),
                liked,
                liked_at,
                version: event.version,
            };
            let key = (user_id.clone(), product_id.clone());
            if told.get(&key).is_none_or(|known| known.version < like.version) {
                told.insert(key, like);
            }
        }
        let keys: Vec<(&str, &str)> = told
            .keys()
            .map(|(user_id, product_id)| (user_id.as_str(), product_id.as_str()))
            .collect();
        let known = likes(&**transaction, generation, &keys).await?;
        let (mut rows, mut changes) = (Vec::new(), BTreeMap::new());
        for like in told.into_values() {
            let former = known
                .iter()
                .find(|known| (&known.user_id, &known.product_id) == (&like.user_id, &like.product_id));
            if former.is_some_and(|former| former.version >= like.version) {
                continue;
            }
            let change = i64::from(like.liked) - i64::from(former.is_some_and(|former| former.liked));
            *changes.entry(like.product_id.clone()).or_default() += change;
            rows.push(values![
                generation,
                like.user_id,
                like.product_id,
                like.liked,
                like.liked_at,
                like.version
            ]);
        }
        Ok((rows, changes))
    }
}

/// A stock level alone changes only whether there is any; everything else is a whole snapshot.
fn learn(row: &mut Row, event: &proto::event::v1::Event) {
    if event.version <= row.version {
        return;
    }
    if let Some(Fact::StockLevelChanged(level)) = &event.fact {
        if row.in_stock != (level.on_hand > 0) {
            row.in_stock = level.on_hand > 0;
            row.version = event.version;
        }
        return;
    }
    let mut known = Known::default();
    known.learn(event);
    row.learn(&known);
    row.version = event.version;
}

fn values(generation: i32, row: Row) -> Vec<Value> {
    values![
        generation,
        row.product_id,
        row.like_count,
        row.listed,
        row.brand_id,
        row.name,
        row.image_url,
        row.price,
        row.in_stock,
        row.created_at,
        row.version
    ]
}

/// The rows of these products.
pub(crate) async fn rows(
    connection: &impl ConnectionTrait,
    generation: i32,
    product_ids: &[&str],
) -> Result<BTreeMap<String, Row>, Failure> {
    let select = format!("SELECT {COLUMNS}, version FROM product_popularity");
    let rows: Vec<Row> = by_ids(connection, &select, "product_id", generation, product_ids).await?;
    Ok(rows.into_iter().map(|row| (row.product_id.clone(), row)).collect())
}

/// Whether these users like these products, where they ever did.
pub(crate) async fn likes(
    connection: &impl ConnectionTrait,
    generation: i32,
    keys: &[(&str, &str)],
) -> Result<Vec<Like>, Failure> {
    let mut likes = Vec::with_capacity(keys.len());
    for keys in keys.chunks(VALUES_MAX / 2) {
        let pairs = (0..keys.len())
            .map(|key| format!("(${}, ${})", key * 2 + 2, key * 2 + 3))
            .collect::<Vec<_>>();
        let sql = format!(
            "SELECT user_id, product_id, liked, liked_at, version FROM product_likes
            WHERE generation = $1 AND (user_id, product_id) IN (VALUES {})",
            pairs.join(", ")
        );
        let named = keys
            .iter()
            .flat_map(|(user_id, product_id)| values![*user_id, *product_id]);
        likes.extend(
            connection
                .list::<Like>(&sql, values![generation].into_iter().chain(named).collect())
                .await?,
        );
    }
    Ok(likes)
}

/// What a user likes, newest first, behind a (time, id).
pub(crate) async fn liked_by(
    connection: &impl ConnectionTrait,
    generation: i32,
    user_id: &str,
    behind: Option<(i64, &str)>,
    limit: u32,
) -> Result<Vec<Like>, Failure> {
    let (liked_at, product_id) = behind.unwrap_or((i64::MAX, ""));
    let sql = format!(
        "SELECT user_id, product_id, liked, liked_at, version FROM product_likes
        WHERE generation = $1 AND user_id = $2 AND liked AND (liked_at, product_id) < ($3, $4)
        ORDER BY liked_at DESC, product_id DESC LIMIT {limit}"
    );
    Ok(connection
        .list(&sql, values![generation, user_id, liked_at, product_id])
        .await?)
}

/// The statement of a page by likes, behind a (count, id). One covering index answers it.
pub(crate) fn page_sql(question: Question<'_>, behind: Option<(i64, &str)>) -> (String, Vec<Value>) {
    let columns = "product_id, like_count, listed, brand_id, name, image_url, price, in_stock, created_at, CAST(0 AS BIGINT) AS version";
    statement(
        "product_popularity",
        columns,
        question,
        ("like_count", "DESC", "<"),
        behind,
        " AND listed",
    )
}
