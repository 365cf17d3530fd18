//! What is told when something of ours is broken, slow or gone. Each fault is real, and taken back before the next.

use std::time::Duration;

use futures::StreamExt;
use kit::context::Context;
use kit::database::{Database, Sql};
use kit::values;
use proto::catalog::v1::{ImportProductsRequest, LikeProductRequest, UnlikeProductRequest};
use proto::operations::v1::dead_letter_service_client::DeadLetterServiceClient;
use proto::operations::v1::{ListDeadLettersRequest, RedriveDeadLettersRequest, ResolveDeadLetterRequest};
use proto::order::v1::{PlaceOrderRequest, PreviewOrderRequest};
use proto::readmodel::v1::{GetProductRequest, WatchOrderRequest};
use sea_orm::TransactionTrait;
use support::client::{card_order, point_order};
use support::wait::eventually;
use support::{TestShop, reason};
use tonic::{Response, Status};

use super::{ANY, Reached};
use crate::catalogue::{Catalogue, row};

pub async fn refuse(shop: &mut TestShop, reached: &mut Reached) {
    shop.stock(&[("chair", 1_000, 100)]).await;
    shop.at_rest().await;
    table_gone(shop, reached).await;
    insert_lost(shop, reached).await;
    journal_held(shop, reached).await;
    view_broken(shop, reached).await;
    readers_taken(shop, reached).await;
    database_closed(shop, reached).await;
}

async fn run(shop: &TestShop, database: &Database, sql: &str) {
    let context = Context::background("test", &shop.clock);
    let transaction = database.begin_bare(&context).await.unwrap();
    transaction.run(sql, values![]).await.unwrap();
    transaction.commit_quietly().await.unwrap();
}

async fn like(shop: &TestShop) -> Result<String, Status> {
    let request = LikeProductRequest {
        product_id: "chair".to_owned(),
        ..Default::default()
    };
    let answer = shop.buyer("mina").likes().like_product(request).await?;
    Ok(answer.into_inner().revision)
}

/// Each time another event.
async fn unlike(shop: &TestShop) -> String {
    let request = UnlikeProductRequest {
        product_id: "chair".to_owned(),
        ..Default::default()
    };
    let answer = shop.buyer("mina").likes().unlike_product(request).await;
    answer.unwrap().into_inner().revision
}

async fn see(shop: &TestShop, revision: &str) -> Result<(), Status> {
    let request = GetProductRequest {
        product_id: "chair".to_owned(),
        revision: revision.to_owned(),
    };
    let seen = shop.buyer("mina").products_seen().get_product(request).await;
    seen.map(drop)
}

/// A statement that cannot be run is nobody's fault but ours, and nobody hears what it was.
async fn table_gone(shop: &TestShop, reached: &mut Reached) {
    let catalog = &shop.shop().tables().catalog;
    run(shop, catalog, "ALTER TABLE likes RENAME TO likes_away").await;
    let broken = like(shop).await;
    run(shop, catalog, "ALTER TABLE likes_away RENAME TO likes").await;
    reached.by("INTERNAL", &[], broken);
}

/// A row that was free when it was looked for and is not there after its insert: somebody else was faster.
async fn insert_lost(shop: &TestShop, reached: &mut Reached) {
    let catalog = &shop.shop().tables().catalog;
    let (lose, end): (&[&str], _) = if catalog.is_postgres() {
        (
            &[
                "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
                "CREATE TRIGGER lose BEFORE INSERT ON products FOR EACH ROW EXECUTE FUNCTION lose()",
            ],
            "DROP TRIGGER lose ON products",
        )
    } else {
        (
            &["CREATE TRIGGER lose BEFORE INSERT ON products BEGIN SELECT RAISE(IGNORE); END"],
            "DROP TRIGGER lose",
        )
    };
    for sql in lose {
        run(shop, catalog, sql).await;
    }
    let message = ImportProductsRequest {
        rows: vec![row("new", 1)],
        ..Default::default()
    };
    let mut products = Catalogue(shop).products();
    let lost = products.import_products(tokio_stream::iter([message])).await;
    run(shop, catalog, end).await;
    reached.by("CONTENDED", &[], lost);
}

/// An event that cannot be journalled yet is in no view.
async fn journal_held(shop: &TestShop, reached: &mut Reached) {
    let read_model = &shop.shop().tables().read_model;
    let context = Context::background("test", &shop.clock);
    // SQLite has one writer, and this is it
    let held = read_model.begin_bare(&context).await.unwrap();
    if read_model.is_postgres() {
        let lock = "LOCK TABLE event_journal IN EXCLUSIVE MODE";
        held.run(lock, values![]).await.unwrap();
    }
    let revision = like(shop).await.unwrap();
    let behind = see(shop, &revision).await;
    held.rollback().await.unwrap();
    reached.by("VIEW_BEHIND", &[("view", ANY)], behind);
    see(shop, &revision).await.unwrap();
}

/// An event that a view could not apply is a dead letter, and no wait helps until it is re-driven.
async fn view_broken(shop: &TestShop, reached: &mut Reached) {
    let read_model = &shop.shop().tables().read_model;
    run(
        shop,
        read_model,
        "ALTER TABLE product_likes RENAME TO product_likes_away",
    )
    .await;
    let revision = unlike(shop).await;
    let blocked = eventually("the view is blocked", async || match see(shop, &revision).await {
        Err(status) if reason(&status) == "VIEW_BEHIND" => Err(status),
        outcome => Ok(outcome),
    })
    .await;
    let mut letters = DeadLetterServiceClient::new(shop.connected().as_admin());
    let resolve = |letter_id: &str| ResolveDeadLetterRequest {
        letter_id: letter_id.to_owned(),
        why: "to see it refused".to_owned(),
        ..Default::default()
    };
    let behind = like(shop).await.unwrap();
    let listed = eventually("one is dead, and one waits", async || {
        let listed = letters.list_dead_letters(ListDeadLettersRequest::default()).await;
        let listed = listed.unwrap().into_inner().letters;
        if listed.len() > 1 { Ok(listed) } else { Err(listed) }
    })
    .await;
    let (dead, waiting) = (&listed[0].letter_id, &listed[1].letter_id);
    let refused = letters.resolve_dead_letter(resolve(waiting)).await;
    run(
        shop,
        read_model,
        "ALTER TABLE product_likes_away RENAME TO product_likes",
    )
    .await;
    reached.by("VIEW_BLOCKED", &[("view", "product_popularity")], blocked);
    let metadata = [("letter_id", waiting.as_str()), ("behind", dead)];
    reached.by("DEAD_LETTER_WAITING", &metadata, refused);

    let redrive = RedriveDeadLettersRequest {
        letter_id: dead.clone(),
        why: "the table is back".to_owned(),
        ..Default::default()
    };
    let redriven = letters.redrive_dead_letters(redrive).await.unwrap().into_inner();
    assert_eq!((redriven.applied, redriven.failed), (2, 0), "{redriven:?}");
    see(shop, &behind).await.unwrap();
    let refused = letters.resolve_dead_letter(resolve(dead)).await;
    let metadata = [("letter_id", dead.as_str()), ("state", "REDRIVEN")];
    reached.by("DEAD_LETTER_SETTLED", &metadata, refused);
    let none = letters.resolve_dead_letter(resolve("order-0")).await;
    reached.by("DEAD_LETTER_NOT_FOUND", &[("letter_id", "order-0")], none);
}

/// A service that hangs is asked again, and then its caller hears of it.
#[expect(
    clippy::disallowed_methods,
    reason = "these transactions take readers away and do nothing else"
)]
async fn readers_taken(shop: &TestShop, reached: &mut Reached) {
    let reader = shop.shop().tables().catalog.reader().pool();
    let mut taken = Vec::new();
    while let Ok(Ok(reading)) = tokio::time::timeout(Duration::from_secs(2), reader.begin()).await {
        taken.push(reading);
    }
    let request = PreviewOrderRequest {
        lines: card_order(&[("chair", 1)]).lines,
        ..Default::default()
    };
    let hung = shop.buyer("mina").orders().preview_order(request).await;
    drop(taken);
    reached.by("SERVICE_UNAVAILABLE", &[], hung);
}

/// The database of one owner is gone, and the shop is stopped under those who watch it.
async fn database_closed(shop: &mut TestShop, reached: &mut Reached) {
    let mina = shop.buyer("mina");
    let declined = PlaceOrderRequest {
        card_token: "test-limit".to_owned(),
        ..card_order(&[("chair", 1)])
    };
    let order_id = mina.place(declined).await.unwrap().order_id;
    mina.until(&order_id, |order| !order.payment_reason.is_empty()).await;
    let request = WatchOrderRequest {
        order_id,
        ..Default::default()
    };
    let watch = mina.orders_seen().watch_order(request).await.map(Response::into_inner);
    let watch = tokio::spawn(watch.unwrap().collect::<Vec<_>>());

    mina.charge(1_000).await;
    shop.shop().tables().catalog.close().await;
    reached.by("DATABASE_UNAVAILABLE", &[], like(shop).await);
    let request_id = uuid::Uuid::now_v7().to_string();
    let request = PlaceOrderRequest {
        request_id: request_id.clone(),
        ..point_order(&[("chair", 1)], 1_000)
    };
    let delayed = mina.place(request.clone()).await;
    reached.by("CHECKOUT_DELAYED", &[("order_id", ANY)], delayed);
    let twin = mina.place(request).await;
    reached.by("REQUEST_IN_PROGRESS", &[("request_id", &request_id)], twin);
    shop.restart().await;
    let interrupted = watch.await.unwrap().pop().unwrap();
    reached.by("WATCH_INTERRUPTED", &[], interrupted);
}
