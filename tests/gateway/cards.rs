//! Card numbers: sealed, another's token is unknown, and forgotten once their attempts are final.

use kit::database::Sql;
use kit::values;
use pg_simulator::Profile;
use proto::payment::v1::{CardType, RequestPaymentRequest, TokenizeCardRequest};

use crate::service::{Service, reason, won};
use support::Engine;

const NUMBER: &str = "4929-1388-7051-2264";

fn tokenize(card_number: &str, request_id: &str) -> TokenizeCardRequest {
    let (card_number, request_id) = (card_number.to_owned(), request_id.to_owned());
    TokenizeCardRequest {
        card_type: CardType::Hyundai.into(),
        card_number,
        request_id,
    }
}

#[derive(sea_orm::FromQueryResult)]
struct Sealed {
    sealed: Option<Vec<u8>>,
    last_four: String,
}

async fn sealed(service: &Service, token: &str) -> Sealed {
    let sql = "SELECT sealed, last_four FROM card_tokens WHERE card_token = $1";
    service
        .database
        .reader()
        .find(sql, values![token])
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_is_kept_until_its_attempt_is_final_and_for_its_user_alone() {
    for engine in Engine::BOTH {
        let service = Service::start(engine, Profile::Calm.behaviour()).await;
        let card = service
            .cards()
            .tokenize_card(service.mina(tokenize(NUMBER, "")))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(card.last_four, "2264");
        assert!(sealed(&service, &card.card_token).await.sealed.is_some());

        let request = RequestPaymentRequest {
            order_id: "juns".to_owned(),
            attempt: 1,
            amount: won(100),
            card_token: card.card_token.clone(),
            ..Default::default()
        };
        let juns = service.service().request_payment(service.user("jun", request)).await;
        assert_eq!(reason(juns), "CARD_TOKEN_NOT_FOUND");

        service.request("order", &card.card_token, 100).await.unwrap();
        service.until("order", "CAPTURED").await;
        let forgotten = sealed(&service, &card.card_token).await;
        assert_eq!(
            (forgotten.sealed, forgotten.last_four.as_str()),
            (None, "2264"),
            "{engine:?}"
        );
        let again = service.request("another", &card.card_token, 100).await;
        assert_eq!(reason(again), "CARD_TOKEN_NOT_FOUND", "{engine:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_is_in_no_file_and_tokenizing_again_gives_the_same_token() {
    let service = Service::start(Engine::Sqlite, Profile::Calm.behaviour()).await;
    let id = uuid::Uuid::now_v7().to_string();
    let first = service
        .cards()
        .tokenize_card(service.mina(tokenize(NUMBER, &id)))
        .await
        .unwrap()
        .into_inner();
    let again = service
        .cards()
        .tokenize_card(service.mina(tokenize(NUMBER, &id)))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(first, again);
    let other = service
        .cards()
        .tokenize_card(service.mina(tokenize("4929-1388-7051-2265", &id)))
        .await;
    assert_eq!(reason(other), "REQUEST_ID_REUSED");

    service.request("order", &first.card_token, 100).await.unwrap();
    service.until("order", "CAPTURED").await;
    for file in std::fs::read_dir(service.folder.path()).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        for digits in [NUMBER.to_owned(), NUMBER.replace('-', "")] {
            assert!(
                !bytes.windows(digits.len()).any(|window| window == digits.as_bytes()),
                "{}",
                path.display()
            );
        }
    }
}
