//! The outbox loses nothing and, while nobody dies, doubles nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use kit::bus::{Bus, Consumer, Delivery};
use kit::database::{Database, Sql};
use kit::outbox::{self, Relay};
use kit::refusal::Failure;
use kit::values;
use proto::event::v1::ProductLiked;
use proto::event::v1::event::Fact;
use support::Engine;
use support::wait::until;
use tokio_util::sync::CancellationToken;

use crate::{context, database};

/// Remembers how often each event came, and every version of a subject in the order it came.
#[derive(Debug, Default)]
struct Memory {
    times: Mutex<HashMap<String, usize>>,
    versions: Mutex<HashMap<String, Vec<i64>>>,
}

#[async_trait::async_trait]
impl Consumer for Memory {
    fn name(&self) -> &'static str {
        "test.memory"
    }

    async fn consume(&self, deliveries: &[Delivery]) -> Result<(), Failure> {
        for delivery in deliveries {
            *self.times.lock().unwrap().entry(delivery.event_id.clone()).or_default() += 1;
            self.versions
                .lock()
                .unwrap()
                .entry(delivery.subject.clone())
                .or_default()
                .push(delivery.version);
        }
        Ok(())
    }
}

/// Takes nothing the first time.
#[derive(Debug, Default)]
struct Reluctant {
    asked: AtomicBool,
    memory: Memory,
}

#[async_trait::async_trait]
impl Consumer for Reluctant {
    fn name(&self) -> &'static str {
        "test.reluctant"
    }

    async fn consume(&self, deliveries: &[Delivery]) -> Result<(), Failure> {
        if !self.asked.swap(true, Ordering::Relaxed) {
            return Err(anyhow::anyhow!("not yet").into());
        }
        self.memory.consume(deliveries).await
    }
}

#[derive(sea_orm::FromQueryResult)]
struct Amount {
    amount: i64,
}

fn fact() -> Fact {
    Fact::ProductLiked(ProductLiked::default())
}

async fn change(database: &Database, id: &str) {
    let transaction = database.begin_write(&context(database)).await.unwrap();
    let version = transaction.next_version("things", "id", id).await.unwrap();
    outbox::append(&transaction, &format!("thing/{id}"), version, fact());
    transaction.commit_quietly().await.unwrap();
}

async fn create(database: &Database, things: usize) {
    let transaction = database.begin_write(&context(database)).await.unwrap();
    for thing in 0..things {
        transaction
            .run("INSERT INTO things VALUES ($1, 0, 0)", values![thing.to_string()])
            .await
            .unwrap();
    }
    transaction.commit_quietly().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_relays_give_every_event_once_and_in_order() {
    for engine in Engine::BOTH {
        let (database, _folder) = database(engine).await;
        create(&database, 50).await;
        let memory = Arc::new(Memory::default());
        let stop = CancellationToken::new();
        let relays = (0..2).map(|_| {
            let bus = Bus::in_process(vec![memory.clone() as Arc<dyn Consumer>]);
            tokio::spawn(Relay::new(database.clone(), bus).run(stop.clone()))
        });
        let relays: Vec<_> = relays.collect();
        let writers = (0..8_usize).map(|writer| {
            let database = database.clone();
            tokio::spawn(async move {
                for round in 0..250 {
                    change(&database, &((writer * 31 + round) % 50).to_string()).await;
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
        until("all are published", async || {
            memory.times.lock().unwrap().len() == 2_000
        })
        .await;
        stop.cancel();
        for relay in relays {
            relay.await.unwrap();
        }
        assert!(
            memory.times.lock().unwrap().values().all(|times| *times == 1),
            "{engine:?}: an event came twice"
        );
        for (subject, versions) in &*memory.versions.lock().unwrap() {
            assert!(versions.is_sorted(), "{engine:?}: {subject} out of order: {versions:?}");
        }
    }
}

/// SQLite has one writer: there, sequence is the order of commits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_commits_after_a_later_one_is_not_lost() {
    let (database, _folder) = database(Engine::Postgres).await;
    create(&database, 2).await;
    let memory = Arc::new(Memory::default());
    let bus = Bus::in_process(vec![memory.clone() as Arc<dyn Consumer>]);
    let stop = CancellationToken::new();
    let relay = tokio::spawn(Relay::new(database.clone(), bus).run(stop.clone()));
    for round in 0..10_000_i64 {
        let first = database.begin_write(&context(&database)).await.unwrap();
        // takes its sequence now and commits behind the other
        let sql = "INSERT INTO outbox (id, aggregatetype, aggregateid, version, type, payload, bucket, recorded_at)
                   VALUES ($1, 'thing', 'thing/late', $2, 'ProductLiked', $3, 3, 0)";
        let event = proto::event::v1::Event {
            event_id: format!("late-{round}"),
            subject: "thing/late".to_owned(),
            version: round,
            fact: Some(fact()),
            ..Default::default()
        };
        first
            .run(
                sql,
                values![event.event_id.as_str(), round, prost::Message::encode_to_vec(&event)],
            )
            .await
            .unwrap();
        change(&database, "1").await;
        first.commit_quietly().await.unwrap();
    }
    until("all are published", async || {
        memory.times.lock().unwrap().len() == 20_000
    })
    .await;
    stop.cancel();
    relay.await.unwrap();
    assert!(memory.times.lock().unwrap().values().all(|times| *times == 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_a_consumer_could_not_take_comes_again() {
    for engine in Engine::BOTH {
        let (database, _folder) = database(engine).await;
        create(&database, 10).await;
        for thing in 0..10 {
            change(&database, &thing.to_string()).await;
        }
        let (memory, reluctant) = (Arc::new(Memory::default()), Arc::new(Reluctant::default()));
        let bus = Bus::in_process(vec![memory.clone(), reluctant.clone()]);
        let (mut relay, stop) = (Relay::new(database, bus), CancellationToken::new());
        assert!(relay.drain(&stop).await.is_err(), "{engine:?}: nobody missed them");
        assert_eq!(relay.drain(&stop).await.unwrap(), 10, "{engine:?}");
        assert_eq!(reluctant.memory.times.lock().unwrap().len(), 10, "{engine:?}");
        assert_eq!(relay.drain(&stop).await.unwrap(), 0, "{engine:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_whose_event_cannot_be_stored_is_not_made() {
    for engine in Engine::BOTH {
        let (database, _folder) = database(engine).await;
        create(&database, 1).await;
        change(&database, "0").await;
        let transaction = database.begin_write(&context(&database)).await.unwrap();
        let sql = "UPDATE things SET amount = 1 WHERE id = '0'";
        transaction.run(sql, vec![]).await.unwrap();
        // a version that was told before
        outbox::append(&transaction, "thing/0", 1, fact());
        assert!(transaction.commit_quietly().await.is_err(), "{engine:?}");
        let thing: Option<Amount> = database
            .reader()
            .find("SELECT amount FROM things", vec![])
            .await
            .unwrap();
        assert_eq!(thing.unwrap().amount, 0, "{engine:?}: changed, and nobody is told");
    }
}
