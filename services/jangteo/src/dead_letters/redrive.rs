//! RedriveDeadLetters: dead letters are given to their consumers again, each followed by those that wait behind it.

use std::time::Duration;

use kit::context::Context;
use kit::dead_letter::line::{Addressee, Operator, drive};
use kit::dead_letter::listing::{Letter, first, line};
use kit::dead_letter::{DeadLetterRefusal, State, state_name};
use kit::refusal::Failure;
use proto::operations::v1::{RedriveDeadLettersRequest, RedriveDeadLettersResponse, RedrivenLetter};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::{DeadLetters, operator};

/// Letters that are told one by one.
const LETTERS_MAX: u32 = 1_000;

/// What a re-drive has come to, and at which pace it goes on.
struct Redrive {
    operator: Operator,
    pace: Option<Interval>,
    answer: RedriveDeadLettersResponse,
    revisions: Vec<String>,
}

pub(super) async fn redrive(
    state: DeadLetters,
    context: Context,
    request: RedriveDeadLettersRequest,
) -> Result<RedriveDeadLettersResponse, Failure> {
    // answered before? The effects are transactions of their own, so the answer is stored at the end, and whoever died
    // before that does the rest when it is asked again
    state.home().begin_write(&context).await?.rollback().await?;
    let (chosen, next_page_token) = choose(&state, &request).await?;
    let mut redrive = Redrive {
        operator: operator(&context, request.why),
        pace: pace(request.rate),
        answer: RedriveDeadLettersResponse {
            next_page_token,
            ..Default::default()
        },
        revisions: Vec::new(),
    };
    for (addressee, letter) in chosen {
        if request.dry_run {
            redrive.foretell(addressee, &letter).await?;
        } else {
            redrive.go_through(addressee, &letter).await?;
        }
    }
    if request.dry_run {
        return Ok(redrive.answer);
    }
    let transaction = state.home().begin_write(&context).await?;
    redrive
        .revisions
        .iter()
        .for_each(|revision| transaction.include(revision));
    transaction.commit(redrive.answer).await
}

/// The letters to begin with, and the token of those after them.
async fn choose<'a>(
    state: &'a DeadLetters,
    request: &RedriveDeadLettersRequest,
) -> Result<(Vec<(&'a dyn Addressee, Letter)>, String), Failure> {
    if request.letter_id.is_empty() {
        let mut filter = request.filter.clone().unwrap_or_default();
        if filter.state() == State::Unspecified {
            filter.set_state(State::Dead);
        }
        let (letters, next) = state
            .page("RedriveDeadLetters", &filter, request.page_size, &request.page_token)
            .await?;
        let letters = letters.into_iter().map(|(_, letter)| letter);
        let chosen = letters.filter_map(|letter| Some((state.addressee(&letter)?, letter)));
        return Ok((chosen.collect(), next));
    }
    let (addressee, letter) = state.find_addressed(&request.letter_id).await?;
    let letter_id = request.letter_id.clone();
    match letter.state() {
        State::Redriven => return Ok((Vec::new(), String::new())),
        State::Resolved => {
            let state = state_name(State::Resolved).to_owned();
            return Err(DeadLetterRefusal::Settled { letter_id, state }.into());
        }
        State::Waiting => {
            let database = addressee.database();
            let first = first(database.reader(), addressee.name(), &letter.subject).await?;
            if let Some(first) = first.filter(|first| first.state() != State::Waiting) {
                let behind = first.id(database.owner());
                return Err(DeadLetterRefusal::Waiting { letter_id, behind }.into());
            }
        }
        _ => {}
    }
    Ok((vec![(addressee, letter)], String::new()))
}

fn pace(rate: i32) -> Option<Interval> {
    let rate = u32::try_from(rate).ok().filter(|rate| *rate > 0)?;
    let mut pace = interval(Duration::from_secs(1) / rate);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Some(pace)
}

impl Redrive {
    /// The letter, and then those behind it until one fails.
    async fn go_through(&mut self, addressee: &dyn Addressee, letter: &Letter) -> Result<(), Failure> {
        loop {
            if let Some(pace) = &mut self.pace {
                pace.tick().await;
            }
            let driven = drive(addressee, &letter.subject, Some(letter.sequence), &self.operator).await?;
            let Some(driven) = driven else { return Ok(()) };
            let error = driven.failure.map(|failure| failure.to_string());
            self.tell(addressee, &driven.letter, error.is_none(), error.as_deref());
            if error.is_some() {
                self.answer.failed += 1;
                return Ok(());
            }
            self.answer.applied += 1;
            self.revisions.push(driven.revision);
        }
    }

    /// What [`Redrive::go_through`] would give to whom.
    async fn foretell(&mut self, addressee: &dyn Addressee, letter: &Letter) -> Result<(), Failure> {
        let reader = addressee.database().reader();
        for letter in line(reader, addressee.name(), &letter.subject, LETTERS_MAX).await? {
            self.tell(addressee, &letter, false, None);
        }
        Ok(())
    }

    fn tell(&mut self, addressee: &dyn Addressee, letter: &Letter, applied: bool, error: Option<&str>) {
        if self.answer.letters.len() < LETTERS_MAX as usize {
            self.answer.letters.push(RedrivenLetter {
                letter_id: letter.id(addressee.database().owner()),
                applied,
                error: error.unwrap_or_default().to_owned(),
            });
        }
    }
}
