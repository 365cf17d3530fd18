//! What must be true, in every state or where nobody has anything left to do.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use stateright::{Model, Property};

use crate::Bounds;
use crate::gateway::Transaction;
use crate::holding::Standing;
use crate::order::OrderState;
use crate::protocol::{Checkouts, State};

/// The properties of the protocol, by name.
pub(crate) fn all(bounds: &Bounds) -> Vec<Property<Checkouts>> {
    let mut properties = vec![
        Property::<Checkouts>::always("stock and points are conserved", |_, state| {
            state.stock.is_conserved() && state.points.is_conserved()
        }),
        Property::<Checkouts>::always("money goes back at most once", |_, state| {
            transactions(state).all(|(_, transaction)| transaction.cancelled <= u8::from(transaction.is_taken()))
        }),
        Property::<Checkouts>::always("an end is final", |_, state| !state.broken.end_left),
        Property::<Checkouts>::always("a checkout turns at most once", |_, state| !state.broken.turned_back),
        Property::<Checkouts>::always("what must be done is not refused", |_, state| {
            !state.broken.refused_for_good
        }),
        Property::<Checkouts>::always("an attempt that is open is the order's", |_, state| {
            let awaits = state.order.state == OrderState::AwaitingPayment;
            let known = |attempt| state.order.attempt_open && attempt == state.order.attempt;
            !awaits || state.open_attempts().all(known)
        }),
        Property::<Checkouts>::always("at rest an order is decided", |_, state| {
            let decided = !matches!(state.order.state, OrderState::Placed | OrderState::Refunding);
            !state.is_quiet() || (decided && !state.order.attempt_open)
        }),
        Property::<Checkouts>::always("at rest money is kept only for what it paid", |_, state| {
            let paid = state.order.state == OrderState::Paid;
            let paid_by = |attempt| paid && state.order.attempt == attempt;
            !state.is_quiet() || kept(state).all(paid_by)
        }),
        Property::<Checkouts>::always(
            "at rest a paid order keeps one capture, and has all it took",
            |_, state| !state.is_quiet() || state.order.state != OrderState::Paid || has_what_it_paid(state),
        ),
        Property::<Checkouts>::always("at rest an order that is over holds nothing", |_, state| {
            !state.is_quiet() || !state.order.has_ended() || (state.stock.is_back() && state.points.is_back())
        }),
        Property::<Checkouts>::always("what can go no further is at rest", |model, state| {
            state.is_quiet() || can_go_on(model, state)
        }),
    ];
    let mut add = |may_happen, name, condition| {
        if may_happen {
            properties.push(Property::sometimes(name, condition));
        }
    };
    add(true, "an order is paid", |_, state| {
        state.order.state == OrderState::Paid
    });
    add(bounds.cancels, "a paid order is cancelled", |_, state| {
        state.order.paid && state.order.state == OrderState::Cancelled
    });
    add(
        bounds.cancels,
        "an order is captured after it was cancelled",
        |_, state| !state.order.paid && state.order.state == OrderState::Cancelled && kept(state).count() == 1,
    );
    add(bounds.expires, "an order expires", |_, state| {
        state.order.state == OrderState::Expired
    });
    add(bounds.attempts > 1, "a second attempt pays", |_, state| {
        state.order.state == OrderState::Paid && state.order.attempt == 2
    });
    add(bounds.gateway > 0, "an attempt is captured twice", |_, state| {
        state.book[0].iter().all(Transaction::is_taken)
    });
    properties
}

fn has_what_it_paid(state: &State) -> bool {
    let standings = [state.stock.standing, state.points.standing];
    kept(state).count() == 1 && standings == [Standing::Spent; 2]
}

fn can_go_on(model: &Checkouts, state: &State) -> bool {
    let mut actions = Vec::new();
    model.actions(state, &mut actions);
    let mut next = actions.into_iter().filter_map(|action| model.next_state(state, action));
    next.any(|next| next != *state)
}

fn transactions(state: &State) -> impl Iterator<Item = (u8, &Transaction)> {
    (1..)
        .zip(&state.book)
        .flat_map(|(attempt, book)| book.iter().map(move |transaction| (attempt, transaction)))
}

/// The captures that are still there, by the attempt that made them.
fn kept(state: &State) -> impl Iterator<Item = u8> {
    transactions(state)
        .filter(|(_, transaction)| transaction.is_kept())
        .map(|(attempt, _)| attempt)
}

/// What following every way to its end has shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rest {
    /// States that were reached.
    pub states: usize,
    /// States from which nothing leads on.
    pub ends: usize,
    /// Whether a way leads back to where it was.
    pub circles: bool,
}

/// Follows every way to its end. Where none goes in a circle, each of them ends, and where they end is at rest if the
/// property says so of all states: then every order comes to rest, whatever happens on the way.
pub fn follow_all(model: &Checkouts) -> Rest {
    let mut rest = Rest::default();
    // whether the state is on the way that is being followed
    let mut seen: HashMap<u64, bool> = HashMap::new();
    let next_states = |state: &State| {
        let mut next = model.next_states(state);
        next.retain(|next| next != state);
        next
    };
    for start in model.init_states() {
        let mut way = vec![(start, next_states(&start))];
        seen.insert(hash(&start), true);
        while let Some((state, ahead)) = way.last_mut() {
            let Some(next) = ahead.pop() else {
                seen.insert(hash(state), false);
                way.pop();
                continue;
            };
            match seen.get(&hash(&next)) {
                Some(on_way) => rest.circles |= on_way,
                None => {
                    let ahead = next_states(&next);
                    rest.ends += usize::from(ahead.is_empty());
                    seen.insert(hash(&next), true);
                    way.push((next, ahead));
                }
            }
        }
    }
    rest.states = seen.len();
    rest
}

fn hash(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}
