//! Where a user is reached. Users have no service here, so this is the one place that a directory of them would change.

/// Finds the recipient of a message, at the moment it is sent: nothing of it is stored, told or logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contacts {
    /// The channel's service knows users by the id that the identity provider gave them.
    ByUserId,
}

impl Contacts {
    /// The recipient as the channel's service takes it; `None` where the user has none.
    pub(crate) fn find(self, user_id: &str) -> Option<String> {
        match self {
            Self::ByUserId => Some(user_id.to_owned()).filter(|recipient| !recipient.is_empty()),
        }
    }
}
