//! What operators do about events that could not be handled, through gRPC and the command line.

use jangteo::client::Client;
use kit::context::Context;
use kit::database::{Database, Sql};
use kit::values;
use proto::catalog::v1::{LikeProductRequest, UnlikeProductRequest};
use proto::operations::v1::dead_letter_service_client::DeadLetterServiceClient;
use proto::operations::v1::*;
use proto::payment::v1::CloseAttemptRequest;
use proto::readmodel::v1::audit_service_client::AuditServiceClient;
use proto::readmodel::v1::{GetProductRequest, ListEventsRequest};
use support::client::card_order;
use support::wait::eventually;
use support::{TestShop, reason, story};
use tokio::process::Command;

struct Letters(DeadLetterServiceClient<Client>);

impl Letters {
    fn of(shop: &TestShop) -> Self {
        Self(DeadLetterServiceClient::new(shop.connected().as_admin()))
    }

    async fn list(&mut self, state: DeadLetterState) -> Vec<DeadLetter> {
        let mut filter = DeadLetterFilter::default();
        filter.set_state(state);
        let request = ListDeadLettersRequest {
            filter: Some(filter),
            ..Default::default()
        };
        self.0.list_dead_letters(request).await.unwrap().into_inner().letters
    }

    /// Waits until so many letters are in this state.
    async fn until(&mut self, count: usize, state: DeadLetterState) -> Vec<DeadLetter> {
        eventually(format!("{count} letters are {state:?}"), async || {
            let letters = self.list(state).await;
            if letters.len() == count {
                Ok(letters)
            } else {
                Err(letters)
            }
        })
        .await
    }

    async fn redrive(&mut self, letter_id: &str, dry_run: bool) -> RedriveDeadLettersResponse {
        let request = RedriveDeadLettersRequest {
            letter_id: letter_id.to_owned(),
            dry_run,
            why: "mended".to_owned(),
            ..Default::default()
        };
        self.0.redrive_dead_letters(request).await.unwrap().into_inner()
    }
}

async fn run(shop: &TestShop, database: &Database, sql: &str, values: Vec<kit::Value>) {
    let context = Context::background("test", &shop.clock);
    let transaction = database.begin_bare(&context).await.unwrap();
    transaction.run(sql, values).await.unwrap();
    transaction.commit_quietly().await.unwrap();
}

/// Likes or unlikes the product `a` and answers the revision.
async fn like(shop: &TestShop, liked: bool) -> String {
    let (product_id, mut likes) = ("a".to_owned(), shop.buyer("mina").likes());
    if liked {
        let request = LikeProductRequest {
            product_id,
            ..Default::default()
        };
        return likes.like_product(request).await.unwrap().into_inner().revision;
    }
    let request = UnlikeProductRequest {
        product_id,
        ..Default::default()
    };
    likes.unlike_product(request).await.unwrap().into_inner().revision
}

async fn likes_seen(shop: &TestShop, revision: &str) -> Result<i64, String> {
    let request = GetProductRequest {
        product_id: "a".to_owned(),
        revision: revision.to_owned(),
    };
    let seen = shop.buyer("mina").products_seen().get_product(request).await;
    let seen = seen.map_err(|status| reason(&status))?;
    Ok(seen.into_inner().product.unwrap().like_count)
}

/// A row that no service of ours would write.
async fn tell_garbage(shop: &TestShop, database: &Database, subject: &str, r#type: &str) {
    let sql = "INSERT INTO outbox (id, aggregatetype, aggregateid, version, type, payload, bucket, recorded_at)
        VALUES ($1, 'thing', $2, 1, $3, $4, 0, 0)";
    let id = format!("garbage-{}", r#type);
    run(shop, database, sql, values![id, subject, r#type, vec![0xff_u8; 20]]).await;
}

story! {
    async fn what_a_view_could_not_apply_is_applied_by_a_redrive_in_order_and_once(shop: TestShop) {
        shop.stock(&[("a", 1_000, 5)]).await;
        shop.at_rest().await;
        let read_model = &shop.shop().tables().read_model;
        run(&shop, read_model, "ALTER TABLE product_likes RENAME TO likes_away", vec![]).await;
        like(&shop, true).await;
        like(&shop, false).await;
        let revision = like(&shop, true).await;
        let mut letters = Letters::of(&shop);
        let dead = letters.until(1, DeadLetterState::Dead).await.remove(0);
        let waiting = letters.until(2, DeadLetterState::Waiting).await;
        assert_eq!((dead.consumer.as_str(), dead.version, dead.attempts), ("product_popularity", 1, 3));
        assert_eq!(dead.reason_class(), ReasonClass::Internal);
        assert_eq!(waiting.iter().map(|letter| letter.version).collect::<Vec<_>>(), [2, 3]);
        // what waits is as far away as what is dead
        assert_eq!(likes_seen(&shop, &revision).await, Err("VIEW_BLOCKED".to_owned()));

        let request = GetDeadLetterRequest { letter_id: dead.letter_id.clone() };
        let shown = letters.0.get_dead_letter(request).await.unwrap().into_inner();
        assert_eq!(shown.event.unwrap().event_id, dead.event_id);
        assert!(!shown.payload.is_empty());

        // not mended yet
        let failed = letters.redrive(&dead.letter_id, false).await;
        assert_eq!((failed.applied, failed.failed, failed.letters.len()), (0, 1, 1));
        let request = InvestigateDeadLetterRequest { letter_id: dead.letter_id.clone(), why: "a table is gone".to_owned(), ..Default::default() };
        letters.0.investigate_dead_letter(request).await.unwrap();
        run(&shop, read_model, "ALTER TABLE likes_away RENAME TO product_likes", vec![]).await;
        let request = RedriveDeadLettersRequest { why: "all".to_owned(), ..Default::default() };
        let all = letters.0.redrive_dead_letters(request).await.unwrap().into_inner();
        assert!(all.letters.is_empty(), "what is looked into is left alone: {all:?}");
        let foretold = letters.redrive(&dead.letter_id, true).await;
        assert_eq!((foretold.applied, foretold.letters.len()), (0, 3));
        assert_eq!(likes_seen(&shop, &revision).await, Err("VIEW_BLOCKED".to_owned()));

        let (one, other) = (&mut Letters::of(&shop), &mut Letters::of(&shop));
        let (one, other) = tokio::join!(one.redrive(&dead.letter_id, false), other.redrive(&dead.letter_id, false));
        assert_eq!(one.applied + other.applied, 3, "{one:?} {other:?}");
        assert_eq!(likes_seen(&shop, &revision).await, Ok(1));
        let again = letters.redrive(&dead.letter_id, false).await;
        assert!(again.letters.is_empty(), "{again:?}");
        let redriven = letters.list(DeadLetterState::Redriven).await;
        assert!(redriven.iter().all(|letter| letter.why == "mended" && letter.operator == "operator"), "{redriven:#?}");
        let summary = letters.0.summarize_dead_letters(SummarizeDeadLettersRequest {}).await.unwrap().into_inner();
        assert_eq!((summary.applied, summary.redriven), (3, 3), "{summary:?}");
    }
}

story! {
    async fn an_event_that_is_none_stops_neither_relay_nor_journal_nor_views(shop: TestShop) {
        shop.stock(&[("a", 1_000, 5)]).await;
        let tables = shop.shop().tables();
        tell_garbage(&shop, &tables.payment, "payment/garbage.1", "PaymentCaptured").await;
        tell_garbage(&shop, &tables.catalog, "thing/1", "ThingTeleported").await;
        // of the type of a listing
        tell_garbage(&shop, &tables.catalog, "product/garbage", "ProductRegistered").await;
        let mina = shop.buyer("mina");
        let order = mina.place(card_order(&[("a", 1)])).await.unwrap();
        mina.until(&order.order_id, |order| order.state() == proto::readmodel::v1::OrderState::Paid).await;

        let mut letters = Letters::of(&shop);
        let dead = letters.until(3, DeadLetterState::Dead).await;
        let consumers: Vec<_> = dead.iter().map(|letter| letter.consumer.as_str()).collect();
        assert!(consumers.contains(&"order.checkout"), "{consumers:?}");
        for letter in &dead {
            assert_eq!((letter.reason_class(), letter.attempts), (ReasonClass::Undecodable, 1), "{letter:?}");
            let request = GetDeadLetterRequest { letter_id: letter.letter_id.clone() };
            let shown = letters.0.get_dead_letter(request).await.unwrap().into_inner();
            assert_eq!((shown.event, shown.payload), (None, vec![0xff; 20]));
        }
        // what nobody here knows is kept all the same
        let mut audit = AuditServiceClient::new(shop.connected().as_admin());
        let request = ListEventsRequest { subject: "thing/1".to_owned(), ..Default::default() };
        let kept = audit.list_events(request).await.unwrap().into_inner().events;
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].event.as_ref().unwrap().r#type, "ThingTeleported");

        for letter in dead {
            let request = ResolveDeadLetterRequest { letter_id: letter.letter_id, why: "never was an event".to_owned(), ..Default::default() };
            letters.0.resolve_dead_letter(request.clone()).await.unwrap();
            // again, it is so already
            letters.0.resolve_dead_letter(request).await.unwrap();
        }
        assert_eq!(letters.list(DeadLetterState::Resolved).await.len(), 3);
    }
}

/// Runs the program against the shop; whether it succeeded, and what it printed to whom.
async fn jangteo(shop: &TestShop, arguments: &[&str]) -> (Option<i32>, Vec<serde_json::Value>, String) {
    let endpoint = format!("http://{}", shop.shop().address);
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_shop-of-its-own"));
    command
        .args(["--endpoint", &endpoint, "--json", "dead-letters"])
        .args(arguments);
    let output = command.current_dir(folder.path()).output().await.unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    // nothing but data
    let lines = printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    (output.status.code(), lines, String::from_utf8(output.stderr).unwrap())
}

story! {
    async fn the_command_line_lists_shows_redrives_and_resolves(shop: TestShop) {
        for (dead, order_id) in ["ghost-1", "ghost-2", "ghost-3"].into_iter().enumerate() {
            // of an order that nobody placed; one after the other, so that it is known which is the oldest
            let request = CloseAttemptRequest { order_id: order_id.to_owned(), attempt: 1, ..Default::default() };
            let mina = shop.buyer("mina");
            mina.payments().close_attempt(mina.for_me(request)).await.unwrap();
            Letters::of(&shop).until(dead + 1, DeadLetterState::Dead).await;
        }
        let (code, listed, _) = jangteo(&shop, &["list", "--state", "dead", "--consumer", "order.checkout"]).await;
        assert_eq!((code, listed.len()), (Some(0), 3));
        let ids: Vec<String> = listed.iter().map(|letter| letter["letter_id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(listed[0]["subject"], "payment/ghost-1.1");
        let (code, limited, _) = jangteo(&shop, &["list", "--limit", "2"]).await;
        assert_eq!((code, limited.len()), (Some(0), 2));
        let (code, none, _) = jangteo(&shop, &["list", "--class", "undecodable"]).await;
        assert_eq!((code, none.len()), (Some(0), 0));

        let (code, shown, _) = jangteo(&shop, &["show", &ids[0]]).await;
        assert_eq!(code, Some(0));
        assert!(shown[0]["event"].as_str().unwrap().contains("PaymentClosed"), "{shown:?}");
        assert!(!shown[0]["payload_hex"].as_str().unwrap().is_empty());

        let (code, foretold, _) = jangteo(&shop, &["redrive", "--dry-run", "--why", "to see"]).await;
        assert_eq!((code, foretold.len()), (Some(0), 4), "{foretold:?}");
        let (code, failed, told) = jangteo(&shop, &["redrive", &ids[0], "--why", "perhaps it is there now"]).await;
        assert_eq!((code, failed.len()), (Some(1), 2), "{told}");
        assert_eq!(failed[1]["failed"], 1, "{failed:?}");
        for id in &ids {
            let (code, nothing, _) = jangteo(&shop, &["resolve", id, "--why", "nobody placed it"]).await;
            assert_eq!((code, nothing.len()), (Some(0), 0));
        }
        let (code, _, told) = jangteo(&shop, &["redrive", &ids[0], "--why", "once more"]).await;
        assert_eq!((code, told.trim()), (Some(3), format!("jangteo: DEAD_LETTER_SETTLED: dead letter {} is RESOLVED already", ids[0]).as_str()));
        let (code, summary, _) = jangteo(&shop, &["summary"]).await;
        assert_eq!((code, &summary[0]["letters"], &summary[0]["state"]), (Some(0), &serde_json::json!(3), &serde_json::json!("RESOLVED")));
        let (code, _, _) = jangteo(&shop, &["resolve", &ids[0]]).await;
        assert_eq!(code, Some(2), "a reason has to be given");
    }
}
