//! Brands, products and stock.

use proto::catalog::v1::*;
use proto::readmodel::v1::{GetBrandRequest, GetProductRequest};
use support::TestShop;

use super::Reached;
use crate::catalogue::{Catalogue, row, usd};

/// The most pieces that one restocking brings; ten times as many may be on hand.
const RESTOCKED_MAX: i64 = 1_000_000_000;

fn register_brand(brand_id: &str, name: &str) -> RegisterBrandRequest {
    RegisterBrandRequest {
        brand_id: brand_id.to_owned(),
        name: name.to_owned(),
        ..Default::default()
    }
}

fn register_product(product_id: &str, brand_id: &str) -> RegisterProductRequest {
    RegisterProductRequest {
        product_id: product_id.to_owned(),
        brand_id: brand_id.to_owned(),
        name: "Shirt".to_owned(),
        price: usd(100),
        ..Default::default()
    }
}

fn update_brand(brand_id: &str, etag: &str) -> UpdateBrandRequest {
    UpdateBrandRequest {
        brand_id: brand_id.to_owned(),
        name: "Haus".to_owned(),
        etag: etag.to_owned(),
        ..Default::default()
    }
}

fn update_product(path: &str, etag: &str) -> UpdateProductRequest {
    UpdateProductRequest {
        product_id: "shirt".to_owned(),
        update_mask: Some(prost_types::FieldMask {
            paths: vec![path.to_owned()],
        }),
        etag: etag.to_owned(),
        ..Default::default()
    }
}

pub async fn refuses(shop: &TestShop, reached: &mut Reached) {
    let shop = &Catalogue(shop);
    shop.import(vec![row("shirt", 5), row("hidden", 5), row("gone", 0), row("bulk", 0)])
        .await;
    brands(shop, reached).await;
    products(shop, reached).await;
    stock(shop, reached).await;
    reservations(shop, reached).await;
}

async fn brands(shop: &Catalogue<'_>, reached: &mut Reached) {
    let mut admin = shop.products();
    let unknown = admin.update_brand(update_brand("none", "")).await;
    reached.by("BRAND_NOT_FOUND", &[("brand_id", "none")], unknown);
    let request = GetBrandRequest {
        brand_id: "none".to_owned(),
        ..Default::default()
    };
    let unseen = shop.0.buyer("mina").products_seen().get_brand(request).await;
    reached.by("BRAND_NOT_FOUND", &[("brand_id", "none")], unseen);
    let again = admin.register_brand(register_brand("house", "Other")).await;
    reached.by("BRAND_ALREADY_EXISTS", &[("brand_id", "house")], again);
    let twin = admin.register_brand(register_brand("twin", "House")).await;
    reached.by("BRAND_NAME_TAKEN", &[("name", "House")], twin);
    let late = admin.update_brand(update_brand("house", "7")).await;
    reached.by("BRAND_ETAG_MISMATCH", &[("brand_id", "house"), ("etag", "1")], late);
}

async fn products(shop: &Catalogue<'_>, reached: &mut Reached) {
    let mut admin = shop.products();
    let (mina, none) = (shop.0.buyer("mina"), || "none".to_owned());
    let request = LikeProductRequest {
        product_id: none(),
        ..Default::default()
    };
    let unknown = mina.likes().like_product(request).await;
    reached.by("PRODUCT_NOT_FOUND", &[("product_id", "none")], unknown);
    let request = GetProductRequest {
        product_id: none(),
        ..Default::default()
    };
    let unseen = mina.products_seen().get_product(request).await;
    reached.by("PRODUCT_NOT_FOUND", &[("product_id", "none")], unseen);
    let again = admin.register_product(register_product("shirt", "house")).await;
    reached.by("PRODUCT_ALREADY_EXISTS", &[("product_id", "shirt")], again);
    let late = admin.update_product(update_product("description", "7")).await;
    reached.by("PRODUCT_ETAG_MISMATCH", &[("product_id", "shirt"), ("etag", "1")], late);
    let masked = admin.update_product(update_product("price", "")).await;
    reached.by("FIELD_MASK_INVALID", &[("path", "price")], masked);
    let nameless = admin.update_product(update_product("name", "")).await;
    reached.by("FIELDS_INVALID", &[("fields", "name")], nameless);

    let request = HideProductRequest {
        product_id: "hidden".to_owned(),
        ..Default::default()
    };
    admin.hide_product(request).await.unwrap();
    let hidden = shop.reserve("hidden", &[("hidden", 1)]).await;
    reached.by(
        "PRODUCT_NOT_ON_SALE",
        &[("product_id", "hidden"), ("status", "HIDDEN")],
        hidden,
    );
    let request = DiscontinueProductRequest {
        product_id: "gone".to_owned(),
        ..Default::default()
    };
    admin.discontinue_product(request).await.unwrap();
    let request = ShowProductRequest {
        product_id: "gone".to_owned(),
        ..Default::default()
    };
    let gone = admin.show_product(request).await;
    reached.by("PRODUCT_DISCONTINUED", &[("product_id", "gone")], gone);
}

async fn stock(shop: &Catalogue<'_>, reached: &mut Reached) {
    let greedy = shop.reserve("greedy", &[("shirt", 6)]).await;
    let metadata = [("product_id", "shirt"), ("requested", "6"), ("available", "5")];
    reached.by("STOCK_INSUFFICIENT", &metadata, greedy);
    let bulk = RestockRequest {
        product_id: "bulk".to_owned(),
        quantity: RESTOCKED_MAX,
        ..Default::default()
    };
    for _ in 0..10 {
        shop.warehouse().restock(bulk.clone()).await.unwrap();
    }
    let more = shop.warehouse().restock(bulk).await;
    reached.by("STOCK_OVERFLOW", &[("product_id", "bulk")], more);
}

async fn reservations(shop: &Catalogue<'_>, reached: &mut Reached) {
    let of = |order_id| [("order_id", order_id)];
    reached.by("RESERVATION_NOT_FOUND", &of("never"), shop.commit("never").await);
    shop.release("late").await.unwrap();
    let late = shop.reserve("late", &[("shirt", 1)]).await;
    reached.by("RESERVATION_RELEASED", &of("late"), late);

    shop.reserve("o", &[("shirt", 1)]).await.unwrap();
    let differs = shop.reserve("o", &[("shirt", 2)]).await;
    reached.by("RESERVATION_DIFFERS", &of("o"), differs);
    reached.by("RESERVATION_NOT_COMMITTED", &of("o"), shop.give_back("o").await);
    shop.commit("o").await.unwrap();
    reached.by("RESERVATION_COMMITTED", &of("o"), shop.release("o").await);
    shop.give_back("o").await.unwrap();
    reached.by("RESERVATION_RETURNED", &of("o"), shop.commit("o").await);
}
