//! The inbox: redelivered events have no second effect, and behind a dead one its followers wait.

use kit::bus::{Consumer, Delivery};
use kit::database::{Database, Sql, WriteTransaction};
use kit::inbox::{Inbox, Reactions};
use kit::refusal::Failure;
use kit::values;
use proto::event::v1::event::Fact;
use proto::event::v1::{Event, ProductLiked};
use support::Engine;

use crate::database;

/// Adds one to the thing an event speaks of; refuses what is poisonous.
#[derive(Debug)]
struct Adding;

#[async_trait::async_trait]
impl Reactions for Adding {
    fn consumer(&self) -> &'static str {
        "test.adding"
    }

    fn facts(&self) -> &'static [&'static str] {
        &["ProductLiked"]
    }

    async fn react(&self, transaction: &WriteTransaction, event: &Event) -> Result<(), Failure> {
        let sql = "INSERT INTO things VALUES ($1, 1, 1) ON CONFLICT (id) DO UPDATE SET amount = things.amount + 1";
        transaction.run(sql, values![event.subject.as_str()]).await?;
        if event.actor == "poison" {
            return Err(kit::money::MoneyRefusal::Overflow {}.into());
        }
        Ok(())
    }
}

fn event(subject: &str, version: i64, actor: &str) -> Delivery {
    let fact = Fact::ProductLiked(ProductLiked::default());
    let event = Event {
        event_id: format!("{subject}-{version}"),
        r#type: fact.name().to_owned(),
        subject: subject.to_owned(),
        version,
        actor: actor.to_owned(),
        fact: Some(fact),
        ..Default::default()
    };
    let bytes = prost::Message::encode_to_vec(&event);
    Delivery::new(event.event_id, event.subject, version, event.r#type, bytes)
}

#[derive(sea_orm::FromQueryResult)]
struct Thing {
    id: String,
    amount: i64,
}

#[derive(sea_orm::FromQueryResult)]
struct Letter {
    event_id: String,
    state: String,
}

async fn amounts(database: &Database) -> Vec<(String, i64)> {
    let things: Vec<Thing> = database
        .reader()
        .list("SELECT id, amount FROM things ORDER BY id", vec![])
        .await
        .unwrap();
    things.into_iter().map(|thing| (thing.id, thing.amount)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_delivered_many_times_and_at_once_has_one_effect() {
    for engine in Engine::BOTH {
        let (database, _folder) = database(engine).await;
        let inbox = std::sync::Arc::new(Inbox::new(database.clone(), Adding));
        let batch: Vec<Delivery> = (1..=20)
            .flat_map(|version| [event("a", version, ""), event("b", version, "")])
            .collect();
        let consumers = (0..4).map(|_| {
            let (inbox, batch) = (inbox.clone(), batch.clone());
            tokio::spawn(async move { inbox.consume(&batch).await })
        });
        for consumer in consumers.collect::<Vec<_>>() {
            consumer.await.unwrap().unwrap();
        }
        assert_eq!(
            amounts(&database).await,
            [("a".to_owned(), 20), ("b".to_owned(), 20)],
            "{engine:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poisonous_event_is_kept_its_followers_wait_and_others_go_on() {
    for engine in Engine::BOTH {
        let (database, _folder) = database(engine).await;
        let inbox = Inbox::new(database.clone(), Adding);
        let batch = [event("a", 1, "poison"), event("a", 2, ""), event("b", 1, "")];
        inbox.consume(&batch).await.unwrap();
        inbox.consume(&[event("a", 3, "")]).await.unwrap();
        assert_eq!(amounts(&database).await, [("b".to_owned(), 1)], "{engine:?}");
        let letters: Vec<Letter> = database
            .reader()
            .list("SELECT event_id, state FROM dead_letters ORDER BY sequence", vec![])
            .await
            .unwrap();
        let told: Vec<_> = letters
            .iter()
            .map(|letter| (letter.event_id.as_str(), letter.state.as_str()))
            .collect();
        assert_eq!(
            told,
            [("a-1", "DEAD"), ("a-2", "WAITING"), ("a-3", "WAITING")],
            "{engine:?}"
        );
    }
}
