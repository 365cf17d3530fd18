//! `jangteo dead-letters`: what consumers could not handle, and what is done about it.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use kit::dead_letter::{class_name, state_name};
use proto::operations::v1::dead_letter_service_client::DeadLetterServiceClient;
use proto::operations::v1::*;

use super::output::{self, Line, Output, time};
use crate::client::{Client, Connected};

/// Letters asked for at once.
const PAGE: i32 = 100;

#[derive(Debug, Subcommand)]
pub(super) enum DeadLetters {
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

pub(super) async fn run(command: DeadLetters, shop: &Connected, output: Output) -> anyhow::Result<ExitCode> {
    let mut letters = DeadLetterServiceClient::new(shop.as_admin());
    match command {
        DeadLetters::List { filter, limit } => list(&mut letters, &filter, limit, output).await?,
        DeadLetters::Summary => summary(&mut letters, output).await?,
        DeadLetters::Show { letter } => show(&mut letters, letter, output).await?,
        DeadLetters::Redrive {
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
            return redrive(&mut letters, request, output).await;
        }
        DeadLetters::Investigate { letter, why } => {
            let request = InvestigateDeadLetterRequest {
                letter_id: letter,
                why,
                ..Default::default()
            };
            letters.investigate_dead_letter(request).await?;
        }
        DeadLetters::Resolve { letter, why } => {
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
    output: Output,
) -> anyhow::Result<()> {
    let mut request = ListDeadLettersRequest {
        filter: Some(filter.message()),
        page_size: PAGE,
        ..Default::default()
    };
    let mut found = Vec::new();
    loop {
        let page = letters.list_dead_letters(request.clone()).await?.into_inner();
        found.extend(page.letters);
        if page.next_page_token.is_empty() || found.len() >= limit {
            break;
        }
        request.page_token = page.next_page_token;
    }
    found.truncate(limit);
    output::print(found.iter().map(line).collect(), output);
    Ok(())
}

async fn summary(letters: &mut DeadLetterServiceClient<Client>, output: Output) -> anyhow::Result<()> {
    let summary = letters.summarize_dead_letters(SummarizeDeadLettersRequest {}).await;
    let summary = summary?.into_inner();
    let counts = summary.counts.iter().map(|count| {
        vec![
            ("owner", count.owner.as_str().into()),
            ("consumer", count.consumer.as_str().into()),
            ("state", state_name(count.state()).into()),
            ("reason_class", class_name(count.reason_class()).into()),
            ("letters", count.letters.into()),
            ("oldest_at", time(count.oldest_at.as_ref())),
        ]
    });
    output::print(counts.collect(), output);
    let of_a_day = vec![
        ("redriven", summary.redriven.into()),
        ("applied", summary.applied.into()),
    ];
    output::print(vec![of_a_day], output);
    Ok(())
}

async fn show(letters: &mut DeadLetterServiceClient<Client>, letter: String, output: Output) -> anyhow::Result<()> {
    let request = GetDeadLetterRequest { letter_id: letter };
    let shown = letters.get_dead_letter(request).await?.into_inner();
    let bytes: String = shown.payload.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut fields = line(&shown.letter.context("an answer without a letter")?);
    fields.push(("event", shown.event.map(|event| format!("{event:#?}")).into()));
    fields.push(("payload_hex", bytes.into()));
    output::print_fields(fields, output);
    Ok(())
}

async fn redrive(
    letters: &mut DeadLetterServiceClient<Client>,
    mut request: RedriveDeadLettersRequest,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let (mut applied, mut failed) = (0, 0);
    loop {
        let answer = letters.redrive_dead_letters(request.clone()).await?.into_inner();
        let tried = answer.letters.iter().map(|letter| {
            let outcome = match (request.dry_run, letter.applied) {
                (true, _) => "would be tried",
                (false, true) => "applied",
                (false, false) => "failed",
            };
            vec![
                ("letter_id", letter.letter_id.as_str().into()),
                ("outcome", outcome.into()),
                ("error", letter.error.as_str().into()),
            ]
        });
        output::print(tried.collect(), output);
        applied += answer.applied;
        failed += answer.failed;
        if answer.next_page_token.is_empty() {
            break;
        }
        request.page_token = answer.next_page_token;
    }
    output::print(
        vec![vec![("applied", applied.into()), ("failed", failed.into())]],
        output,
    );
    Ok(output::success_if(failed == 0))
}

fn line(letter: &DeadLetter) -> Line {
    vec![
        ("letter_id", letter.letter_id.as_str().into()),
        ("state", state_name(letter.state()).into()),
        ("reason_class", class_name(letter.reason_class()).into()),
        ("owner", letter.owner.as_str().into()),
        ("consumer", letter.consumer.as_str().into()),
        ("type", letter.r#type.as_str().into()),
        ("subject", letter.subject.as_str().into()),
        ("version", letter.version.into()),
        ("attempts", letter.attempts.into()),
        ("first_at", time(letter.first_at.as_ref())),
        ("last_at", time(letter.last_at.as_ref())),
        ("redriven_at", time(letter.redriven_at.as_ref())),
        ("settled_at", time(letter.settled_at.as_ref())),
        ("operator", letter.operator.as_str().into()),
        ("why", letter.why.as_str().into()),
        ("event_id", letter.event_id.as_str().into()),
        ("error", letter.error.as_str().into()),
    ]
}
