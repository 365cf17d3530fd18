//! What a person sees who debugs with grpcurl, as the README shows it.

use support::{TestShop, story};
use tokio::process::Command;

/// Runs grpcurl as mina; what it printed, and whether it says that all went well.
async fn grpcurl(shop: &TestShop, request: &str, arguments: &[&str]) -> (bool, String) {
    let address = shop.shop().address.to_string();
    let mut command = Command::new("grpcurl");
    command.args(["-plaintext", "-H", "x-user-id:mina"]);
    if !request.is_empty() {
        command.args(["-d", request]);
    }
    let output = command.arg(address).args(arguments).output().await;
    let output = output.expect("grpcurl, which tests/run installs, is in the PATH");
    let printed = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(printed).unwrap())
}

story! {
    async fn grpcurl_shows_why_an_order_is_refused_in_words_and_in_figures(shop: TestShop) {
        shop.stock(&[("p0001", 1_000, 469)]).await;
        let order = r#"{"lines":[{"product_id":"p0001","quantity":10000}],"card_token":"test-approve"}"#;
        let (placed, printed) = grpcurl(&shop, order, &["jangteo.order.v1.OrderService/PlaceOrder"]).await;
        assert!(!placed, "{printed}");
        for shown in [
            "Code: FailedPrecondition",
            "Message: product p0001 has 469 on hand, 10000 were asked for",
            r#""@type": "type.googleapis.com/google.rpc.ErrorInfo""#,
            r#""reason": "STOCK_INSUFFICIENT""#,
            r#""domain": "jangteo""#,
            r#""product_id": "p0001""#,
            r#""requested": "10000""#,
            r#""available": "469""#,
            r#""@type": "type.googleapis.com/google.rpc.PreconditionFailure""#,
        ] {
            assert!(printed.contains(shown), "{shown} is not in {printed}");
        }
    }
}

story! {
    async fn grpcurl_lists_and_describes_every_service_without_a_proto_file(shop: TestShop) {
        let (listed, services) = grpcurl(&shop, "", &["list"]).await;
        assert!(listed, "{services}");
        for service in jangteo::shop::services() {
            assert!(services.lines().any(|line| line == service), "{service} is not in {services}");
        }
        assert!(services.contains("grpc.health.v1.Health"), "{services}");
        let (described, method) = grpcurl(&shop, "", &["describe", "jangteo.order.v1.OrderService.PlaceOrder"]).await;
        assert!(described && method.contains("rpc PlaceOrder ( .jangteo.order.v1.PlaceOrderRequest )"), "{method}");
        let (described, message) = grpcurl(&shop, "", &["describe", "jangteo.order.v1.PlaceOrderRequest"]).await;
        assert!(described && message.contains("repeated .jangteo.order.v1.LineToOrder lines = 1"), "{message}");
    }
}
