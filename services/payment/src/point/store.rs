//! The tables of points: accounts, entries and holds.

use kit::context::Context;
use kit::database::{Sql, WriteTransaction};
use kit::id::new_id;
use kit::refusal::Failure;
use kit::values;
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::{Account, BALANCE_MINOR_UNITS_MAX, Balance, Hold, HoldState, Step};

/// What keys a movement, so that it happens once.
pub(super) enum Key<'a> {
    Funding(&'a str),
    Order(&'a str),
}

/// An account as a movement left it.
#[derive(FromQueryResult)]
pub(super) struct Moved {
    pub(super) version: i64,
    pub(super) available: i64,
    pub(super) held: i64,
}

impl Moved {
    pub(super) fn balance(&self) -> Balance {
        Balance {
            available: self.available,
            held: self.held,
        }
    }
}

#[derive(FromQueryResult)]
struct AccountRow {
    available: i64,
    held: i64,
}

#[derive(FromQueryResult)]
struct HoldRow {
    order_id: String,
    user_id: String,
    amount: i64,
    state: String,
}

/// A charge that was made.
#[derive(FromQueryResult)]
pub(super) struct Charge {
    pub(super) user_id: String,
    pub(super) amount: i64,
}

/// The subject of a user's point facts.
pub(super) fn subject(user_id: &str) -> String {
    format!("points/{user_id}")
}

/// The points of a user; of one never heard of, none.
pub(super) async fn balance(connection: &impl ConnectionTrait, user_id: &str) -> Result<Balance, Failure> {
    let sql = "SELECT available, held FROM point_accounts WHERE user_id = $1";
    let row: Option<AccountRow> = connection.find(sql, values![user_id]).await?;
    Ok(row.map_or(Balance { available: 0, held: 0 }, |row| Balance {
        available: row.available,
        held: row.held,
    }))
}

/// Writes the two entries of a movement; `false` when its key has moved before.
pub(super) async fn enter(
    transaction: &WriteTransaction,
    user_id: &str,
    step: Step,
    key: &Key<'_>,
    amount: i64,
) -> Result<bool, Failure> {
    let (less, more) = step.accounts();
    let (order_id, funding_reference) = match key {
        Key::Order(order_id) => (Some(*order_id), None),
        Key::Funding(reference) => (None, Some(*reference)),
    };
    let now = transaction.context().now.as_microsecond();
    let movement = new_id();
    let sql = "INSERT INTO point_entries
            (movement_id, account, user_id, step, order_id, funding_reference, amount, recorded_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8), ($1, $9, $3, $4, $5, $6, $10, $8)
        ON CONFLICT DO NOTHING";
    let values = values![
        movement,
        less.name(),
        user_id,
        step.name(),
        order_id,
        funding_reference,
        -amount,
        now,
        more.name(),
        amount,
    ];
    Ok(transaction.run(sql, values).await? == 2)
}

/// Moves points between a user's accounts, if there are enough of them and not too many; makes the account if need be.
pub(super) async fn shift(
    transaction: &WriteTransaction,
    user_id: &str,
    step: Step,
    amount: i64,
) -> Result<Option<Moved>, Failure> {
    let sql =
        "INSERT INTO point_accounts (user_id, version, available, held) VALUES ($1, 0, 0, 0) ON CONFLICT DO NOTHING";
    transaction.run(sql, values![user_id]).await?;
    // only a charge is bounded above: nothing may keep a user from getting back what is hers
    let maximum = if step == Step::Charge {
        BALANCE_MINOR_UNITS_MAX
    } else {
        i64::MAX
    };
    let sql = "UPDATE point_accounts SET version = version + 1, available = available + $2, held = held + $3
        WHERE user_id = $1 AND available + $2 >= 0 AND held + $3 >= 0 AND available + held <= $4
        RETURNING version, available, held";
    let (available, held) = (
        step.change(Account::Available, amount),
        step.change(Account::Held, amount),
    );
    Ok(transaction
        .find(sql, values![user_id, available, held, maximum.saturating_sub(amount)])
        .await?)
}

/// The charge that a funding reference paid for.
pub(super) async fn charge(connection: &impl ConnectionTrait, reference: &str) -> Result<Option<Charge>, Failure> {
    let sql = "SELECT user_id, amount FROM point_entries WHERE funding_reference = $1 AND account = 'AVAILABLE'";
    Ok(connection.find(sql, values![reference]).await?)
}

/// Stores a hold of an order that has none; `false` when it has one.
pub(super) async fn insert_hold(transaction: &WriteTransaction, hold: &Hold) -> Result<bool, Failure> {
    let sql =
        "INSERT INTO point_holds (order_id, user_id, amount, state) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    let values = values![
        hold.order_id.as_str(),
        hold.user_id.as_str(),
        hold.amount,
        hold.state.name()
    ];
    Ok(transaction.run(sql, values).await? == 1)
}

/// The hold of an order, locked.
pub(super) async fn lock_hold(transaction: &WriteTransaction, order_id: &str) -> Result<Option<Hold>, Failure> {
    let lock = transaction.for_update();
    let sql = format!("SELECT order_id, user_id, amount, state FROM point_holds WHERE order_id = $1{lock}");
    let row: Option<HoldRow> = transaction.find(&sql, values![order_id]).await?;
    row.map(|row| {
        let state = HoldState::from_name(&row.state)?;
        Ok(Hold {
            order_id: row.order_id,
            user_id: row.user_id,
            amount: row.amount,
            state,
        })
    })
    .transpose()
}

/// As [`lock_hold`], of this user and no other.
pub(super) async fn lock_hold_of(
    transaction: &WriteTransaction,
    context: &Context,
    order_id: &str,
) -> Result<Option<Hold>, Failure> {
    let user_id = context.user()?;
    Ok(lock_hold(transaction, order_id)
        .await?
        .filter(|hold| hold.user_id == user_id))
}

/// Moves what an order holds to where its new state says.
pub(super) async fn move_hold(
    transaction: &WriteTransaction,
    hold: &Hold,
    state: HoldState,
    step: Step,
) -> Result<Moved, Failure> {
    let sql = "UPDATE point_holds SET state = $2 WHERE order_id = $1";
    transaction
        .run(sql, values![hold.order_id.as_str(), state.name()])
        .await?;
    let fresh = enter(
        transaction,
        &hold.user_id,
        step,
        &Key::Order(&hold.order_id),
        hold.amount,
    )
    .await?;
    let moved = shift(transaction, &hold.user_id, step, hold.amount).await?;
    match moved {
        Some(moved) if fresh => Ok(moved),
        _ => Err(anyhow::anyhow!("points of order {} do not add up at {step:?}", hold.order_id).into()),
    }
}

impl Account {
    fn name(self) -> &'static str {
        match self {
            Self::Available => "AVAILABLE",
            Self::Held => "HELD",
            Self::Outside => "OUTSIDE",
        }
    }
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Charge => "CHARGE",
            Self::Hold => "HOLD",
            Self::Settle => "SETTLE",
            Self::Release => "RELEASE",
            Self::Refund => "REFUND",
        }
    }
}

impl HoldState {
    const ALL: [Self; 4] = [Self::Held, Self::Settled, Self::Released, Self::Refunded];

    fn name(self) -> &'static str {
        match self {
            Self::Held => "HELD",
            Self::Settled => "SETTLED",
            Self::Released => "RELEASED",
            Self::Refunded => "REFUNDED",
        }
    }

    fn from_name(name: &str) -> Result<Self, Failure> {
        let state = Self::ALL.into_iter().find(|state| state.name() == name);
        state.ok_or_else(|| anyhow::anyhow!("unknown state of a hold: {name}").into())
    }
}
