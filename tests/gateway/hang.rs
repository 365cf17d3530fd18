//! A gateway that hangs holds thirty calls and nothing else: no connection of the database, no other call.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use kit::database::Sql;
use kit::values;
use pg_simulator::{Behaviour, Mode, PERMILLE, Profile};
use proto::payment::v1::{ChargePointsRequest, PreviewPointsRequest};

use crate::service::{Service, won};
use support::Engine;
use support::wait::until;

/// The bulkhead of the contract.
const CALLS_MAX: u64 = 30;
const PAYMENTS: usize = 100;
/// Far longer than any call of ours may take, and far shorter than what a call that waits for the gateway would.
const CALL_WITHIN: Duration = Duration::from_secs(5);
const HANG_MS: u64 = 12_000;

#[derive(sea_orm::FromQueryResult)]
struct Count {
    count: i64,
}

/// Transactions that are open and idle: what a call to the gateway would leave if it were made inside of one.
async fn held_connections(service: &Service) -> i64 {
    let sql = "SELECT CAST(COUNT(*) AS BIGINT) AS count FROM pg_stat_activity
        WHERE datname = current_database() AND state LIKE 'idle in transaction%' AND state_change < now() - INTERVAL '1 second'";
    let count: Option<Count> = service.database.reader().find(sql, values![]).await.unwrap();
    count.unwrap().count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_calls_are_held_no_connection_is_and_other_calls_answer() {
    for engine in Engine::BOTH {
        let hanging = Behaviour {
            hang_ms: HANG_MS,
            ..Profile::Calm.behaviour()
        };
        let service = Service::start_with(engine, hanging.with(Mode::Hang, PERMILLE), |settings| {
            settings.queue_max = 1_000;
            settings.answer_within = Duration::from_secs(60);
        })
        .await;
        let service = &service;
        stream::iter(0..PAYMENTS)
            .for_each_concurrent(16, async |number| {
                service
                    .request(
                        &format!("order-{number}"),
                        &service.token("1234-5678-9012-3456").await,
                        100,
                    )
                    .await
                    .unwrap();
            })
            .await;
        let held = async || service.control(&[]).await["calls"]["now"].as_u64();
        until("as many calls hang as may", async || held().await == Some(CALLS_MAX)).await;

        // more calls than there are connections, one after the other and at once
        let slowest = stream::iter(0..60)
            .map(async |number| {
                let begun = Instant::now();
                let charge = ChargePointsRequest {
                    amount: won(10),
                    funding_reference: format!("hang-{number}"),
                    ..Default::default()
                };
                service.points().charge_points(service.mina(charge)).await.unwrap();
                service.token("1234-5678-9012-3456").await;
                let preview = service.mina(PreviewPointsRequest::default());
                service.points().preview_points(preview).await.unwrap();
                begun.elapsed()
            })
            .buffer_unordered(20)
            .fold(Duration::ZERO, async |slowest, took| slowest.max(took))
            .await;
        assert!(slowest < CALL_WITHIN, "{engine:?}: a call took {slowest:?}");
        if engine == Engine::Postgres {
            assert_eq!(held_connections(service).await, 0);
        }
        let calls = service.control(&[]).await["calls"].clone();
        println!("{engine:?}: {calls} calls at the gateway, the slowest of three of ours took {slowest:.1?}");

        service.control(&[("profile", "calm")]).await;
        service.all_at_rest(Duration::from_secs(120)).await;
        let most = service.control(&[]).await["calls"]["most"].as_u64().unwrap();
        assert!(most <= CALLS_MAX, "{engine:?}: {most} calls were held");
        for row in service.rows().await {
            let kept = service.kept(&format!("{}.1", row.order_id));
            assert_eq!(
                (row.captured, kept),
                (kept, if row.state == "CAPTURED" { 100 } else { 0 })
            );
        }
    }
}
