//! Cards whose fate is fixed in every profile: no dice decide about them, so that demonstrations and tests know what comes.
//!
//! | token in embedded mode | card number | what happens |
//! |---|---|---|
//! | `test-approve` | `1111-2222-3333-0001` | approved |
//! | `test-limit` | `1111-2222-3333-0002` | declined, limit exceeded |
//! | `test-invalid` | `1111-2222-3333-0003` | declined, invalid card |
//! | `test-captured-timeout` | `1111-2222-3333-0004` | approved, but the answer to the POST never comes; the callback does |
//! | `test-lost-callback` | `1111-2222-3333-0005` | approved and answered, but the callback never comes |
//! | `test-wrong-amount` | `1111-2222-3333-0006` | approved, but for another amount |
//! | `test-refund-timeout` | `1111-2222-3333-0007` | approved; the first refund is made, but never answered |
//!
//! Any card type will do. Delays are the profile's. Other cards are given a fate at run time: see [`crate::control`].

use crate::mode::Mode;

/// Always approved.
pub const APPROVE: &str = "1111-2222-3333-0001";
/// Always declined: limit exceeded.
pub const LIMIT: &str = "1111-2222-3333-0002";
/// Always declined: invalid card.
pub const INVALID: &str = "1111-2222-3333-0003";
/// Approved, but the POST is never answered.
pub const CAPTURED_TIMEOUT: &str = "1111-2222-3333-0004";
/// Approved, but no callback is sent.
pub const LOST_CALLBACK: &str = "1111-2222-3333-0005";
/// Approved for another amount.
pub const WRONG_AMOUNT: &str = "1111-2222-3333-0006";
/// Approved; the first refund is made, but never answered.
pub const REFUND_TIMEOUT: &str = "1111-2222-3333-0007";

/// Number and fate of every such card.
pub const ALL: &[(&str, &[Mode])] = &[
    (APPROVE, &[]),
    (LIMIT, &[Mode::LimitExceeded]),
    (INVALID, &[Mode::InvalidCard]),
    (CAPTURED_TIMEOUT, &[Mode::CapturedTimeout]),
    (LOST_CALLBACK, &[Mode::CallbackLost]),
    (WRONG_AMOUNT, &[Mode::WrongAmount]),
    (REFUND_TIMEOUT, &[Mode::CancelTimeoutDone]),
];
