//! Poison of every kind among many events: it holds only its own subject, and whatever is done about it later, and by however
//! many at once, each event is applied once and in order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kit::bus::{Bus, Consumer};
use kit::database::{Database, Sql, WriteTransaction};
use kit::dead_letter::line::{self, Addressee, Operator, drive, go_on_once};
use kit::dead_letter::listing::{self, Letter};
use kit::dead_letter::{ReasonClass, State};
use kit::inbox::{Inbox, Reactions};
use kit::outbox::Relay;
use kit::refusal::Failure;
use kit::values;
use prost::Message;
use proto::event::v1::event::Fact;
use proto::event::v1::{Event, ProductLiked};
use proto::operations::v1::DeadLetterFilter;
use support::Engine;
use support::wait::within;
use tokio_util::sync::CancellationToken;

use crate::{context, database};

const SUBJECTS: i64 = 100;
const VERSIONS: i64 = 100;
/// Where the poison of a subject is.
const POISONED: i64 = 50;
/// Poison of each kind: 1 in 1,000.
const EACH: i64 = 10;
const PATIENCE: Duration = Duration::from_secs(300);

/// Notes each version of a subject; a version that is not behind the last is out of order.
#[derive(Clone, Debug, Default)]
struct Noting {
    cured: Arc<AtomicBool>,
}

#[async_trait::async_trait]
impl Reactions for Noting {
    fn consumer(&self) -> &'static str {
        "test.noting"
    }

    fn facts(&self) -> &'static [&'static str] {
        &["ProductLiked"]
    }

    async fn react(&self, transaction: &WriteTransaction, event: &Event) -> Result<(), Failure> {
        if !self.cured.load(Ordering::Relaxed) {
            match event.actor.as_str() {
                "refused" => return Err(kit::money::MoneyRefusal::Overflow {}.into()),
                "broken" => return Err(anyhow::anyhow!("broken").into()),
                "away" => return Err(tonic::Status::unavailable("away").into()),
                "slow" => return Err(tonic::Status::deadline_exceeded("slow").into()),
                _ => {}
            }
        }
        let sql = "INSERT INTO things VALUES ($1, $2, 1) ON CONFLICT (id) DO UPDATE
            SET version = excluded.version, amount = things.amount + 1 WHERE things.version < excluded.version";
        let noted = transaction
            .run(sql, values![event.subject.as_str(), event.version])
            .await?;
        assert_eq!(noted, 1, "{} {} is out of order", event.subject, event.version);
        Ok(())
    }
}

/// What is in the row of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    /// The consumer fails over this actor until it is cured.
    By(&'static str),
    Undecodable,
    /// Of the type that the consumer wants, with a fact that this build does not know.
    UnknownFact,
    /// Of a type that nobody here wants.
    UnknownType,
    /// With fields that this build does not know.
    NewerSchema,
    /// 1 MiB.
    Large,
}

const KINDS: [Kind; 9] = [
    Kind::By("refused"),
    Kind::By("broken"),
    Kind::By("away"),
    Kind::By("slow"),
    Kind::Undecodable,
    Kind::UnknownFact,
    Kind::UnknownType,
    Kind::NewerSchema,
    Kind::Large,
];

fn subject(number: i64) -> String {
    format!("thing/{number:03}")
}

/// The kind of poison a subject has, if any.
fn poison(number: i64) -> Option<Kind> {
    KINDS.get(usize::try_from(number / EACH).unwrap()).copied()
}

fn payload(kind: Kind, subject: &str, version: i64) -> Vec<u8> {
    let mut event = Event {
        event_id: format!("{subject}-{version}"),
        r#type: "ProductLiked".to_owned(),
        schema_version: 1,
        subject: subject.to_owned(),
        version,
        fact: Some(Fact::ProductLiked(ProductLiked::default())),
        ..Default::default()
    };
    // field 9999, length-delimited, of one byte
    let unknown = [0xfa, 0xf0, 0x04, 1, 7];
    match kind {
        Kind::Plain => {}
        Kind::By(actor) => event.actor = actor.to_owned(),
        Kind::Undecodable => return vec![0xff; 40],
        Kind::UnknownFact | Kind::UnknownType => {
            event.fact = None;
            return [event.encode_to_vec(), unknown.to_vec()].concat();
        }
        Kind::NewerSchema => {
            event.schema_version = 2;
            return [event.encode_to_vec(), unknown.to_vec()].concat();
        }
        Kind::Large => event.traceparent = "x".repeat(1 << 20),
    }
    event.encode_to_vec()
}

async fn tell(transaction: &WriteTransaction, kind: Kind, subject: &str, version: i64) {
    let r#type = match kind {
        Kind::UnknownType => "ThingTeleported",
        _ => "ProductLiked",
    };
    let sql = "INSERT INTO outbox (id, aggregatetype, aggregateid, version, type, payload, bucket, recorded_at)
        VALUES ($1, 'thing', $2, $3, $4, $5, 0, 0)";
    let id = format!("{subject}-{version}");
    let values = values![id, subject, version, r#type, payload(kind, subject, version)];
    transaction.run(sql, values).await.unwrap();
}

async fn tell_all(database: &Database) {
    for version in 1..=VERSIONS {
        let transaction = database.begin_write(&context(database)).await.unwrap();
        for number in 0..SUBJECTS {
            let kind = poison(number).filter(|_| version == POISONED).unwrap_or(Kind::Plain);
            tell(&transaction, kind, &subject(number), version).await;
        }
        transaction.commit_quietly().await.unwrap();
    }
}

#[derive(sea_orm::FromQueryResult)]
struct Thing {
    id: String,
    amount: i64,
}

/// How many events of each subject were applied.
async fn applied(database: &Database) -> BTreeMap<String, i64> {
    let things: Vec<Thing> = database
        .reader()
        .list("SELECT id, amount FROM things", vec![])
        .await
        .unwrap();
    things.into_iter().map(|thing| (thing.id, thing.amount)).collect()
}

async fn letters(database: &Database, state: State) -> Vec<Letter> {
    let mut filter = DeadLetterFilter::default();
    filter.set_state(state);
    listing::list(database.reader(), &filter, 0, 100_000).await.unwrap()
}

#[derive(sea_orm::FromQueryResult)]
struct Left {
    unpublished: i64,
}

/// Publishes what is in the outbox, to its end.
async fn publish(database: &Database, inbox: &Arc<Inbox<Noting>>) {
    let bus = Bus::in_process(vec![inbox.clone() as Arc<dyn Consumer>]);
    let stop = CancellationToken::new();
    let relay = tokio::spawn(Relay::new(database.clone(), bus).run(stop.clone()));
    within(PATIENCE, "all events are published", async || {
        let sql = "SELECT COUNT(*) AS unpublished FROM outbox WHERE published_at IS NULL";
        let left: Option<Left> = database.reader().find(sql, vec![]).await.unwrap();
        match left.unwrap().unpublished {
            0 => Ok(()),
            left => Err(format!("{left} are not")),
        }
    })
    .await;
    stop.cancel();
    relay.await.unwrap();
}

fn operator() -> Operator {
    Operator {
        name: "operator".to_owned(),
        why: "cured".to_owned(),
    }
}

/// The letter, and all that wait behind it.
async fn redrive(addressee: &dyn Addressee, letter: &Letter) {
    while let Some(driven) = drive(addressee, &letter.subject, Some(letter.sequence), &operator())
        .await
        .unwrap()
    {
        assert!(driven.failure.is_none(), "{:?}", driven.failure);
    }
}

async fn resolve(addressee: &dyn Addressee, letter: &Letter) {
    let database = addressee.database();
    let transaction = database.begin_write(&context(database)).await.unwrap();
    line::resolve(addressee, &transaction, letter, &operator())
        .await
        .unwrap();
    transaction.commit_quietly().await.unwrap();
}

/// Applied is all but what was poisoned and what is behind it.
async fn only_the_poisoned_are_held(database: &Database) {
    let held = |number| {
        poison(number).is_some_and(|kind| !matches!(kind, Kind::UnknownType | Kind::NewerSchema | Kind::Large))
    };
    let applied = applied(database).await;
    for number in 0..SUBJECTS {
        let expected = match poison(number) {
            _ if held(number) => POISONED - 1,
            // nobody here knows of it
            Some(Kind::UnknownType) => VERSIONS - 1,
            _ => VERSIONS,
        };
        assert_eq!(applied[&subject(number)], expected, "{:?}", poison(number));
    }
    let dead = letters(database, State::Dead).await;
    for letter in &dead {
        let number = letter.subject.rsplit('/').next().unwrap().parse().unwrap();
        let expected = match poison(number).unwrap() {
            Kind::By("refused") => (ReasonClass::Refused, 1),
            Kind::By("broken") => (ReasonClass::Internal, 5),
            Kind::By("away") => (ReasonClass::Unavailable, 5),
            Kind::By("slow") => (ReasonClass::Timeout, 5),
            Kind::Undecodable => (ReasonClass::Undecodable, 1),
            Kind::UnknownFact => (ReasonClass::UnknownType, 1),
            other => panic!("{other:?} is dead"),
        };
        let shown = letter.clone().shown("things");
        assert_eq!((shown.reason_class(), shown.attempts), expected, "{shown:?}");
    }
    assert_eq!(dead.len(), usize::try_from(EACH * 6).unwrap());
    let waiting = letters(database, State::Waiting).await;
    assert_eq!(
        waiting.len(),
        usize::try_from(EACH * 6 * (VERSIONS - POISONED)).unwrap()
    );
}

async fn poison_holds_only_its_own_subject_until_it_is_cured(engine: Engine) {
    let (database, _folder) = database(engine).await;
    let noting = Noting::default();
    let inbox = Arc::new(Inbox::new(database.clone(), noting.clone()));
    tell_all(&database).await;
    publish(&database, &inbox).await;
    only_the_poisoned_are_held(&database).await;

    // before the cure a re-drive fails again, and nothing behind it moves
    let refused = letters(&database, State::Dead).await.remove(0);
    let driven = drive(inbox.as_ref(), &refused.subject, Some(refused.sequence), &operator()).await;
    assert!(driven.unwrap().unwrap().failure.is_some());
    only_the_poisoned_are_held_but_one_was_tried_again(&database, &refused).await;

    noting.cured.store(true, Ordering::Relaxed);
    let dead = letters(&database, State::Dead).await;
    let work = dead.iter().flat_map(|letter| {
        // everything is done twice, and at once
        [(), ()].map(|()| {
            let (inbox, letter) = (inbox.clone(), letter.clone());
            // also one that would go through by now
            let unwanted = letter.sequence == refused.sequence;
            tokio::spawn(async move {
                let class = letter.clone().shown("things").reason_class();
                if unwanted || matches!(class, ReasonClass::Undecodable | ReasonClass::UnknownType) {
                    resolve(inbox.as_ref(), &letter).await;
                }
                redrive(inbox.as_ref(), &letter).await;
            })
        })
    });
    for work in work.collect::<Vec<_>>() {
        work.await.unwrap();
    }
    let applied = applied(&database).await;
    for number in 0..SUBJECTS {
        let skipped = matches!(
            poison(number),
            Some(Kind::Undecodable | Kind::UnknownFact | Kind::UnknownType)
        ) || subject(number) == refused.subject;
        assert_eq!(applied[&subject(number)], VERSIONS - i64::from(skipped), "{number}");
    }
    for state in [State::Dead, State::Waiting, State::Investigating] {
        assert!(letters(&database, state).await.is_empty(), "{state:?}");
    }
    assert_eq!(letters(&database, State::Resolved).await.len(), 21);

    // what comes again finds its mark, be it applied or passed over
    let again = "UPDATE outbox SET published_at = NULL";
    let transaction = database.begin_bare(&context(&database)).await.unwrap();
    transaction.run(again, vec![]).await.unwrap();
    transaction.commit_quietly().await.unwrap();
    publish(&database, &inbox).await;
    assert_eq!(self::applied(&database).await, applied);
    assert!(letters(&database, State::Dead).await.is_empty());
}

async fn only_the_poisoned_are_held_but_one_was_tried_again(database: &Database, tried: &Letter) {
    let letter = listing::find(database.reader(), tried.sequence).await.unwrap().unwrap();
    let shown = letter.shown("things");
    assert_eq!((shown.state(), shown.attempts), (State::Dead, 2));
    assert!(shown.redriven_at.is_some() && shown.why == "cured");
    assert_eq!(applied(database).await[&tried.subject], POISONED - 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_holds_only_its_own_subject_until_it_is_cured_sqlite() {
    poison_holds_only_its_own_subject_until_it_is_cured(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_holds_only_its_own_subject_until_it_is_cured_postgres() {
    poison_holds_only_its_own_subject_until_it_is_cured(Engine::Postgres).await;
}

/// Events come while the line in front of them ends, and the one who ends it is interrupted again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_comes_while_its_line_ends_is_not_left_behind() {
    for engine in Engine::BOTH {
        let (database, _folder) = database(engine).await;
        let noting = Noting::default();
        let inbox = Arc::new(Inbox::new(database.clone(), noting.clone()));
        for round in 0..40 {
            let subject = subject(round);
            noting.cured.store(false, Ordering::Relaxed);
            consume(&inbox, &subject, 1, Kind::By("refused")).await;
            consume(&inbox, &subject, 2, Kind::Plain).await;
            noting.cured.store(true, Ordering::Relaxed);
            let letter = letters(&database, State::Dead).await.remove(0);
            let coming = {
                let (inbox, subject) = (inbox.clone(), subject.clone());
                tokio::spawn(async move {
                    for version in 3..=12 {
                        consume(&inbox, &subject, version, Kind::Plain).await;
                    }
                })
            };
            for _ in 0..2 {
                let (inbox, letter) = (inbox.clone(), letter.clone());
                let redriving = tokio::spawn(async move { redrive(inbox.as_ref(), &letter).await });
                tokio::time::sleep(Duration::from_millis(rand::random_range(0..8))).await;
                redriving.abort();
            }
            if round % 2 == 0 {
                redrive(inbox.as_ref(), &letter).await;
                coming.await.unwrap();
            } else {
                // the dead one goes through, and then there is nobody to go on with the line
                let first = drive(inbox.as_ref(), &subject, Some(letter.sequence), &operator()).await;
                assert!(first.unwrap().is_none_or(|driven| driven.failure.is_none()));
                coming.await.unwrap();
                database.clock().advance(Duration::from_secs(11));
                go_on_once(inbox.as_ref()).await.unwrap();
            }
            for state in [State::Dead, State::Waiting] {
                let left = letters(&database, state).await;
                assert!(left.is_empty(), "{engine:?} {round}: {left:#?}");
            }
            assert_eq!(applied(&database).await[&subject], 12, "{engine:?} {round}");
        }
    }
}

async fn consume(inbox: &Inbox<Noting>, subject: &str, version: i64, kind: Kind) {
    let bytes = payload(kind, subject, version);
    let (id, r#type) = (format!("{subject}-{version}"), "ProductLiked".to_owned());
    let delivery = kit::bus::Delivery::new(id, subject.to_owned(), version, r#type, bytes);
    inbox.consume(&[delivery]).await.unwrap();
}
