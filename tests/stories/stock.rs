//! Stock, called as the order service calls it: twice, at once, after its undo.

use futures::future::join_all;
use proto::catalog::v1::*;
use support::story;

use crate::catalogue::{Catalogue, refused, row, usd};

story! {
    async fn the_steps_of_an_order_can_be_repeated_in_any_state(shop: TestShop) {
        let shop = &Catalogue(&shop);
        shop.import(vec![row("a", 5), row("b", 5)]).await;
        let first = shop.reserve("o", &[("b", 1), ("a", 1), ("b", 1)]).await.unwrap();
        let lines: Vec<_> = first
            .lines
            .iter()
            .map(|line| (line.product_id.as_str(), line.quantity))
            .collect();
        assert_eq!(lines, [("b", 2), ("a", 1)]);
        let price = ChangePriceRequest {
            product_id: "a".to_owned(),
            price: usd(999),
            ..Default::default()
        };
        shop.products().change_price(price).await.unwrap();
        let again = shop.reserve("o", &[("a", 1), ("b", 2)]).await.unwrap();
        assert_eq!(again.lines, first.lines);
        assert!(!again.revision.is_empty());
        assert_eq!(refused(shop.reserve("o", &[("a", 1)]).await), "RESERVATION_DIFFERS");
        assert_eq!(refused(shop.give_back("o").await), "RESERVATION_NOT_COMMITTED");
        for _ in 0..2 {
            shop.commit("o").await.unwrap();
        }
        assert_eq!(refused(shop.release("o").await), "RESERVATION_COMMITTED");
        assert_eq!(
            refused(shop.reserve("o", &[("a", 1), ("b", 2)]).await),
            "RESERVATION_COMMITTED"
        );
        assert_eq!((shop.level("a").await, shop.level("b").await), ((4, 0, 1), (3, 0, 2)));
        for _ in 0..2 {
            shop.give_back("o").await.unwrap();
        }
        assert_eq!(refused(shop.commit("o").await), "RESERVATION_RETURNED");
        assert_eq!((shop.level("a").await, shop.level("b").await), ((5, 0, 0), (5, 0, 0)));

        // undone before it was done
        for _ in 0..2 {
            shop.release("late").await.unwrap();
        }
        assert_eq!(refused(shop.reserve("late", &[("a", 1)]).await), "RESERVATION_RELEASED");
        assert_eq!(refused(shop.commit("never").await), "RESERVATION_NOT_FOUND");
        // a refusal leaves nothing, so that the order may ask for less
        assert_eq!(
            refused(shop.reserve("greedy", &[("a", 1), ("b", 6)]).await),
            "STOCK_INSUFFICIENT"
        );
        shop.reserve("greedy", &[("a", 1), ("b", 5)]).await.unwrap();
        shop.release("greedy").await.unwrap();
        shop.assert_gapless().await;
    }
}

story! {
    async fn a_request_id_gets_its_first_answer_again(shop: TestShop) {
        let shop = &Catalogue(&shop);
        shop.import(vec![row("a", 50)]).await;
        let line = StockLine {
            product_id: "a".to_owned(),
            quantity: 1,
        };
        let request = ReserveStockRequest {
            order_id: "o".to_owned(),
            lines: vec![line],
            request_id: uuid::Uuid::now_v7().to_string(),
        };
        let client = shop.stock();
        let twins = (0..20).map(|_| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.reserve_stock(request).await.unwrap().into_inner() }
        });
        let answers = join_all(twins).await;
        assert!(!answers[0].revision.is_empty());
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
        assert_eq!(shop.level("a").await, (49, 1, 0));
    }
}

story! {
    async fn the_last_pieces_go_to_as_many_orders_whatever_else_happens(shop: TestShop) {
        let shop = &Catalogue(&shop);
        shop.import(vec![row("hot", 100), row("a", 10_000), row("z", 10_000)])
            .await;
        let orders = (0..600).map(|number| {
            let shop = &shop;
            async move {
                let order = format!("o{number}");
                // in both directions, through different lanes, and some undone while they are on their way
                let lines: &[(&str, i64)] = match number % 3 {
                    0 => &[("hot", 1), ("z", 1)],
                    1 => &[("z", 1), ("hot", 1), ("a", 1)],
                    _ => &[("hot", 1)],
                };
                match number % 5 {
                    0 => {
                        let (reserved, released) = tokio::join!(shop.reserve(&order, lines), shop.release(&order));
                        released.unwrap();
                        assert!(
                            reserved.is_ok()
                                || ["RESERVATION_RELEASED", "STOCK_INSUFFICIENT"].contains(&refused(reserved).as_str())
                        );
                        0
                    }
                    _ => match tokio::join!(shop.reserve(&order, lines), shop.reserve(&order, lines)) {
                        (Ok(one), Ok(other)) => {
                            assert_eq!(one.lines, other.lines);
                            shop.commit(&order).await.unwrap();
                            1
                        }
                        // what another order gave back may come between the two
                        (Ok(_), Err(_)) | (Err(_), Ok(_)) => {
                            shop.commit(&order).await.unwrap();
                            1
                        }
                        (one, other) => {
                            assert_eq!(
                                (refused(one), refused(other)),
                                ("STOCK_INSUFFICIENT".to_owned(), "STOCK_INSUFFICIENT".to_owned())
                            );
                            0
                        }
                    },
                }
            }
        });
        let sold: i64 = join_all(orders).await.into_iter().sum();
        let (on_hand, reserved, in_books) = shop.level("hot").await;
        assert_eq!((on_hand + sold, reserved, in_books), (100, 0, sold));
        shop.assert_gapless().await;
    }
}

story! {
    async fn a_batch_larger_than_a_statement_is_written_whole(shop: TestShop) {
        let shop = &Catalogue(&shop);
        let ids: Vec<String> = (0..2_000).map(|number| format!("p{number:04}")).collect();
        for ids in ids.chunks(500) {
            shop.import(ids.iter().map(|id| row(id, 100)).collect()).await;
        }
        let orders = (0..60).map(|number| {
            let lines: Vec<(&str, i64)> = ids
                .iter()
                .skip(number * 30)
                .take(200)
                .map(|id| (id.as_str(), 1))
                .collect();
            let shop = &shop;
            async move {
                shop.reserve(&format!("o{number}"), &lines)
                    .await
                    .map(|answer| answer.lines.len() as i64)
            }
        });
        let lines: i64 = join_all(orders).await.into_iter().map(Result::unwrap).sum();
        let held = "SELECT CAST(SUM(reserved) AS BIGINT) AS count FROM stock_levels";
        assert_eq!(shop.count(held).await, lines);
        shop.assert_gapless().await;
    }
}

story! {
    async fn a_preview_says_what_reserving_would_say(shop: TestShop) {
        let shop = &Catalogue(&shop);
        shop.import(vec![row("a", 5), row("b", 5)]).await;
        let hide = HideProductRequest {
            product_id: "b".to_owned(),
            ..Default::default()
        };
        shop.products().hide_product(hide).await.unwrap();
        for (product, quantity, refusal) in [
            ("a", 5, ""),
            ("a", 6, "STOCK_INSUFFICIENT"),
            ("b", 1, "PRODUCT_NOT_ON_SALE"),
            ("x", 1, "PRODUCT_NOT_FOUND"),
        ] {
            let line = StockLine {
                product_id: product.to_owned(),
                quantity,
            };
            let preview = shop
                .stock()
                .preview_stock(PreviewStockRequest { lines: vec![line] })
                .await
                .unwrap();
            assert_eq!(preview.into_inner().lines[0].refusal_reason, refusal);
            let order = format!("{product}-{quantity}");
            match shop.reserve(&order, &[(product, quantity)]).await {
                Ok(_) => shop.release(&order).await.unwrap(),
                outcome => assert_eq!(refused(outcome), refusal),
            }
        }
    }
}
