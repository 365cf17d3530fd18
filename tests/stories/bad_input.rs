//! Bad input: each kind answers its documented reason, changes nothing, and is never INTERNAL or UNKNOWN.

use kit::database::Sql;
use kit::server::{IMPORT_BYTES_MAX, REQUEST_BYTES_MAX};
use kit::signing::Signer;
use kit::{page_token, values};
use prost::Message;
use prost_types::Timestamp;
use proto::catalog::v1::behaviour_service_client::BehaviourServiceClient;
use proto::catalog::v1::*;
use proto::coupon::v1::OpenCampaignRequest;
use proto::coupon::v1::campaign_service_client::CampaignServiceClient;
use proto::order::v1::{CancelOrderRequest, PlaceOrderRequest};
use proto::payment::v1::ChargePointsRequest;
use proto::readmodel::v1::{
    GetOrderRequest, ListLikedProductsRequest, ListOrdersRequest, ListProductsRequest, ProductSort,
};
use support::client::{card_order, point_order};
use support::raw::{call, frame};
use support::shop::money;
use support::{Buyer, TestShop, reason, story};
use tonic::{Code, Status};

use crate::catalogue::{Catalogue, row, usd};

const LIKE: &str = "jangteo.catalog.v1.LikeService/LikeProduct";
const PLACE: &str = "jangteo.order.v1.OrderService/PlaceOrder";
const LIST: &str = "jangteo.readmodel.v1.ProductQueryService/ListProducts";
const IMPORT: &str = "jangteo.catalog.v1.ProductService/ImportProducts";

/// 0000-01-01, 9999-12-31T23:59:59 and the second after it.
const YEAR_0: i64 = -62_167_219_200;
const YEAR_9999: i64 = 253_402_300_799;
const YEAR_10000: i64 = YEAR_9999 + 1;

fn refused<T>(what: &str, expected: &str, outcome: Result<T, Status>) {
    let status = outcome.err().unwrap_or_else(|| panic!("{what}: was not refused"));
    assert_eq!(reason(&status), expected, "{what}");
    assert!(
        !matches!(status.code(), Code::Internal | Code::Unknown),
        "{what}: {status:?}"
    );
}

/// How much the shop has told so far: what changes nothing tells nothing.
async fn told(shop: &TestShop) -> i64 {
    #[derive(sea_orm::FromQueryResult)]
    struct Count {
        count: i64,
    }
    let mut told = 0;
    for database in shop.shop().tables().writers() {
        let sql = "SELECT COUNT(*) AS count FROM outbox";
        let count: Option<Count> = database.reader().find(sql, values![]).await.unwrap();
        told += count.unwrap().count;
    }
    told
}

fn campaigns(shop: &TestShop) -> CampaignServiceClient<jangteo::client::Client> {
    CampaignServiceClient::new(shop.connected().as_admin())
}

/// Texts with characters that make them read as something else than they are.
const DECEPTIVE: &[&str] = &[
    "a\0b",
    "a\r\nb",
    "a\u{202e}b",
    "a\u{2066}b",
    "a\u{200b}b",
    "a\u{200d}b",
    "\u{feff}a",
    "a\u{7f}",
];

story! {
    async fn names_are_visible_text_of_bounded_length(shop: TestShop) {
        let (catalogue, before) = (Catalogue(&shop), told(&shop).await);
        let too_long = "x".repeat(257);
        for name in DECEPTIVE.iter().copied().chain(["", too_long.as_str()]) {
            let brand = RegisterBrandRequest { name: name.to_owned(), ..Default::default() };
            refused(name, "FIELDS_INVALID", catalogue.products().register_brand(brand).await);
            let campaign = OpenCampaignRequest { name: name.to_owned(), ..shop.campaign("named", 1) };
            refused(name, "FIELDS_INVALID", campaigns(&shop).open_campaign(campaign).await);
            let adjust = AdjustStockRequest { product_id: "a".to_owned(), counted: 1, why: name.to_owned(), ..Default::default() };
            refused(name, "FIELDS_INVALID", catalogue.warehouse().adjust_stock(adjust).await);
            let rows = vec![row("a", 1), ImportRow { brand_name: name.to_owned(), ..row("b", 1) }];
            let import = ImportProductsRequest { rows, ..Default::default() };
            let imported = catalogue.products().import_products(tokio_stream::iter([import])).await;
            refused(name, "FIELDS_INVALID", imported);
        }
        assert_eq!(told(&shop).await, before);
        // what is only unusual is taken as it is
        let brand = RegisterBrandRequest { name: "장터 \"Ünï\" 🧺'; DROP TABLE brands".to_owned(), ..Default::default() };
        let registered = catalogue.products().register_brand(brand.clone()).await.unwrap().into_inner().brand.unwrap();
        assert_eq!(registered.name, brand.name);
    }
}

story! {
    async fn ids_are_of_few_letters_wherever_they_are_named(shop: TestShop) {
        let (mina, before) = (shop.buyer("mina"), told(&shop).await);
        let too_long = "x".repeat(65);
        for id in DECEPTIVE.iter().copied().chain(["", "é", "a b", "../a", "a|b", "a%00", too_long.as_str()]) {
            let like = LikeProductRequest { product_id: id.to_owned(), ..Default::default() };
            refused(id, "FIELDS_INVALID", mina.likes().like_product(like).await);
            refused(id, "FIELDS_INVALID", mina.place(card_order(&[(id, 1)])).await);
            let cancel = CancelOrderRequest { order_id: id.to_owned(), ..Default::default() };
            refused(id, "FIELDS_INVALID", mina.orders().cancel_order(cancel).await);
            let get = GetOrderRequest { order_id: id.to_owned(), ..Default::default() };
            refused(id, "FIELDS_INVALID", mina.orders_seen().get_order(get).await);
            refused(id, "FIELDS_INVALID", mina.issue(id).await);
            let named = call(shop.shop().address, LIKE, &[("x-user-id", &id.replace(|letter: char| letter.is_control(), "!"))], frame(&[])).await;
            refused(id, "IDENTITY_MISSING", Err::<(), _>(named));
        }
        assert_eq!(told(&shop).await, before);
    }
}

story! {
    async fn brand_names_that_look_the_same_are_the_same(shop: TestShop) {
        let catalogue = Catalogue(&shop);
        let (composed, decomposed) = ("Caf\u{e9} \u{ac00}", "Cafe\u{301} \u{1100}\u{1161}");
        let brand = |id: &str, name: &str| RegisterBrandRequest { brand_id: id.to_owned(), name: name.to_owned(), ..Default::default() };
        catalogue.products().register_brand(brand("first", decomposed)).await.unwrap();
        catalogue.products().register_brand(brand("other", "Other")).await.unwrap();
        let before = told(&shop).await;
        for name in [composed, decomposed] {
            refused(name, "BRAND_NAME_TAKEN", catalogue.products().register_brand(brand("second", name)).await);
            let rename = UpdateBrandRequest { brand_id: "other".to_owned(), name: name.to_owned(), ..Default::default() };
            refused(name, "BRAND_NAME_TAKEN", catalogue.products().update_brand(rename).await);
            let import = ImportRow { brand_id: "third".to_owned(), brand_name: name.to_owned(), ..row("a", 1) };
            assert_eq!(catalogue.import(vec![import]).await.refusals[0].reason, "BRAND_NAME_TAKEN");
            let same = UpdateBrandRequest { brand_id: "first".to_owned(), name: name.to_owned(), ..Default::default() };
            let same = catalogue.products().update_brand(same).await.unwrap().into_inner().brand.unwrap();
            assert_eq!(same.name, composed);
        }
        assert_eq!(told(&shop).await, before);
    }
}

story! {
    async fn numbers_out_of_bounds_are_refused_and_none_wraps(shop: TestShop) {
        shop.stock(&[("a", 1, 5), ("dear", 1_000_000_000_000_000, 10_000)]).await;
        let (mina, catalogue) = (shop.buyer("mina"), Catalogue(&shop));
        let before = told(&shop).await;
        for number in [i64::MIN, -1, 1_000_000_000_000_001, i64::MAX] {
            let what = &number.to_string();
            refused(what, "FIELDS_INVALID", mina.place(card_order(&[("a", number)])).await);
            refused(what, "FIELDS_INVALID", mina.place(point_order(&[("a", 1)], number)).await);
            let expecting = PlaceOrderRequest { expected_total: Some(money(number)), ..card_order(&[("a", 1)]) };
            refused(what, "FIELDS_INVALID", mina.place(expecting).await);
            let price = ChangePriceRequest { product_id: "a".to_owned(), price: usd(number), ..Default::default() };
            refused(what, "FIELDS_INVALID", catalogue.products().change_price(price).await);
            let restock = RestockRequest { product_id: "a".to_owned(), quantity: number, ..Default::default() };
            refused(what, "FIELDS_INVALID", catalogue.warehouse().restock(restock).await);
            let adjust = AdjustStockRequest { product_id: "a".to_owned(), counted: number, why: "counted".to_owned(), ..Default::default() };
            refused(what, "FIELDS_INVALID", catalogue.warehouse().adjust_stock(adjust).await);
            refused(what, "FIELDS_INVALID", catalogue.reserve("o", &[("a", number)]).await);
            let charge = ChargePointsRequest { amount: Some(money(number)), funding_reference: "f".to_owned(), ..Default::default() };
            refused(what, "FIELDS_INVALID", mina.points().charge_points(mina.for_me(charge)).await);
            let campaign = OpenCampaignRequest { total_quantity: number, ..shop.campaign("many", 1) };
            refused(what, "FIELDS_INVALID", campaigns(&shop).open_campaign(campaign).await);
        }
        for (page_size, skip) in [(i32::MIN, 0), (-1, 0), (0, i32::MIN), (0, -1), (0, 10_001), (0, i32::MAX)] {
            let list = ListProductsRequest { page_size, skip, ..Default::default() };
            refused(&format!("{page_size} {skip}"), "FIELDS_INVALID", mina.products_seen().list_products(list).await);
        }
        let list = ListProductsRequest { page_size: i32::MAX, ..Default::default() };
        mina.products_seen().list_products(list).await.unwrap();
        assert_eq!(told(&shop).await, before);

        // each within its bounds, and too much together: beyond what an amount can say, and beyond 63 bits
        for lines in [[("dear", 2)].as_slice(), &[("dear", 10_000)], &[("dear", 1), ("a", 1)]] {
            refused(&format!("{lines:?}"), "AMOUNT_OVERFLOW", mina.place(card_order(lines)).await);
        }
        let many = vec![("a", 10_000); 200];
        refused("200 lines of one product", "STOCK_INSUFFICIENT", mina.place(card_order(&many)).await);
        mina.charge(1_000_000_000_000_000).await;
        let charge = ChargePointsRequest { amount: Some(money(1)), funding_reference: "more".to_owned(), ..Default::default() };
        refused("one point more", "POINTS_OVERFLOW", mina.points().charge_points(mina.for_me(charge)).await);
    }
}

story! {
    async fn times_are_of_the_years_1_to_9999(shop: TestShop) {
        let at = |seconds, nanos| Some(Timestamp { seconds, nanos });
        let (mina, before) = (shop.buyer("mina"), told(&shop).await);
        for (seconds, nanos) in [(YEAR_0, 0), (YEAR_10000, 0), (0, -1), (0, 1_000_000_000), (i64::MIN, i32::MIN), (i64::MAX, i32::MAX)] {
            let (what, time) = (&format!("{seconds} {nanos}"), at(seconds, nanos));
            let campaign = OpenCampaignRequest { issue_from: time, ..shop.campaign("timely", 1) };
            refused(what, "FIELDS_INVALID", campaigns(&shop).open_campaign(campaign).await);
            let orders = ListOrdersRequest { placed_after: time, ..Default::default() };
            refused(what, "FIELDS_INVALID", mina.orders_seen().list_orders(orders).await);
            let seen = Behaviour { product_id: "a".to_owned(), kind: BehaviourKind::View.into(), occurred_at: time };
            let record = RecordRequest { behaviours: vec![seen], ..Default::default() };
            let mut behaviours = BehaviourServiceClient::new(shop.connected().as_customer("mina"));
            refused(what, "FIELDS_INVALID", behaviours.record(record).await);
        }
        assert_eq!(told(&shop).await, before);
        let (first, last) = (at(YEAR_0 + 366 * 86_400, 0), at(YEAR_9999, 999_999_999));
        let campaign = OpenCampaignRequest { issue_from: first, issue_until: last, valid_until: last, ..shop.campaign("always", 1) };
        campaigns(&shop).open_campaign(campaign).await.unwrap();
        mina.issue("always").await.unwrap();
        let orders = ListOrdersRequest { placed_after: first, placed_before: last, ..Default::default() };
        mina.orders_seen().list_orders(orders).await.unwrap();
        let never = OpenCampaignRequest { issue_from: last, issue_until: first, ..shop.campaign("never", 1) };
        refused("the last before the first", "CAMPAIGN_TERMS_INVALID", campaigns(&shop).open_campaign(never).await);
    }
}

story! {
    async fn a_timeout_that_cannot_be_read_is_no_timeout(shop: TestShop) {
        for timeout in ["", "soon", "S", "1", "-1S", "+1S", "1.5S", "1 S", "1s", "123456789S", "99999999999999999999H"] {
            let status = call(shop.shop().address, LIST, &[("grpc-timeout", timeout)], frame(&[])).await;
            refused(timeout, "TIMEOUT_MALFORMED", Err::<(), _>(status));
        }
        let status = call(shop.shop().address, LIST, &[("grpc-timeout", "99999999H")], frame(&[])).await;
        assert_eq!(status.code(), Code::Ok, "{status:?}");
    }
}

/// The token of the second page of mina's likes, her orders and the products.
async fn tokens(mina: &Buyer) -> (String, String, String) {
    let likes = ListLikedProductsRequest {
        page_size: 1,
        ..Default::default()
    };
    let likes = mina
        .products_seen()
        .list_liked_products(likes)
        .await
        .unwrap()
        .into_inner();
    let orders = ListOrdersRequest {
        page_size: 1,
        ..Default::default()
    };
    let orders = mina.orders_seen().list_orders(orders).await.unwrap().into_inner();
    let products = ListProductsRequest {
        page_size: 1,
        ..Default::default()
    };
    let products = mina.products_seen().list_products(products).await.unwrap().into_inner();
    (likes.next_page_token, orders.next_page_token, products.next_page_token)
}

story! {
    async fn a_page_token_serves_nobody_else_and_no_other_question(shop: TestShop) {
        shop.stock(&[("a", 10, 5), ("b", 10, 5)]).await;
        let (mina, jun) = (shop.buyer("mina"), shop.buyer("jun"));
        mina.charge(20).await;
        let mut revision = String::new();
        for id in ["a", "b"] {
            mina.place(point_order(&[(id, 1)], 10)).await.unwrap();
            let like = LikeProductRequest { product_id: id.to_owned(), ..Default::default() };
            revision = mina.likes().like_product(like).await.unwrap().into_inner().revision;
        }
        shop.at_rest().await;
        let (likes, orders, products) = tokens(&mina).await;

        let list = |page_token: &str| ListProductsRequest { page_token: page_token.to_owned(), ..Default::default() };
        assert_eq!(mina.products_seen().list_products(list(&products)).await.unwrap().into_inner().products.len(), 1);
        let others = [
            ListProductsRequest { in_stock_only: true, ..list(&products) },
            ListProductsRequest { brand_id: "house".to_owned(), ..list(&products) },
            ListProductsRequest { sort: ProductSort::PriceAsc.into(), ..list(&products) },
            list(&likes),
            list(&orders),
            list(&revision),
            list(&page_token::seal(&Signer::new(vec![7; 32], None), "ListProducts||false|Latest", "0|a")),
        ];
        for request in others {
            refused(&format!("{request:?}"), "PAGE_TOKEN_INVALID", mina.products_seen().list_products(request).await);
        }
        let request = ListLikedProductsRequest { page_token: likes, ..Default::default() };
        refused("likes", "PAGE_TOKEN_INVALID", jun.products_seen().list_liked_products(request).await);
        let request = ListOrdersRequest { page_token: orders, ..Default::default() };
        refused("orders", "PAGE_TOKEN_INVALID", jun.orders_seen().list_orders(request).await);
        for place in 0..products.len() {
            let mut flipped = products.clone().into_bytes();
            flipped[place] ^= 1;
            let flipped = String::from_utf8(flipped).unwrap();
            refused(&flipped, "PAGE_TOKEN_INVALID", mina.products_seen().list_products(list(&flipped)).await);
        }
    }
}

story! {
    async fn a_message_that_is_none_is_refused_and_the_server_goes_on(shop: TestShop) {
        shop.stock(&[("a", 10, 5)]).await;
        let before = told(&shop).await;
        let like = LikeProductRequest { product_id: "none".to_owned(), ..Default::default() }.encode_to_vec();
        // field 100, which no message of ours has, as a group within a group within …
        let nested = [0xa3, 0x06].repeat(1_000);
        let sized = |bytes: usize| LikeProductRequest { product_id: "x".repeat(bytes - 4), ..Default::default() }.encode_to_vec();
        let calls: Vec<(&str, &str, Vec<u8>, &str)> = vec![
            ("garbage", LIKE, frame(&[0xff; 32]), "MESSAGE_UNDECODABLE"),
            ("a field cut off", LIKE, frame(b"\x0a\x7fa"), "MESSAGE_UNDECODABLE"),
            ("a length of 2^63", LIKE, frame(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), "MESSAGE_UNDECODABLE"),
            ("a number for a string", LIKE, frame(b"\x08\x01"), "MESSAGE_UNDECODABLE"),
            ("a string for a message", PLACE, frame(b"\x1a\x03abc"), "MESSAGE_UNDECODABLE"),
            ("no UTF-8", LIKE, frame(b"\x0a\x02\xc3\x28"), "MESSAGE_UNDECODABLE"),
            ("deep nesting", LIKE, frame(&nested), "MESSAGE_UNDECODABLE"),
            ("no message", LIKE, vec![], "MESSAGE_UNDECODABLE"),
            ("a message cut off", LIKE, frame(&like)[..7].to_vec(), "MESSAGE_UNDECODABLE"),
            ("compressed without saying how", LIKE, [&[1], &frame(&like)[1..]].concat(), "MESSAGE_UNDECODABLE"),
            ("unknown fields", LIKE, frame(&[like.as_slice(), b"\xa2\x06\x02hi"].concat()), "PRODUCT_NOT_FOUND"),
            ("256 KiB of empty lines", PLACE, frame(&[0x0a, 0].repeat(REQUEST_BYTES_MAX / 2)), "FIELDS_INVALID"),
            ("as large as it may be", LIKE, frame(&sized(REQUEST_BYTES_MAX)), "FIELDS_INVALID"),
            ("a byte too large", LIKE, frame(&sized(REQUEST_BYTES_MAX + 1)), "MESSAGE_TOO_LARGE"),
            ("a length of 4 GiB", LIKE, vec![0, 0xff, 0xff, 0xff, 0xff], "MESSAGE_TOO_LARGE"),
            ("no such method", "jangteo.catalog.v1.LikeService/Love", frame(&like), "METHOD_UNKNOWN"),
            ("no such service", "jangteo.love.v1.LoveService/Love", frame(&like), "METHOD_UNKNOWN"),
        ];
        for (what, method, body, expected) in calls {
            let status = call(shop.shop().address, method, &[], body).await;
            refused(what, expected, Err::<(), _>(status.clone()));
            assert!(status.message().is_ascii() && !status.message().contains("rotobuf"), "{what}: {status:?}");
        }
        for (bytes, expected) in [(IMPORT_BYTES_MAX, "FIELDS_INVALID"), (IMPORT_BYTES_MAX + 1, "MESSAGE_TOO_LARGE")] {
            let import = [0x0a, 0].repeat(bytes / 2);
            let import = [import.as_slice(), &[0x0a][..bytes % 2]].concat();
            let status = call(shop.shop().address, IMPORT, &[("x-role", "admin")], frame(&import)).await;
            refused("import", expected, Err::<(), _>(status));
        }
        assert_eq!(told(&shop).await, before);
    }
}
