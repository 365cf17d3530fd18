//! Limits and layers of the server, each one past itself, and the answers a foreign client sees.

use std::time::Duration;

use kit::server::REQUEST_BYTES_MAX;
use proto::catalog::v1::LikeProductRequest;
use proto::readmodel::v1::{GetProductRequest, ListProductsRequest};
use support::client::card_order;
use support::{reason, story};
use tonic::{Code, Request};
use tonic_types::StatusExt;

story! {
    async fn a_caller_without_a_name_is_unauthenticated_and_a_customer_is_no_admin(shop: TestShop) {
        let nobody = shop.buyer("").likes().like_product(LikeProductRequest::default()).await.unwrap_err();
        assert_eq!((nobody.code(), reason(&nobody).as_str()), (Code::Unauthenticated, "IDENTITY_MISSING"));
        let mina = shop.connected().as_customer("mina");
        let request = proto::catalog::v1::RestockRequest { product_id: "a".to_owned(), quantity: 1, ..Default::default() };
        let refused = proto::catalog::v1::stock_service_client::StockServiceClient::new(mina).restock(request).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::PermissionDenied, "ROLE_NOT_ALLOWED"));
    }
}

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
        assert!(matches!(refused.code(), Code::OutOfRange | Code::ResourceExhausted | Code::InvalidArgument), "{refused:?}");
        let request = GetProductRequest { product_id: "x".repeat(REQUEST_BYTES_MAX + 1), ..Default::default() };
        let refused = mina.products_seen().get_product(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::OutOfRange, "{refused:?}");
        mina.products_seen().list_products(ListProductsRequest::default()).await.unwrap();
    }
}

story! {
    async fn an_expired_deadline_is_told_as_such(shop: TestShop) {
        let mut request = Request::new(GetProductRequest { product_id: "nothing".to_owned(), ..Default::default() });
        request.set_timeout(Duration::from_nanos(1));
        let refused = shop.buyer("mina").products_seen().get_product(request).await.unwrap_err();
        // the client's own timer may be first, and calls it CANCELLED
        assert!(matches!(refused.code(), Code::DeadlineExceeded | Code::Cancelled), "{refused:?}");
        let mut malformed = Request::new(ListProductsRequest::default());
        malformed.metadata_mut().insert("grpc-timeout", "soon".parse().unwrap());
        let refused = shop.buyer("mina").products_seen().list_products(malformed).await.unwrap_err();
        assert_eq!(reason(&refused), "TIMEOUT_MALFORMED");
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
