//! What is read: pages that neither repeat nor skip, one's own writes, and a watch that can be resumed.

use futures::StreamExt;
use proto::catalog::v1::LikeProductRequest;
use proto::readmodel::v1::audit_service_client::AuditServiceClient;
use proto::readmodel::v1::{
    BatchGetProductsRequest, GetProductRequest, ListEventsRequest, ListProductsRequest, OrderState, ProductSort,
    WatchOrderRequest,
};
use support::client::card_order;
use support::{TestShop, reason, story};

const PRODUCTS: usize = 57;

async fn stock(shop: &TestShop) {
    let products: Vec<(String, i64, i64)> = (0..PRODUCTS)
        .map(|number| (format!("p{number:02}"), 100 + (number as i64 % 7), number as i64 % 3))
        .collect();
    let products: Vec<(&str, i64, i64)> = products
        .iter()
        .map(|(id, price, stock)| (id.as_str(), *price, *stock))
        .collect();
    shop.stock(&products).await;
    shop.at_rest().await;
}

/// All pages of a listing, and what its total says.
async fn pages(shop: &TestShop, request: ListProductsRequest) -> (Vec<String>, i64) {
    let (mut ids, mut request, mut total) = (
        Vec::new(),
        ListProductsRequest {
            page_size: 10,
            ..request
        },
        0,
    );
    loop {
        let page = shop
            .buyer("mina")
            .products_seen()
            .list_products(request.clone())
            .await
            .unwrap()
            .into_inner();
        ids.extend(page.products.into_iter().map(|product| product.product_id));
        total = total.max(page.total_size);
        if page.next_page_token.is_empty() {
            return (ids, total);
        }
        request.page_token = page.next_page_token;
    }
}

story! {
    async fn every_order_of_every_filter_shows_each_product_once(shop: TestShop) {
        stock(&shop).await;
        let sorts = [ProductSort::Latest, ProductSort::PriceAsc, ProductSort::PriceDesc, ProductSort::LikesDesc];
        for sort in sorts {
            for brand_id in ["", "house"] {
                for in_stock_only in [false, true] {
                    let request = ListProductsRequest { sort: sort.into(), brand_id: brand_id.to_owned(), in_stock_only, ..Default::default() };
                    let (mut ids, total) = pages(&shop, request).await;
                    let shown = ids.len();
                    ids.sort();
                    ids.dedup();
                    let expected = if in_stock_only { PRODUCTS - PRODUCTS.div_ceil(3) } else { PRODUCTS };
                    assert_eq!((shown, ids.len(), total), (expected, expected, expected as i64), "{sort:?} {brand_id:?} {in_stock_only}");
                }
            }
        }
    }
}

story! {
    async fn a_query_with_a_revision_shows_what_was_just_written(shop: TestShop) {
        shop.stock(&[("a", 1_000, 5)]).await;
        // the listing has the product: a like names no event of it
        shop.at_rest().await;
        for liker in 1..=20 {
            let user = shop.buyer(&format!("user-{liker}"));
            let request = LikeProductRequest { product_id: "a".to_owned(), ..Default::default() };
            // the second time nothing changes, and the revision still names the like
            user.likes().like_product(request.clone()).await.unwrap();
            let revision = user.likes().like_product(request).await.unwrap().into_inner().revision;
            let request = GetProductRequest { product_id: "a".to_owned(), revision };
            let seen = user.products_seen().get_product(request).await.unwrap().into_inner().product.unwrap();
            assert_eq!(seen.like_count, liker);
        }
        let forged = GetProductRequest { product_id: "a".to_owned(), revision: "bm90IG91cnMgYXQgYWxsLCBubw".to_owned() };
        let refused = shop.buyer("mina").products_seen().get_product(forged).await.unwrap_err();
        assert_eq!(reason(&refused), "REVISION_INVALID");
    }
}

story! {
    async fn a_batch_has_each_product_once_in_the_order_asked(shop: TestShop) {
        shop.stock(&[("a", 1_000, 5), ("b", 1_000, 5)]).await;
        shop.at_rest().await;
        let product_ids = ["b", "none", "a", "b", "none"].map(str::to_owned).to_vec();
        let request = BatchGetProductsRequest { product_ids, ..Default::default() };
        let answer = shop.buyer("mina").products_seen().batch_get_products(request).await.unwrap().into_inner();
        let found: Vec<_> = answer.products.iter().map(|product| product.product_id.as_str()).collect();
        assert_eq!((found, answer.missing_product_ids), (vec!["b", "a"], vec!["none".to_owned()]));
    }
}

story! {
    async fn a_watch_shows_every_state_up_to_the_last_and_can_be_resumed(shop: TestShop) {
        shop.stock(&[("a", 1_000, 5)]).await;
        let mina = shop.buyer("mina");
        let placed = mina.orders().place_order(card_order(&[("a", 1)])).await.unwrap().into_inner();
        let order_id = placed.order.unwrap().order_id;
        let mut request = WatchOrderRequest { order_id, revision: placed.revision };
        for _ in 0..2 {
            let watch = mina.orders_seen().watch_order(request.clone()).await.unwrap().into_inner();
            let states: Vec<_> = watch.map(|state| state.unwrap()).collect().await;
            let versions: Vec<_> = states.iter().map(|state| state.order.as_ref().unwrap().version).collect();
            assert!(versions.windows(2).all(|pair| pair[1] == pair[0] + 1), "{versions:?}");
            let last = states.last().unwrap();
            assert_eq!(last.order.as_ref().unwrap().state(), OrderState::Paid);
            assert!(states.iter().all(|state| !state.revision.is_empty()));
            request.revision.clone_from(&last.revision);
        }
    }
}

story! {
    async fn the_audit_lists_the_events_of_a_subject_newest_first(shop: TestShop) {
        shop.stock(&[("a", 1_000, 5)]).await;
        let order = shop.buyer("mina").place(card_order(&[("a", 1)])).await.unwrap();
        shop.at_rest().await;
        let mut audit = AuditServiceClient::new(shop.connected().as_admin());
        let mut request = ListEventsRequest { subject: format!("order/{}", order.order_id), page_size: 2, ..Default::default() };
        let mut told = Vec::new();
        loop {
            let page = audit.list_events(request.clone()).await.unwrap().into_inner();
            told.extend(page.events.into_iter().map(|journaled| journaled.event.unwrap().r#type));
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        assert_eq!(told, ["OrderPaid", "OrderAwaitingPayment", "OrderPlaced"]);
    }
}
