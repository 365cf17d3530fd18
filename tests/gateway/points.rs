//! Points: at once, twice, after their undo, and never more than there are.

use futures::future::join_all;
use kit::database::Sql;
use kit::values;
use proto::payment::v1::{
    ChargePointsRequest, HoldPointsRequest, PreviewPointsRequest, RefundPointsRequest, ReleasePointsRequest,
    SettlePointsRequest,
};
use tonic::Status;

use crate::service::{Service, reason, won};
use support::Engine;

async fn charge(service: &Service, reference: &str, amount: i64) -> Result<(), Status> {
    let funding_reference = reference.to_owned();
    let request = ChargePointsRequest {
        amount: won(amount),
        funding_reference,
        ..Default::default()
    };
    service.points().charge_points(service.mina(request)).await.map(drop)
}

async fn hold(service: &Service, order_id: &str, amount: i64) -> Result<(), Status> {
    let request = HoldPointsRequest {
        order_id: order_id.to_owned(),
        amount: won(amount),
        ..Default::default()
    };
    service.points().hold_points(service.mina(request)).await.map(drop)
}

async fn settle(service: &Service, order_id: &str) -> Result<(), Status> {
    let request = SettlePointsRequest {
        order_id: order_id.to_owned(),
        ..Default::default()
    };
    service.points().settle_points(service.mina(request)).await.map(drop)
}

async fn release(service: &Service, order_id: &str) -> Result<(), Status> {
    let request = ReleasePointsRequest {
        order_id: order_id.to_owned(),
        ..Default::default()
    };
    service.points().release_points(service.mina(request)).await.map(drop)
}

async fn refund(service: &Service, order_id: &str) -> Result<(), Status> {
    let request = RefundPointsRequest {
        order_id: order_id.to_owned(),
        ..Default::default()
    };
    service.points().refund_points(service.mina(request)).await.map(drop)
}

/// Available and held, as told and as the entries sum up.
async fn balance(service: &Service) -> (i64, i64) {
    let told = service
        .points()
        .preview_points(service.mina(PreviewPointsRequest {}))
        .await
        .unwrap()
        .into_inner();
    let told = (told.available.unwrap().minor_units, told.held.unwrap().minor_units);
    let mut sums = [0; 2];
    for (sum, account) in sums.iter_mut().zip(["AVAILABLE", "HELD"]) {
        let sql = "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) AS sum FROM point_entries WHERE account = $1";
        *sum = service
            .database
            .reader()
            .find::<Sum>(sql, values![account])
            .await
            .unwrap()
            .unwrap()
            .sum;
    }
    let sql = "SELECT CAST(COUNT(*) AS BIGINT) AS sum FROM
        (SELECT movement_id FROM point_entries GROUP BY movement_id HAVING SUM(amount) <> 0 OR COUNT(*) <> 2) AS broken";
    assert_eq!(
        service
            .database
            .reader()
            .find::<Sum>(sql, vec![])
            .await
            .unwrap()
            .unwrap()
            .sum,
        0
    );
    assert_eq!(told, (sums[0], sums[1]));
    told
}

#[derive(sea_orm::FromQueryResult)]
struct Sum {
    sum: i64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_charges_and_a_hundred_uses_at_once_all_succeed() {
    for engine in Engine::BOTH {
        let service = Service::idle(engine).await;
        charge(&service, "first", 1_000).await.unwrap();
        let charges = join_all((0..100).map(async |number| charge(&service, &format!("c{number}"), 10).await));
        let uses = join_all((0..100).map(async |number| hold(&service, &format!("o{number}"), 10).await));
        let (charged, held) = futures::join!(charges, uses);
        assert!(
            charged.into_iter().chain(held).all(|answer| answer.is_ok()),
            "{engine:?}"
        );
        assert_eq!(balance(&service).await, (1_000, 1_000), "{engine:?}");
        let uses = join_all((0..200).map(async |number| hold(&service, &format!("p{number}"), 10).await)).await;
        assert_eq!(uses.iter().filter(|answer| answer.is_ok()).count(), 100, "{engine:?}");
        assert_eq!(balance(&service).await, (0, 2_000), "{engine:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_step_happens_once_and_never_after_its_undo() {
    for engine in Engine::BOTH {
        let service = Service::idle(engine).await;
        for _ in 0..2 {
            charge(&service, "fund", 1_000).await.unwrap();
        }
        assert_eq!(reason(charge(&service, "fund", 1_001).await), "FUNDING_REFERENCE_USED");
        assert_eq!(reason(charge(&service, "zero", 0).await), "POINTS_AMOUNT_ZERO");
        assert_eq!(
            reason(charge(&service, "much", 1_000_000_000_000_000).await),
            "POINTS_OVERFLOW"
        );
        assert_eq!(reason(hold(&service, "a", 1_001).await), "POINTS_INSUFFICIENT");
        for _ in 0..2 {
            hold(&service, "a", 300).await.unwrap();
        }
        assert_eq!(reason(hold(&service, "a", 301).await), "POINTS_HOLD_DIFFERS");
        assert_eq!(reason(refund(&service, "a").await), "POINTS_NOT_SETTLED");
        assert_eq!(balance(&service).await, (700, 300));
        for _ in 0..2 {
            settle(&service, "a").await.unwrap();
        }
        assert_eq!(reason(release(&service, "a").await), "POINTS_SETTLED");
        assert_eq!(balance(&service).await, (700, 0));
        for _ in 0..2 {
            refund(&service, "a").await.unwrap();
        }
        assert_eq!(reason(settle(&service, "a").await), "POINTS_REFUNDED");
        assert_eq!(balance(&service).await, (1_000, 0));

        hold(&service, "b", 400).await.unwrap();
        for _ in 0..2 {
            release(&service, "b").await.unwrap();
        }
        for _ in 0..2 {
            release(&service, "never-held").await.unwrap();
        }
        for order_id in ["b", "never-held"] {
            assert_eq!(reason(hold(&service, order_id, 400).await), "POINTS_RELEASED");
            assert_eq!(reason(settle(&service, order_id).await), "POINTS_RELEASED");
        }
        assert_eq!(reason(settle(&service, "unknown").await), "POINTS_HOLD_NOT_FOUND");
        assert_eq!(balance(&service).await, (1_000, 0), "{engine:?}");
    }
}
