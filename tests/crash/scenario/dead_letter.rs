//! A payment of an order that nobody placed: its fact is a dead letter of the checkout, tried again in vain and passed over.

use proto::operations::v1 as operations;
use proto::payment::v1 as payment;

use super::Scenario;

impl Scenario {
    pub(super) async fn mend_a_dead_letter(&self) {
        done!(
            self.service,
            "payment.v1.PaymentService" / CloseAttempt,
            payment::CloseAttemptRequest {
                order_id: "nobodys".to_owned(),
                attempt: 1,
                ..Default::default()
            }
        );
        self.until("a dead letter of the checkout", async || {
            self.letters().await.len() == 1
        })
        .await;
        let letter_id = self.letters().await.remove(0).letter_id;
        let why = || "a test".to_owned();
        let redriven: operations::RedriveDeadLettersResponse = call!(
            self.admin,
            "operations.v1.DeadLetterService" / RedriveDeadLetters,
            operations::RedriveDeadLettersRequest {
                letter_id: letter_id.clone(),
                why: why(),
                ..Default::default()
            }
        )
        .unwrap();
        assert_eq!((redriven.applied, redriven.failed), (0, 1));
        done!(
            self.admin,
            "operations.v1.DeadLetterService" / InvestigateDeadLetter,
            operations::InvestigateDeadLetterRequest {
                letter_id: letter_id.clone(),
                why: why(),
                ..Default::default()
            }
        );
        done!(
            self.admin,
            "operations.v1.DeadLetterService" / ResolveDeadLetter,
            operations::ResolveDeadLetterRequest {
                letter_id,
                why: why(),
                ..Default::default()
            }
        );
        assert!(self.letters().await.is_empty());
    }

    /// Those that nothing was done about.
    async fn letters(&self) -> Vec<operations::DeadLetter> {
        let mut filter = operations::DeadLetterFilter::default();
        filter.set_state(operations::DeadLetterState::Dead);
        let answer: operations::ListDeadLettersResponse = call!(
            self.admin,
            "operations.v1.DeadLetterService" / ListDeadLetters,
            operations::ListDeadLettersRequest {
                filter: Some(filter),
                ..Default::default()
            }
        )
        .unwrap();
        answer.letters
    }
}
