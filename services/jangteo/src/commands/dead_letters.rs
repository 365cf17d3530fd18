//! `jangteo dead-letters`: what consumers could not handle, and what is done about it.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use kit::clock::from_proto;
use kit::dead_letter::{class_name, state_name};
use proto::operations::v1::dead_letter_service_client::DeadLetterServiceClient;
use proto::operations::v1::*;
use serde_json::{Value, json};

use crate::client::{Client, Connected};

/// Letters asked for at once.
const PAGE: i32 = 100;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List dead letters, oldest first.
    List {
        #[command(flatten)]
        filter: Filter,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Count them by consumer, state and class; tell how re-drives of the last 24 h went.
    Summary,
    /// Show one with its event.
    Show {
        /// The letter, such as order-7.
        letter: String,
    },
    /// Give dead letters to their consumers again, with all that wait behind them; exit 1 if one fails again.
    Redrive {
        /// The letter; without it those of the filter.
        #[arg(conflicts_with_all = ["owner", "consumer", "state", "class", "subject"])]
        letter: Option<String>,
        #[command(flatten)]
        filter: Filter,
        /// At most so many a second, 1 to 1000.
        #[arg(long, default_value_t = 0, hide_default_value = true)]
        rate: i32,
        /// Only tell what would be given to whom.
        #[arg(long)]
        dry_run: bool,
        /// Kept with each letter.
        #[arg(long)]
        why: String,
    },
    /// Note that somebody looks into a letter: re-drives by filter leave it alone.
    Investigate {
        /// The letter.
        letter: String,
        /// Kept with the letter.
        #[arg(long)]
        why: String,
    },
    /// Pass a letter over: its event is never applied there, and what waits behind it goes on.
    Resolve {
        /// The letter.
        letter: String,
        /// Kept with the letter.
        #[arg(long)]
        why: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Filter {
    /// Only of this owner of tables, such as order.
    #[arg(long, default_value = "", hide_default_value = true)]
    owner: String,
    /// Only of this consumer, such as order.checkout.
    #[arg(long, default_value = "", hide_default_value = true)]
    consumer: String,
    /// Only in this state.
    #[arg(long)]
    state: Option<State>,
    /// Only of this class.
    #[arg(long)]
    class: Option<Class>,
    /// Only of this aggregate, such as payment/42.1.
    #[arg(long, default_value = "", hide_default_value = true)]
    subject: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    Dead,
    Waiting,
    Investigating,
    Resolved,
    Redriven,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Class {
    Undecodable,
    UnknownType,
    Refused,
    Timeout,
    Unavailable,
    Internal,
}

impl Filter {
    fn message(&self) -> DeadLetterFilter {
        let state = self.state.map_or(DeadLetterState::Unspecified, |state| match state {
            State::Dead => DeadLetterState::Dead,
            State::Waiting => DeadLetterState::Waiting,
            State::Investigating => DeadLetterState::Investigating,
            State::Resolved => DeadLetterState::Resolved,
            State::Redriven => DeadLetterState::Redriven,
        });
        let class = self.class.map_or(ReasonClass::Unspecified, |class| match class {
            Class::Undecodable => ReasonClass::Undecodable,
            Class::UnknownType => ReasonClass::UnknownType,
            Class::Refused => ReasonClass::Refused,
            Class::Timeout => ReasonClass::Timeout,
            Class::Unavailable => ReasonClass::Unavailable,
            Class::Internal => ReasonClass::Internal,
        });
        DeadLetterFilter {
            owner: self.owner.clone(),
            consumer: self.consumer.clone(),
            state: state.into(),
            reason_class: class.into(),
            subject: self.subject.clone(),
            ..Default::default()
        }
    }
}

/// Does what was asked.
pub(super) async fn run(command: Command, shop: &Connected, json: bool) -> anyhow::Result<ExitCode> {
    let mut letters = DeadLetterServiceClient::new(shop.as_admin());
    match command {
        Command::List { filter, limit } => list(&mut letters, &filter, limit, json).await?,
        Command::Summary => summary(&mut letters, json).await?,
        Command::Show { letter } => show(&mut letters, letter, json).await?,
        Command::Redrive {
            letter,
            filter,
            rate,
            dry_run,
            why,
        } => {
            let request = RedriveDeadLettersRequest {
                letter_id: letter.unwrap_or_default(),
                filter: Some(filter.message()),
                rate,
                dry_run,
                page_size: PAGE,
                why,
                ..Default::default()
            };
            return redrive(&mut letters, request, json).await;
        }
        Command::Investigate { letter, why } => {
            let request = InvestigateDeadLetterRequest {
                letter_id: letter,
                why,
                ..Default::default()
            };
            letters.investigate_dead_letter(request).await?;
        }
        Command::Resolve { letter, why } => {
            let request = ResolveDeadLetterRequest {
                letter_id: letter,
                why,
                ..Default::default()
            };
            letters.resolve_dead_letter(request).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(
    letters: &mut DeadLetterServiceClient<Client>,
    filter: &Filter,
    limit: usize,
    json: bool,
) -> anyhow::Result<()> {
    let mut request = ListDeadLettersRequest {
        filter: Some(filter.message()),
        page_size: PAGE,
        ..Default::default()
    };
    let mut left = limit;
    loop {
        let page = letters.list_dead_letters(request.clone()).await?.into_inner();
        for letter in page.letters.iter().take(left) {
            if json {
                println!("{}", as_json(letter));
            } else {
                println!(
                    "{}  {}  {}  {}  {} {}  {}",
                    letter.letter_id,
                    state_name(letter.state()),
                    letter.consumer,
                    letter.r#type,
                    letter.subject,
                    letter.version,
                    why_dead(letter)
                );
            }
        }
        left = left.saturating_sub(page.letters.len());
        if left == 0 || page.next_page_token.is_empty() {
            return Ok(());
        }
        request.page_token = page.next_page_token;
    }
}

async fn summary(letters: &mut DeadLetterServiceClient<Client>, json: bool) -> anyhow::Result<()> {
    let summary = letters.summarize_dead_letters(SummarizeDeadLettersRequest {}).await;
    let summary = summary?.into_inner();
    for count in &summary.counts {
        let (state, class) = (state_name(count.state()), class_name(count.reason_class()));
        let oldest_at = time(count.oldest_at.as_ref());
        if json {
            let line = json!({
                "owner": count.owner, "consumer": count.consumer, "state": state, "reason_class": class,
                "letters": count.letters, "oldest_at": oldest_at,
            });
            println!("{line}");
        } else {
            let (letters, consumer) = (count.letters, &count.consumer);
            println!("{letters:>7}  {consumer}  {state}  {class}  since {oldest_at}");
        }
    }
    let (applied, redriven) = (summary.applied, summary.redriven);
    if json {
        println!("{}", json!({ "applied": applied, "redriven": redriven }));
    } else {
        println!("of {redriven} re-driven in the last 24 h {applied} were applied");
    }
    Ok(())
}

async fn show(letters: &mut DeadLetterServiceClient<Client>, letter: String, json: bool) -> anyhow::Result<()> {
    let request = GetDeadLetterRequest { letter_id: letter };
    let shown = letters.get_dead_letter(request).await?.into_inner();
    let letter = shown.letter.context("an answer without a letter")?;
    let bytes: String = shown.payload.iter().map(|byte| format!("{byte:02x}")).collect();
    let event = shown.event.map(|event| format!("{event:#?}"));
    let mut fields = as_json(&letter);
    fields["event"] = json!(event);
    fields["payload_hex"] = json!(bytes);
    if json {
        println!("{fields}");
        return Ok(());
    }
    for (name, value) in fields.as_object().into_iter().flatten() {
        match value {
            Value::String(text) => println!("{name:<13} {text}"),
            Value::Null => {}
            value => println!("{name:<13} {value}"),
        }
    }
    Ok(())
}

async fn redrive(
    letters: &mut DeadLetterServiceClient<Client>,
    mut request: RedriveDeadLettersRequest,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let (mut applied, mut failed) = (0, 0);
    loop {
        let answer = letters.redrive_dead_letters(request.clone()).await?.into_inner();
        for letter in &answer.letters {
            let outcome = match (request.dry_run, letter.applied) {
                (true, _) => "would be tried",
                (false, true) => "applied",
                (false, false) => "failed",
            };
            if json {
                let line = json!({ "letter_id": letter.letter_id, "outcome": outcome, "error": letter.error });
                println!("{line}");
            } else {
                println!("{}  {outcome}  {}", letter.letter_id, letter.error);
            }
        }
        applied += answer.applied;
        failed += answer.failed;
        if answer.next_page_token.is_empty() {
            break;
        }
        request.page_token = answer.next_page_token;
    }
    if json {
        println!("{}", json!({ "applied": applied, "failed": failed }));
    } else {
        println!("{applied} applied, {failed} failed");
    }
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn as_json(letter: &DeadLetter) -> Value {
    json!({
        "letter_id": letter.letter_id,
        "state": state_name(letter.state()),
        "reason_class": class_name(letter.reason_class()),
        "owner": letter.owner,
        "consumer": letter.consumer,
        "event_id": letter.event_id,
        "type": letter.r#type,
        "subject": letter.subject,
        "version": letter.version,
        "error": letter.error,
        "attempts": letter.attempts,
        "first_at": time(letter.first_at.as_ref()),
        "last_at": time(letter.last_at.as_ref()),
        "redriven_at": letter.redriven_at.as_ref().map(|at| time(Some(at))),
        "settled_at": letter.settled_at.as_ref().map(|at| time(Some(at))),
        "operator": letter.operator,
        "why": letter.why,
    })
}

fn why_dead(letter: &DeadLetter) -> String {
    match letter.reason_class() {
        ReasonClass::Unspecified => String::new(),
        class => format!("{}: {}", class_name(class), letter.error),
    }
}

fn time(time: Option<&prost_types::Timestamp>) -> String {
    time.map(|time| from_proto(time).to_string()).unwrap_or_default()
}
