//! The place of notifications: a policy that decides from facts which message goes to whom, and the senders that deliver it.
//!
//! Nothing is sent yet. The policy will react to facts of the bus, as `order::reactions` does, and own its tables.
