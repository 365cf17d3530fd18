//! The protocol holds in every order of events within each of these bounds, and every order comes to rest.
//!
//! The faults are bounded and the rest makes progress, so no way goes in a circle: `follow_all` makes sure of it. Then
//! every way ends, and "what can go no further is at rest" is a property of single states.

use model::{Bounds, Checkouts, follow_all};
use stateright::{Checker, Model};

/// Two attempts to pay.
const TWO: Bounds = Bounds {
    attempts: 2,
    cancels: true,
    expires: true,
    ..NOTHING
};
/// One attempt to pay, where there are more faults.
const ONE: Bounds = Bounds { attempts: 1, ..TWO };
const NOTHING: Bounds = Bounds {
    attempts: 1,
    stalls: 0,
    calls: 0,
    gateway: 0,
    repeats: 0,
    looks: 0,
    refusals: 0,
    cancels: false,
    expires: false,
    wrong_amounts: false,
    posts_leave_late: false,
};

/// All properties hold in all states, which are at least so many: a model in which little can happen proves little.
fn keeps(model: Checkouts, states_min: usize) -> usize {
    let bounds = model.bounds;
    let checker = model.checker().spawn_dfs().join();
    let states = checker.unique_state_count();
    println!(
        "{states} states, ways of up to {} steps: {bounds:?}",
        checker.max_depth()
    );
    checker.assert_properties();
    assert!(states >= states_min, "only {states} states");
    states
}

/// The properties hold, and every way ends.
fn holds(bounds: Bounds, states_min: usize) {
    let model = Checkouts { bounds, defect: None };
    let states = keeps(model, states_min);
    let rest = follow_all(&model);
    assert_eq!(rest.states, states);
    assert!(!rest.circles, "a way leads back to where it was");
    assert!(rest.ends > 0);
}

#[test]
fn the_user_cancels_or_lets_the_time_run_out_at_any_moment() {
    holds(TWO, 50_000);
}

#[test]
fn a_worker_or_driver_dies_or_stalls() {
    holds(Bounds { stalls: 1, ..TWO }, 500_000);
}

#[test]
fn a_call_arrives_late_or_twice_or_loses_its_answer() {
    holds(Bounds { calls: 1, ..TWO }, 1_000_000);
}

#[test]
fn a_call_arrives_late_while_workers_stall() {
    let bounds = Bounds {
        calls: 1,
        stalls: 1,
        ..ONE
    };
    holds(bounds, 1_500_000);
}

#[test]
fn facts_arrive_again_and_services_say_no() {
    let bounds = Bounds {
        repeats: 2,
        refusals: 1,
        ..TWO
    };
    holds(bounds, 300_000);
}

#[test]
fn the_gateway_loses_an_answer_of_one_of_two_attempts() {
    holds(Bounds { gateway: 1, ..TWO }, 500_000);
}

#[test]
fn the_gateway_lies_is_late_and_takes_another_amount() {
    let bounds = Bounds {
        gateway: 4,
        wrong_amounts: true,
        ..ONE
    };
    holds(bounds, 500_000);
}

#[test]
fn the_gateway_loses_an_answer_while_drivers_stall() {
    let bounds = Bounds {
        gateway: 1,
        stalls: 1,
        ..ONE
    };
    holds(bounds, 1_000_000);
}

#[test]
fn a_driver_looks_before_there_is_news() {
    let bounds = Bounds {
        gateway: 2,
        looks: 1,
        ..ONE
    };
    holds(bounds, 700_000);
}

#[test]
fn the_gateway_loses_an_answer_and_a_call_arrives_late() {
    let bounds = Bounds {
        gateway: 1,
        calls: 1,
        ..ONE
    };
    holds(bounds, 1_500_000);
}

#[test]
fn workers_and_drivers_die_or_stall_twice() {
    holds(Bounds { stalls: 2, ..TWO }, 2_500_000);
}

#[test]
fn the_gateway_lies_and_is_late_while_drivers_stall() {
    let bounds = Bounds {
        gateway: 2,
        stalls: 1,
        wrong_amounts: true,
        ..ONE
    };
    holds(bounds, 3_000_000);
}

/// Also with a user who cancels, and with the time running out, where `JANGTEO_MODEL_WHOLE` is set: that takes minutes, and a gigabyte.
#[test]
#[expect(clippy::disallowed_methods, reason = "a setting of the test, not of the shop")]
fn everything_goes_wrong_once() {
    let whole = std::env::var_os("JANGTEO_MODEL_WHOLE").is_some();
    let bounds = Bounds {
        stalls: 1,
        calls: 1,
        gateway: 1,
        repeats: 1,
        refusals: 1,
        cancels: whole,
        expires: whole,
        ..ONE
    };
    let states_min = if whole { 50_000_000 } else { 300_000 };
    keeps(Checkouts { bounds, defect: None }, states_min);
}
