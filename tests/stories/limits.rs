//! Limits and layers of the server, each one past itself, and the answers a foreign client sees.

use kit::server::REQUEST_BYTES_MAX;
use proto::catalog::v1::LikeProductRequest;
use proto::readmodel::v1::{GetProductRequest, ListProductsRequest};
use support::client::card_order;
use support::{reason, story};
use tonic::{Code, Request};
use tonic_types::StatusExt;

story! {
    async fn fields_out_of_bounds_are_named_each(shop: TestShop) {
        let mina = shop.buyer("mina");
        for (lines, field) in [(vec![], "lines"), (vec![("a", 0)], "lines[0].quantity"), (vec![("a", 10_001)], "lines[0].quantity"), (vec![("a\n", 1)], "lines[0].product_id")] {
            let refused = mina.place(card_order(&lines)).await.unwrap_err();
            assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "FIELDS_INVALID"));
            let violations = refused.get_details_bad_request().unwrap().field_violations;
            assert!(violations.iter().any(|violation| violation.field == field), "{field}: {violations:?}");
        }
        let many = vec![("a", 1); 201];
        let refused = mina.place(card_order(&many)).await.unwrap_err();
        assert_eq!(reason(&refused), "FIELDS_INVALID");
        let negative = ListProductsRequest { page_size: -1, ..Default::default() };
        assert_eq!(reason(&mina.products_seen().list_products(negative).await.unwrap_err()), "FIELDS_INVALID");
    }
}

story! {
    async fn a_message_over_its_limit_is_refused_and_the_server_goes_on(shop: TestShop) {
        let mina = shop.buyer("mina");
        let request = LikeProductRequest { product_id: "x".repeat(REQUEST_BYTES_MAX + 1), ..Default::default() };
        let refused = mina.likes().like_product(request).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));
        let request = GetProductRequest { product_id: "x".repeat(REQUEST_BYTES_MAX + 1), ..Default::default() };
        let refused = mina.products_seen().get_product(request).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));
        mina.products_seen().list_products(ListProductsRequest::default()).await.unwrap();
    }
}

story! {
    async fn the_correlation_id_comes_back_and_messages_are_in_the_callers_language(shop: TestShop) {
        let mina = shop.buyer("mina");
        let mut request = Request::new(LikeProductRequest { product_id: "nothing".to_owned(), ..Default::default() });
        request.metadata_mut().insert("x-correlation-id", "my-own-id".parse().unwrap());
        request.metadata_mut().insert("accept-language", "ko-KR,ko;q=0.9".parse().unwrap());
        let refused = mina.likes().like_product(request).await.unwrap_err();
        assert_eq!(reason(&refused), "PRODUCT_NOT_FOUND");
        assert_eq!(refused.metadata().get("x-correlation-id").unwrap(), "my-own-id");
        assert_eq!(refused.get_details_localized_message().unwrap().locale, "ko-KR");
    }
}

story! {
    async fn a_request_id_must_be_a_uuid_and_one_only(shop: TestShop) {
        shop.stock(&[("a", 10, 1)]).await;
        let mina = shop.buyer("mina");
        let malformed = LikeProductRequest { product_id: "a".to_owned(), request_id: "once".to_owned() };
        assert_eq!(reason(&mina.likes().like_product(malformed).await.unwrap_err()), "FIELDS_INVALID");
        let mut two = Request::new(LikeProductRequest { product_id: "a".to_owned(), request_id: uuid::Uuid::now_v7().to_string() });
        two.metadata_mut().insert("idempotency-key", uuid::Uuid::now_v7().to_string().parse().unwrap());
        assert_eq!(reason(&mina.likes().like_product(two).await.unwrap_err()), "REQUEST_ID_INVALID");
    }
}
