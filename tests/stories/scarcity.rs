//! What can run out goes to exactly as many as there is, under any load.

use futures::future::join_all;
use support::client::{card_order, point_order};
use support::{reason, story};
use uuid::Uuid;

use proto::order::v1::{LineToOrder, OrderState, PlaceOrderRequest};

const UNITS: i64 = 1_000;
const BUYERS: usize = 10_000;
const AT_ONCE: usize = 500;

story! {
    /// Budget T1: 1,000 units, 10,000 buyers.
    async fn the_last_items_go_to_exactly_as_many_buyers(shop: TestShop) {
        shop.stock(&[("hot", 100, UNITS)]).await;
        let (mut sold, mut refused) = (0, 0);
        for wave in 0..BUYERS / AT_ONCE {
            let buyers = (0..AT_ONCE).map(|buyer| {
                let buyer = shop.buyer(&format!("buyer-{}", wave * AT_ONCE + buyer));
                async move { buyer.place(card_order(&[("hot", 1)])).await }
            });
            for outcome in join_all(buyers).await {
                match outcome {
                    Ok(_) => sold += 1,
                    Err(status) if reason(&status) == "STOCK_INSUFFICIENT" => refused += 1,
                    Err(status) => panic!("{status:?}"),
                }
            }
        }
        assert_eq!((sold, refused), (UNITS, BUYERS as i64 - UNITS));
    }
}

story! {
    /// Budget T2: 100 coupons, 10,000 takers.
    async fn a_campaign_issues_exactly_its_quantity(shop: TestShop) {
        shop.open_campaign("few", 100, |campaign| campaign.total_quantity = 100).await;
        let mut issued = 0;
        for wave in 0..BUYERS / AT_ONCE {
            let takers = (0..AT_ONCE).map(|taker| {
                let taker = shop.buyer(&format!("taker-{}", wave * AT_ONCE + taker));
                async move { taker.issue("few").await }
            });
            for outcome in join_all(takers).await {
                match outcome {
                    Ok(_) => issued += 1,
                    Err(status) => assert_eq!(reason(&status), "COUPON_SOLD_OUT"),
                }
            }
        }
        assert_eq!(issued, 100);
    }
}

story! {
    async fn no_user_gets_more_coupons_than_the_limit(shop: TestShop) {
        shop.open_campaign("two-each", 100, |campaign| campaign.per_user_limit = 2).await;
        let mina = shop.buyer("mina");
        let outcomes = join_all((0..50).map(|_| mina.issue("two-each"))).await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 2);
        for refused in outcomes.into_iter().filter_map(Result::err) {
            assert_eq!(reason(&refused), "COUPON_LIMIT_REACHED");
        }
    }
}

story! {
    /// Budget T2: one coupon, 100 redeemers.
    async fn a_coupon_is_redeemed_by_one_order(shop: TestShop) {
        shop.stock(&[("a", 1_000, 1_000)]).await;
        shop.open_campaign("once", 100, |_| {}).await;
        let mina = shop.buyer("mina");
        let coupon_id = mina.issue("once").await.unwrap().coupon_id;
        let orders = (0..100).map(|_| {
            let request = PlaceOrderRequest { coupon_id: coupon_id.clone(), ..card_order(&[("a", 1)]) };
            mina.place(request)
        });
        let outcomes = join_all(orders).await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        for refused in outcomes.into_iter().filter_map(Result::err) {
            assert_eq!(reason(&refused), "COUPON_ALREADY_REDEEMED");
        }
    }
}

story! {
    /// Budget T2: one user's points, 100 charges and 100 uses at once: a lost race is never shown.
    async fn all_charges_and_uses_that_the_balance_allows_succeed(shop: TestShop) {
        shop.stock(&[("a", 10, 1_000)]).await;
        let mina = shop.buyer("mina");
        mina.charge(1_000).await;
        let charges = join_all((0..100).map(|_| mina.charge(10)));
        let uses = join_all((0..100).map(|_| mina.place(point_order(&[("a", 1)], 10))));
        let (_, outcomes) = tokio::join!(charges, uses);
        for outcome in outcomes {
            assert_eq!(outcome.unwrap().state(), OrderState::Paid);
        }
        let more = mina.place(point_order(&[("a", 101)], 1_010)).await.unwrap_err();
        assert_eq!(reason(&more), "POINTS_INSUFFICIENT");
    }
}

story! {
    async fn orders_of_the_same_lines_in_opposite_order_never_deadlock(shop: TestShop) {
        shop.stock(&[("a", 10, 10_000), ("b", 10, 10_000), ("c", 10, 10_000)]).await;
        for _ in 0..10 {
            let orders = (0..100).map(|number| {
                let buyer = shop.buyer(&format!("buyer-{number}"));
                let lines = if number % 2 == 0 { [("a", 1), ("b", 1), ("c", 1)] } else { [("c", 1), ("b", 1), ("a", 1)] };
                async move { buyer.place(card_order(&lines)).await }
            });
            for outcome in join_all(orders).await {
                outcome.unwrap();
            }
        }
    }
}

story! {
    async fn a_double_click_gives_one_order_and_equal_answers(shop: TestShop) {
        shop.stock(&[("a", 10, 1_000)]).await;
        let mina = shop.buyer("mina");
        let request = PlaceOrderRequest {
            lines: vec![LineToOrder { product_id: "a".to_owned(), quantity: 1 }],
            request_id: Uuid::now_v7().to_string(),
            ..card_order(&[])
        };
        let mut answers = Vec::new();
        for outcome in join_all((0..50).map(|_| mina.place(request.clone()))).await {
            match outcome {
                Ok(order) => answers.push(order),
                Err(status) => assert_eq!((status.code(), reason(&status).as_str()), (tonic::Code::Aborted, "REQUEST_IN_PROGRESS")),
            }
        }
        answers.push(mina.place(request.clone()).await.unwrap());
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:#?}");
        let other = PlaceOrderRequest { lines: vec![LineToOrder { product_id: "a".to_owned(), quantity: 2 }], ..request };
        assert_eq!(reason(&mina.place(other).await.unwrap_err()), "REQUEST_ID_REUSED");
    }
}
