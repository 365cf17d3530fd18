//! Brands and products, who likes them and who looks at them.

use proto::catalog::v1::behaviour_service_client::BehaviourServiceClient;
use proto::catalog::v1::*;
use proto::money::v1::Money;
use support::story;

use crate::catalogue::{Catalogue, refused, row, usd};

story! {
    async fn an_import_can_be_repeated_and_follows_what_changed(shop: TestShop) {
        let shop = &Catalogue(&shop);
        let other = ImportRow {
            brand_id: "other".to_owned(),
            ..row("c", 1)
        };
        let foreign = ImportRow {
            price: Some(Money {
                currency_code: "KRW".to_owned(),
                minor_units: 1,
            }),
            ..row("d", 1)
        };
        let rows = vec![row("a", 5), row("b", 0), row("a", 5), other, foreign];
        let first = shop.import(rows.clone()).await;
        assert_eq!((first.created, first.unchanged, first.refused), (2, 1, 2));
        let reasons: Vec<_> = first
            .refusals
            .iter()
            .map(|refusal| (refusal.row, refusal.reason.as_str()))
            .collect();
        assert_eq!(reasons, [(3, "BRAND_NAME_TAKEN"), (4, "CURRENCY_NOT_SUPPORTED")]);
        let events = shop.count("SELECT COUNT(*) AS count FROM outbox").await;
        assert_eq!(events, 4);
        let again = shop.import(rows).await;
        assert_eq!((again.created, again.updated, again.unchanged), (0, 0, 3));
        assert_eq!(shop.count("SELECT COUNT(*) AS count FROM outbox").await, events);
        let dearer = ImportRow {
            price: usd(200),
            brand_name: "Haus".to_owned(),
            ..row("a", 9)
        };
        assert_eq!(shop.import(vec![dearer]).await.updated, 1);
        assert_eq!(shop.level("a").await, (5, 0, 0));
        let brand = "SELECT COUNT(*) AS count FROM brands WHERE name = 'Haus' AND version = 2";
        assert_eq!(shop.count(brand).await, 1);
        shop.assert_gapless().await;
    }
}

story! {
    async fn a_product_is_edited_by_those_who_know_what_it_was(shop: TestShop) {
        let shop = &Catalogue(&shop);
        let brand = RegisterBrandRequest {
            brand_id: "b".to_owned(),
            name: "B".to_owned(),
            ..Default::default()
        };
        shop.products().register_brand(brand.clone()).await.unwrap();
        assert_eq!(
            refused(shop.products().register_brand(brand.clone()).await),
            "BRAND_ALREADY_EXISTS"
        );
        let twin = RegisterBrandRequest {
            brand_id: "c".to_owned(),
            ..brand
        };
        assert_eq!(
            refused(shop.products().register_brand(twin.clone()).await),
            "BRAND_NAME_TAKEN"
        );
        shop.products()
            .register_brand(RegisterBrandRequest {
                name: "C".to_owned(),
                ..twin
            })
            .await
            .unwrap();
        let rename = UpdateBrandRequest {
            brand_id: "c".to_owned(),
            name: "B".to_owned(),
            ..Default::default()
        };
        assert_eq!(refused(shop.products().update_brand(rename).await), "BRAND_NAME_TAKEN");

        let product = RegisterProductRequest {
            product_id: "p".to_owned(),
            brand_id: "b".to_owned(),
            name: "P".to_owned(),
            price: usd(100),
            ..Default::default()
        };
        let registered = shop
            .products()
            .register_product(product.clone())
            .await
            .unwrap()
            .into_inner()
            .product
            .unwrap();
        assert_eq!(
            refused(shop.products().register_product(product).await),
            "PRODUCT_ALREADY_EXISTS"
        );
        let id = || registered.product_id.clone();
        let price = ChangePriceRequest {
            product_id: id(),
            price: usd(200),
            etag: registered.etag.clone(),
            ..Default::default()
        };
        shop.products().change_price(price.clone()).await.unwrap();
        assert_eq!(
            refused(shop.products().change_price(price).await),
            "PRODUCT_ETAG_MISMATCH"
        );
        let mask = |path: &str| {
            Some(prost_types::FieldMask {
                paths: vec![path.to_owned()],
            })
        };
        let update = UpdateProductRequest {
            product_id: id(),
            name: "Q".to_owned(),
            update_mask: mask("name"),
            ..Default::default()
        };
        let updated = shop
            .products()
            .update_product(update.clone())
            .await
            .unwrap()
            .into_inner()
            .product
            .unwrap();
        assert_eq!((updated.name.as_str(), updated.price), ("Q", usd(200)));
        let update = UpdateProductRequest {
            update_mask: mask("price"),
            ..update
        };
        assert_eq!(
            refused(shop.products().update_product(update).await),
            "FIELD_MASK_INVALID"
        );

        shop.warehouse()
            .restock(RestockRequest {
                product_id: id(),
                quantity: 5,
                ..Default::default()
            })
            .await
            .unwrap();
        let adjust = AdjustStockRequest {
            product_id: id(),
            counted: 3,
            why: "two broke".to_owned(),
            ..Default::default()
        };
        let level = shop
            .warehouse()
            .adjust_stock(adjust)
            .await
            .unwrap()
            .into_inner()
            .level
            .unwrap();
        assert_eq!(level.on_hand, 3);
        shop.products()
            .hide_product(HideProductRequest {
                product_id: id(),
                ..Default::default()
            })
            .await
            .unwrap();
        assert_eq!(refused(shop.reserve("o", &[("p", 1)]).await), "PRODUCT_NOT_ON_SALE");
        shop.products()
            .show_product(ShowProductRequest {
                product_id: id(),
                ..Default::default()
            })
            .await
            .unwrap();
        shop.reserve("o", &[("p", 1)]).await.unwrap();
        let gone = DiscontinueProductRequest {
            product_id: id(),
            ..Default::default()
        };
        shop.products().discontinue_product(gone.clone()).await.unwrap();
        shop.products().discontinue_product(gone).await.unwrap();
        let show = ShowProductRequest {
            product_id: id(),
            ..Default::default()
        };
        assert_eq!(refused(shop.products().show_product(show).await), "PRODUCT_DISCONTINUED");
        shop.commit("o").await.unwrap();
        assert_eq!(shop.level("p").await, (2, 0, 1));
        shop.assert_gapless().await;
    }
}

story! {
    async fn liking_twice_is_liking_once_and_unknown_products_are_not_seen(shop: TestShop) {
        let shop = &Catalogue(&shop);
        shop.import(vec![row("a", 1)]).await;
        let mut likes = shop.0.buyer("mina").likes();
        let like = || LikeProductRequest {
                product_id: "a".to_owned(),
                ..Default::default()
            };
        let unlike = |id: &str| UnlikeProductRequest {
                product_id: id.to_owned(),
                ..Default::default()
            };
        likes.unlike_product(unlike("a")).await.unwrap();
        let first = likes.like_product(like()).await.unwrap().into_inner();
        assert_eq!(likes.like_product(like()).await.unwrap().into_inner(), first);
        let hide = HideProductRequest {
            product_id: "a".to_owned(),
            ..Default::default()
        };
        shop.products().hide_product(hide).await.unwrap();
        likes.like_product(like()).await.unwrap();
        likes.unlike_product(unlike("a")).await.unwrap();
        assert_eq!(refused(likes.like_product(like()).await), "PRODUCT_NOT_ON_SALE");
        assert_eq!(refused(likes.unlike_product(unlike("x")).await), "PRODUCT_NOT_FOUND");
        assert_eq!(
            shop.count("SELECT COUNT(*) AS count FROM outbox WHERE aggregatetype = 'like'")
                .await,
            2
        );

        let seen = |id: &str| Behaviour {
            product_id: id.to_owned(),
            kind: BehaviourKind::View.into(),
            occurred_at: Some(kit::clock::to_proto(shop.0.clock.now())),
        };
        let request = RecordRequest {
            behaviours: vec![seen("a"), seen("x")],
            ..Default::default()
        };
        let mut behaviours = BehaviourServiceClient::new(shop.0.connected().as_customer("mina"));
        behaviours.record(request).await.unwrap();
        behaviours
            .record(RecordRequest {
                behaviours: vec![seen("x")],
                ..Default::default()
            })
            .await
            .unwrap();
        assert_eq!(
            shop.count("SELECT COUNT(*) AS count FROM outbox WHERE aggregatetype = 'behaviour'")
                .await,
            1
        );
        shop.assert_gapless().await;
    }
}
