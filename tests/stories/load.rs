//! `jangteo load --place` on a running shop: what it says it did is what the books hold.

use serde_json::Value;
use support::{TestShop, story};
use tokio::process::Command;

const ORDERS: u64 = 40;

/// Runs it; what it printed, one object a line.
async fn place(shop: &TestShop, arguments: &[&str]) -> Vec<Value> {
    let endpoint = format!("http://{}", shop.shop().address);
    let orders = ORDERS.to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_shop-of-its-own"));
    command
        .args(["--endpoint", &endpoint, "--json", "load", "--place", &orders])
        .args(arguments);
    let output = command.env("JANGTEO_LOG", "error").output().await.unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let printed = String::from_utf8(output.stdout).unwrap();
    printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn figure<'a>(printed: &'a [Value], invariant: &str) -> &'a str {
    let line = printed.iter().find(|line| line["name"] == invariant).unwrap();
    line["figure"].as_str().unwrap()
}

story! {
    async fn a_load_places_what_it_says_and_leaves_books_that_agree(shop: TestShop) {
        let by_points = place(&shop, &[]).await;
        assert_eq!((&by_points[0]["done"], &by_points[0]["refused"]), (&ORDERS.into(), &serde_json::json!({})));
        assert_eq!(figure(&by_points, "order-totals"), "40 orders, 40 paid, 4000 in total");

        let by_card = place(&shop, &["--card", "test-approve"]).await;
        assert_eq!(&by_card[0]["done"], ORDERS);
        for call in ["PlaceOrder", "other calls", "from plan to end"] {
            assert!(by_card[0]["latencies"][call]["p99_ms"].as_f64().unwrap() > 0.0, "{call}");
        }
        assert_eq!(figure(&by_card, "order-totals"), "80 orders, 80 paid, 8000 in total");
    }
}
