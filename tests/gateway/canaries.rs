//! Card numbers planted in payments of every fate are nowhere afterwards: not in a file, a table, a log line or an error.

use std::time::Duration;

use pg_simulator::{Behaviour, Mode, Profile};
use proto::payment::v1::{CardType, TokenizeCardRequest};
use support::Engine;
use support::canary::{Log, files_are_clean, number, status_is_clean, tables_are_clean};

use crate::service::Service;

/// What is wrong with a card is told without the card.
async fn errors_are_clean(service: &Service) {
    for mode in 0..3 {
        let number = number(mode);
        for wrong in [number.replace('-', ""), format!("{number}0"), format!(" {number}")] {
            let request = TokenizeCardRequest {
                card_type: CardType::Kb.into(),
                card_number: wrong,
                ..Default::default()
            };
            // refused where calls come in, or sealed as it came
            if let Err(status) = service.cards().tokenize_card(service.mina(request)).await {
                status_is_clean(&status);
            }
        }
        let refused = service.request("misused", &number, 100).await.unwrap_err();
        status_is_clean(&refused);
    }
}

#[tokio::test]
async fn no_card_number_is_anywhere_but_sealed() {
    // one thread, so that the log of all tasks is this one
    let (log, _logging) = Log::keep();
    for engine in Engine::BOTH {
        let behaviour = Behaviour {
            callback_late_ms: 300,
            store_late_ms: 300,
            contradiction_ms: 300,
            ..Profile::Calm.behaviour()
        };
        let service = Service::start(engine, behaviour).await;
        for (index, mode) in Mode::ALL.iter().enumerate() {
            service
                .control(&[(&format!("card:{}", number(index)), mode.name())])
                .await;
            let card = service.token(&number(index)).await;
            service.request(mode.name(), &card, 1_000).await.unwrap();
        }
        service.all_at_rest(Duration::from_secs(120)).await;
        for row in service.rows().await.iter().filter(|row| row.state == "CAPTURED") {
            service.refund(&row.order_id, "all", 1_000).await.unwrap();
        }
        errors_are_clean(&service).await;
        // sealed and never used
        service.token(&number(0)).await;
        service.all_at_rest(Duration::from_secs(120)).await;
        files_are_clean(service.folder.path());
        if engine == Engine::Postgres {
            tables_are_clean(&service.database).await;
        }
    }
    log.is_clean("goes back");
}
