//! What is refused before a service's rule is asked: by the transport, the server's layers and the edge.

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use jangteo::client::Connected;
use kit::server::{CALLS_IN_FLIGHT_MAX, REQUEST_BYTES_MAX, STREAMS_PER_CONNECTION_MAX};
use proto::catalog::v1::{LikeProductRequest, RestockRequest};
use proto::coupon::v1::campaign_service_client::CampaignServiceClient;
use proto::money::v1::Money;
use proto::payment::v1::HoldPointsRequest;
use proto::readmodel::v1::{GetProductRequest, ListProductsRequest};
use support::TestShop;
use support::client::card_order;
use support::raw::{call, frame};
use support::shop::money;
use support::wait::{PATIENCE, eventually};
use tokio::time::timeout;
use tonic::{Request, Status};

use super::Reached;
use crate::catalogue::{Catalogue, row};

const LIKE: &str = "jangteo.catalog.v1.LikeService/LikeProduct";

pub async fn refuses(shop: &TestShop, reached: &mut Reached) {
    callers(shop, reached).await;
    requests(shop, reached).await;
    transport(shop, reached).await;
    overload(shop, reached).await;
}

async fn callers(shop: &TestShop, reached: &mut Reached) {
    let nobody = shop.buyer("").likes().like_product(LikeProductRequest::default()).await;
    reached.by("IDENTITY_MISSING", &[], nobody);
    let mina = shop.connected().as_customer("mina");
    let mut stock = proto::catalog::v1::stock_service_client::StockServiceClient::new(mina);
    let metadata = [
        ("role", "customer"),
        ("method", "jangteo.catalog.v1.StockService/Restock"),
    ];
    reached.by(
        "ROLE_NOT_ALLOWED",
        &metadata,
        stock.restock(RestockRequest::default()).await,
    );
    let request = HoldPointsRequest {
        order_id: "o".to_owned(),
        amount: Some(money(1)),
        ..Default::default()
    };
    let for_nobody = shop.buyer("mina").points().hold_points(request).await;
    reached.by("USER_MISSING", &[], for_nobody);
}

async fn requests(shop: &TestShop, reached: &mut Reached) {
    let mina = shop.buyer("mina");
    let lineless = mina.place(card_order(&[])).await;
    reached.by("FIELDS_INVALID", &[("fields", "lines")], lineless);
    let mut request = Request::new(card_order(&[("a", 1)]));
    request
        .metadata_mut()
        .insert("idempotency-key", "once".parse().unwrap());
    reached.by("REQUEST_ID_INVALID", &[], mina.orders().place_order(request).await);
    let request = ListProductsRequest {
        page_token: "forged".to_owned(),
        ..Default::default()
    };
    let forged = mina.products_seen().list_products(request).await;
    reached.by("PAGE_TOKEN_INVALID", &[], forged);
    let request = GetProductRequest {
        product_id: "a".to_owned(),
        revision: "forged".to_owned(),
    };
    let forged = mina.products_seen().get_product(request).await;
    reached.by("REVISION_INVALID", &[], forged);

    Catalogue(shop).import(vec![row("won", 1)]).await;
    let request = proto::catalog::v1::ChangePriceRequest {
        product_id: "won".to_owned(),
        price: Some(Money {
            currency_code: "KRW".to_owned(),
            minor_units: 1,
        }),
        ..Default::default()
    };
    let foreign = Catalogue(shop).products().change_price(request).await;
    let metadata = [("currency_code", "KRW"), ("expected", "USD")];
    reached.by("CURRENCY_NOT_SUPPORTED", &metadata, foreign);
}

async fn transport(shop: &TestShop, reached: &mut Reached) {
    let send = async |method: &str, headers: &[(&'static str, &str)], body: Vec<u8>| -> Result<(), Status> {
        Err(call(shop.shop().address, method, headers, body).await)
    };
    let malformed = send(LIKE, &[("grpc-timeout", "soon")], frame(&[])).await;
    reached.by("TIMEOUT_MALFORMED", &[], malformed);
    let late = send(LIKE, &[("grpc-timeout", "1n")], frame(&[])).await;
    reached.by("DEADLINE_EXCEEDED", &[], late);
    let large = send(LIKE, &[], frame(&vec![0; REQUEST_BYTES_MAX + 1])).await;
    reached.by("MESSAGE_TOO_LARGE", &[], large);
    reached.by("MESSAGE_UNDECODABLE", &[], send(LIKE, &[], frame(b"garbage")).await);
    let compressed = [&[1], &frame(&[])[1..]].concat();
    let compressed = send(LIKE, &[("grpc-encoding", "br")], compressed).await;
    reached.by("ENCODING_UNKNOWN", &[("encoding", "br")], compressed);
    let unknown = send("jangteo.catalog.v1.LikeService/Love", &[], frame(&[])).await;
    let metadata = [("method", "jangteo.catalog.v1.LikeService/Love")];
    reached.by("METHOD_UNKNOWN", &metadata, unknown);
    let unknown = send("grpc.health.v1.Health/Check", &[], frame(b"\x0a\x04none")).await;
    reached.by("SERVICE_UNKNOWN", &[], unknown);
}

/// Streams that never say anything are calls in flight, and answered only when they are turned away.
async fn overload(shop: &TestShop, reached: &mut Reached) {
    let address = format!("http://{}", shop.shop().address);
    let mut calls = FuturesUnordered::new();
    // one connection more than can be in flight together
    for _ in 0..=CALLS_IN_FLIGHT_MAX / STREAMS_PER_CONNECTION_MAX as usize {
        let connection = Connected::open(Some(&address), &shop.config).await.unwrap();
        calls.extend((0..STREAMS_PER_CONNECTION_MAX).map(|_| {
            let mut client = CampaignServiceClient::new(connection.as_admin());
            async move { client.add_campaign_products(tokio_stream::pending()).await.map(drop) }
        }));
    }
    let turned_away = timeout(PATIENCE, calls.next()).await.expect("somebody is turned away");
    reached.by("OVERLOADED", &[], turned_away.unwrap());
    drop(calls);
    eventually("nobody is turned away any more", async || {
        let request = ListProductsRequest::default();
        shop.buyer("mina").products_seen().list_products(request).await
    })
    .await;
}
