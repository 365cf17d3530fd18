//! Pauses: what comes for a paused consumer is kept, and goes on in order when it is resumed, before whatever comes meanwhile.

use std::sync::Arc;

use kit::bus::{Consumer, Delivery};
use kit::database::{Database, Sql, WriteTransaction};
use kit::dead_letter::line::{Operator, go_on_once};
use kit::inbox::{Inbox, Reactions};
use kit::pause;
use kit::refusal::Failure;
use kit::values;
use prost::Message;
use proto::event::v1::event::Fact;
use proto::event::v1::{Event, ProductLiked};
use support::Engine;

use crate::{context, database};

const NAME: &str = "test.following";
const SUBJECTS: i64 = 30;

/// Notes the last version of a subject, which is always the next one.
#[derive(Debug)]
struct Following;

#[async_trait::async_trait]
impl Reactions for Following {
    fn consumer(&self) -> &'static str {
        NAME
    }

    fn facts(&self) -> &'static [&'static str] {
        &["ProductLiked"]
    }

    async fn react(&self, transaction: &WriteTransaction, event: &Event) -> Result<(), Failure> {
        let sql = "INSERT INTO things VALUES ($1, $2, 1) ON CONFLICT (id) DO UPDATE
            SET version = excluded.version, amount = things.amount + 1 WHERE things.version = excluded.version - 1";
        let noted = transaction
            .run(sql, values![event.subject.as_str(), event.version])
            .await?;
        assert_eq!(noted, 1, "{} {} is out of order", event.subject, event.version);
        Ok(())
    }
}

fn events(version: i64) -> Vec<Delivery> {
    let event = |number: i64| {
        let (subject, r#type) = (format!("thing/{number}"), "ProductLiked".to_owned());
        let event = Event {
            event_id: format!("{subject}-{version}"),
            r#type: r#type.clone(),
            subject: subject.clone(),
            version,
            fact: Some(Fact::ProductLiked(ProductLiked::default())),
            ..Default::default()
        };
        let bytes = event.encode_to_vec();
        Delivery::new(event.event_id, subject, version, r#type, bytes)
    };
    (0..SUBJECTS).map(event).collect()
}

#[derive(sea_orm::FromQueryResult)]
struct Sum {
    applied: i64,
    waiting: i64,
}

/// Events that were applied, and those that wait.
async fn counts(database: &Database) -> (i64, i64) {
    let sql = "SELECT CAST(COALESCE((SELECT SUM(amount) FROM things), 0) AS BIGINT) AS applied,
        (SELECT COUNT(*) FROM dead_letters WHERE state = 'WAITING') AS waiting";
    let sum: Sum = database.reader().find(sql, vec![]).await.unwrap().unwrap();
    (sum.applied, sum.waiting)
}

async fn set(database: &Database, paused: bool) {
    let transaction = database.begin_bare(&context(database)).await.unwrap();
    let nobody = Operator::default();
    let done = match paused {
        true => pause::pause(&transaction, NAME, &nobody).await,
        false => pause::resume(&transaction, NAME, &nobody).await,
    };
    done.unwrap();
    transaction.commit_quietly().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_for_a_paused_consumer_is_applied_once_and_in_order_when_it_is_resumed() {
    for engine in Engine::BOTH {
        let (database, _folder) = database(engine).await;
        let inbox = Arc::new(Inbox::new(database.clone(), Following));
        inbox.consume(&events(1)).await.unwrap();
        set(&database, true).await;
        set(&database, true).await;
        for version in [2, 3] {
            inbox.consume(&events(version)).await.unwrap();
        }
        // brought again, as after a crash of the relay
        for version in [1, 2, 3] {
            inbox.consume(&events(version)).await.unwrap();
        }
        go_on_once(inbox.as_ref()).await.unwrap();
        assert_eq!(counts(&database).await, (SUBJECTS, 2 * SUBJECTS), "{engine:?}");

        set(&database, false).await;
        // what comes now queues up behind what waits, while that goes on
        let (meanwhile, more) = (
            inbox.clone(),
            tokio::spawn({
                let inbox = inbox.clone();
                async move { go_on_once(inbox.as_ref()).await }
            }),
        );
        for version in [4, 5] {
            meanwhile.consume(&events(version)).await.unwrap();
        }
        more.await.unwrap().unwrap();
        go_on_once(inbox.as_ref()).await.unwrap();
        database.clock().advance(std::time::Duration::from_secs(60));
        go_on_once(inbox.as_ref()).await.unwrap();
        assert_eq!(counts(&database).await, (5 * SUBJECTS, 0), "{engine:?}");
        inbox.consume(&events(6)).await.unwrap();
        assert_eq!(counts(&database).await, (6 * SUBJECTS, 0), "{engine:?}");
    }
}
