//! Listings, details, hearts and brands.

use std::collections::{BTreeMap, HashSet};

use kit::Value;
use kit::clock::{from_microseconds, to_proto};
use kit::context::Context;
use kit::database::Sql;
use kit::page_token::{self, page_size};
use kit::refusal::Failure;
use proto::event::v1::ProductStatus as Told;
use proto::readmodel::v1::*;

use super::NotFound;
use crate::ReadModel;
use crate::projections::brands;
use crate::projections::product_listing::{self, Known, Listed, Order, Question};
use crate::projections::product_popularity::{self, Row};

const LISTING: &str = "product_listing";
const POPULARITY: &str = "product_popularity";
const BRANDS: &str = "brands";

pub(crate) async fn list_products(
    state: ReadModel,
    context: Context,
    request: ListProductsRequest,
) -> Result<ListProductsResponse, Failure> {
    let sort = match request.sort() {
        ProductSort::Unspecified => ProductSort::Latest,
        sort => sort,
    };
    state
        .await_revision(&context, &request.revision, &[LISTING, POPULARITY, BRANDS])
        .await?;
    let page = format!("ListProducts|{}|{}|{sort:?}", request.brand_id, request.in_stock_only);
    let behind = page_token::behind(state.database.signer(), &page, &request.page_token)?;
    let behind = behind.as_ref().map(|(key, id)| (*key, id.as_str()));
    let size = page_size(request.page_size);
    let question = Question {
        generation: state.generation(),
        brand_id: &request.brand_id,
        in_stock_only: request.in_stock_only,
        skip: request.skip.unsigned_abs(),
        limit: size + 1,
    };
    let reader = state.database.reader();
    let (sql, values) = page_sql(sort, question, behind);
    let (rows, next_page_token) = if sort == ProductSort::LikesDesc {
        let mut rows: Vec<Row> = reader.list(&sql, values).await?;
        let next = page_token::next(state.database.signer(), &page, &mut rows, size, |row| {
            (row.like_count, row.product_id.clone())
        });
        (
            rows.into_iter().map(|row| (row.like_count, listed(row))).collect(),
            next,
        )
    } else {
        let mut rows: Vec<Listed> = reader.list(&sql, values).await?;
        let key = |row: &Listed| {
            if sort == ProductSort::Latest {
                row.created_at
            } else {
                row.price
            }
        };
        let next = page_token::next(state.database.signer(), &page, &mut rows, size, |row| {
            (key(row), row.product_id.clone())
        });
        (state.with_likes(rows).await?, next)
    };
    let total_size = product_listing::total(reader, question).await?;
    Ok(ListProductsResponse {
        products: state.items(rows).await?,
        next_page_token,
        total_size,
    })
}

/// The statement of a page in this order behind a (key, id), and its values. One covering index answers it.
#[must_use]
pub fn page_sql(sort: ProductSort, question: Question<'_>, behind: Option<(i64, &str)>) -> (String, Vec<Value>) {
    let order = match sort {
        ProductSort::LikesDesc => return product_popularity::page_sql(question, behind),
        ProductSort::PriceAsc => Order::PriceAsc,
        ProductSort::PriceDesc => Order::PriceDesc,
        ProductSort::Latest | ProductSort::Unspecified => Order::Latest,
    };
    product_listing::page_sql(question, order, behind)
}

pub(crate) async fn get_product(
    state: ReadModel,
    context: Context,
    request: GetProductRequest,
) -> Result<GetProductResponse, Failure> {
    state
        .await_revision(&context, &request.revision, &[LISTING, POPULARITY, BRANDS])
        .await?;
    let product = state.details(&[&request.product_id]).await?.pop();
    let product = product.ok_or(NotFound::Product {
        product_id: request.product_id,
    })?;
    Ok(GetProductResponse { product: Some(product) })
}

pub(crate) async fn batch_get_products(
    state: ReadModel,
    context: Context,
    request: BatchGetProductsRequest,
) -> Result<BatchGetProductsResponse, Failure> {
    state
        .await_revision(&context, &request.revision, &[LISTING, POPULARITY, BRANDS])
        .await?;
    let mut seen = HashSet::new();
    let ids = request.product_ids.iter().map(String::as_str);
    let ids: Vec<&str> = ids.filter(|id| seen.insert(*id)).collect();
    let products = state.details(&ids).await?;
    let missing = ids
        .into_iter()
        .filter(|id| !products.iter().any(|product| product.product_id == *id));
    Ok(BatchGetProductsResponse {
        missing_product_ids: missing.map(str::to_owned).collect(),
        products,
    })
}

pub(crate) async fn batch_get_likes(
    state: ReadModel,
    context: Context,
    request: BatchGetLikesRequest,
) -> Result<BatchGetLikesResponse, Failure> {
    state.await_revision(&context, &request.revision, &[POPULARITY]).await?;
    let user_id = context.user()?;
    let keys: Vec<(&str, &str)> = request
        .product_ids
        .iter()
        .map(|product_id| (user_id, product_id.as_str()))
        .collect();
    let likes = product_popularity::likes(state.database.reader(), state.generation(), &keys).await?;
    let liked = |id: &&String| likes.iter().any(|like| like.liked && like.product_id == **id);
    Ok(BatchGetLikesResponse {
        liked_product_ids: request.product_ids.iter().filter(liked).cloned().collect(),
    })
}

pub(crate) async fn list_liked_products(
    state: ReadModel,
    context: Context,
    request: ListLikedProductsRequest,
) -> Result<ListLikedProductsResponse, Failure> {
    state
        .await_revision(&context, &request.revision, &[LISTING, POPULARITY, BRANDS])
        .await?;
    let user_id = context.user()?;
    let page = format!("ListLikedProducts|{user_id}");
    let behind = page_token::behind(state.database.signer(), &page, &request.page_token)?;
    let behind = behind.as_ref().map(|(key, id)| (*key, id.as_str()));
    let size = page_size(request.page_size);
    let reader = state.database.reader();
    let mut likes = product_popularity::liked_by(reader, state.generation(), user_id, behind, size + 1).await?;
    let next_page_token = page_token::next(state.database.signer(), &page, &mut likes, size, |like| {
        (like.liked_at, like.product_id.clone())
    });
    let ids: Vec<&str> = likes.iter().map(|like| like.product_id.as_str()).collect();
    let rows = product_popularity::rows(reader, state.generation(), &ids).await?;
    let shown = rows
        .into_values()
        .filter(|row| row.listed)
        .map(|row| (row.like_count, listed(row)));
    let items = state.items(shown.collect()).await?;
    let products = likes.into_iter().filter_map(|like| {
        let product = items.iter().find(|item| item.product_id == like.product_id)?;
        Some(LikedProduct {
            product: Some(product.clone()),
            liked_at: Some(to_proto(from_microseconds(like.liked_at))),
        })
    });
    Ok(ListLikedProductsResponse {
        products: products.collect(),
        next_page_token,
    })
}

pub(crate) async fn list_brands(
    state: ReadModel,
    context: Context,
    request: ListBrandsRequest,
) -> Result<ListBrandsResponse, Failure> {
    state
        .await_revision(&context, &request.revision, &[LISTING, BRANDS])
        .await?;
    let signer = state.database.signer();
    let behind = page_token::open(signer, "ListBrands", &request.page_token)?;
    let behind = behind.as_deref().and_then(|key| key.split_once('\n'));
    let size = page_size(request.page_size);
    let mut rows = brands::list(state.database.reader(), state.generation(), behind, size + 1).await?;
    let mut next_page_token = String::new();
    if rows.len() > size as usize {
        rows.truncate(size as usize);
        let key = rows
            .last()
            .map(|row| format!("{}\n{}", row.name, row.brand_id))
            .unwrap_or_default();
        next_page_token = page_token::seal(signer, "ListBrands", &key);
    }
    let mut brands = Vec::with_capacity(rows.len());
    for row in rows {
        brands.push(state.brand(row).await?);
    }
    Ok(ListBrandsResponse {
        brands,
        next_page_token,
    })
}

pub(crate) async fn get_brand(
    state: ReadModel,
    context: Context,
    request: GetBrandRequest,
) -> Result<GetBrandResponse, Failure> {
    state
        .await_revision(&context, &request.revision, &[LISTING, BRANDS])
        .await?;
    let row = brands::find(state.database.reader(), state.generation(), &[&request.brand_id])
        .await?
        .pop();
    let row = row.ok_or(NotFound::Brand {
        brand_id: request.brand_id,
    })?;
    Ok(GetBrandResponse {
        brand: Some(state.brand(row).await?),
    })
}

fn listed(row: Row) -> Listed {
    Listed {
        product_id: row.product_id,
        brand_id: row.brand_id,
        name: row.name,
        image_url: row.image_url,
        price: row.price,
        in_stock: row.in_stock,
        created_at: row.created_at,
    }
}

impl ReadModel {
    async fn brand(&self, row: brands::Row) -> Result<Brand, Failure> {
        let question = Question {
            generation: self.generation(),
            brand_id: &row.brand_id,
            in_stock_only: false,
            skip: 0,
            limit: 0,
        };
        let product_count = product_listing::total(self.database.reader(), question).await?;
        Ok(Brand {
            brand_id: row.brand_id,
            name: row.name,
            product_count,
        })
    }

    /// The like counts of a page by one batched look-up.
    async fn with_likes(&self, rows: Vec<Listed>) -> Result<Vec<(i64, Listed)>, Failure> {
        let ids: Vec<&str> = rows.iter().map(|row| row.product_id.as_str()).collect();
        let known = product_popularity::rows(self.database.reader(), self.generation(), &ids).await?;
        let count = |row: &Listed| known.get(&row.product_id).map_or(0, |known| known.like_count);
        Ok(rows.into_iter().map(|row| (count(&row), row)).collect())
    }

    async fn brand_names(&self, ids: impl Iterator<Item = &str>) -> Result<BTreeMap<String, String>, Failure> {
        let ids: std::collections::BTreeSet<&str> = ids.collect();
        let ids: Vec<&str> = ids.into_iter().collect();
        let rows = brands::find(self.database.reader(), self.generation(), &ids).await?;
        Ok(rows.into_iter().map(|row| (row.brand_id, row.name)).collect())
    }

    async fn items(&self, rows: Vec<(i64, Listed)>) -> Result<Vec<ProductListItem>, Failure> {
        let names = self
            .brand_names(rows.iter().map(|(_, row)| row.brand_id.as_str()))
            .await?;
        let items = rows.into_iter().map(|(like_count, row)| ProductListItem {
            brand_name: names.get(&row.brand_id).cloned().unwrap_or_default(),
            product_id: row.product_id,
            brand_id: row.brand_id,
            name: row.name,
            image_url: row.image_url,
            price: Some(self.currency.money(row.price)),
            like_count,
            sold_out: !row.in_stock,
            created_at: Some(to_proto(from_microseconds(row.created_at))),
        });
        Ok(items.collect())
    }

    /// These products in the order asked for; hidden ones are not shown.
    async fn details(&self, ids: &[&str]) -> Result<Vec<ProductDetail>, Failure> {
        let (reader, generation) = (self.database.reader(), self.generation());
        let known = product_listing::details(reader, generation, ids).await?;
        let likes = product_popularity::rows(reader, generation, ids).await?;
        let names = self
            .brand_names(known.values().map(|known| known.product.brand_id.as_str()))
            .await?;
        let detail = |known: &Known| {
            let product = &known.product;
            let status = match product.status() {
                Told::Available => ProductStatus::Available,
                Told::Discontinued => ProductStatus::Discontinued,
                Told::Hidden | Told::Unspecified => return None,
            };
            Some(ProductDetail {
                product_id: product.product_id.clone(),
                brand_id: product.brand_id.clone(),
                brand_name: names.get(&product.brand_id).cloned().unwrap_or_default(),
                name: product.name.clone(),
                description: product.description.clone(),
                category: product.category.clone(),
                image_url: product.image_url.clone(),
                price: product.price.clone(),
                status: status.into(),
                sold_out: product.on_hand <= 0,
                available: product.on_hand,
                like_count: likes.get(&product.product_id).map_or(0, |row| row.like_count),
                created_at: product.created_at,
                updated_at: Some(to_proto(from_microseconds(known.updated_at))),
            })
        };
        Ok(ids.iter().filter_map(|id| known.get(*id).and_then(detail)).collect())
    }
}
