//! A revision names the events of a command, so that a later query can wait until its view holds them.

use uuid::Uuid;

use crate::refusals;
use crate::signing::Signer;

/// The most events a revision names; of more, the last ones are kept.
pub const REVISION_EVENTS_MAX: usize = 16;

const PURPOSE: &str = "revision";

refusals! {
    /// Why a revision cannot be used.
    pub enum RevisionRefusal {
        /// The token was not made by this shop, or was changed.
        Invalid {} => InvalidArgument "REVISION_INVALID",
            en "the revision was not issued by this shop",
            ko "이 상점에서 발급한 리비전이 아닙니다", field "revision",
    }
}

/// The events a caller wants to see in what it reads next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revision {
    events: Vec<Uuid>,
}

impl Revision {
    /// Reads a token; the empty one names no events.
    ///
    /// # Errors
    /// `REVISION_INVALID` for a token that is not ours.
    pub fn open(token: &str, signer: &Signer) -> Result<Self, RevisionRefusal> {
        if token.is_empty() {
            return Ok(Self::default());
        }
        let payload = signer.open(PURPOSE, token).ok_or(RevisionRefusal::Invalid {})?;
        let events = payload.chunks(16).map(Uuid::from_slice).collect::<Result<Vec<_>, _>>();
        let events = events.map_err(|_| RevisionRefusal::Invalid {})?;
        Ok(Self { events })
    }

    /// The opaque token of this revision.
    #[must_use]
    pub fn seal(&self, signer: &Signer) -> String {
        let payload: Vec<u8> = self.events.iter().flat_map(|event| *event.as_bytes()).collect();
        signer.seal(PURPOSE, &payload)
    }

    /// Adds an event.
    pub fn add(&mut self, event_id: Uuid) {
        if !self.events.contains(&event_id) {
            self.events.push(event_id);
        }
        if self.events.len() > REVISION_EVENTS_MAX {
            self.events.remove(0);
        }
    }

    /// Adds the events of another revision.
    pub fn extend(&mut self, other: &Self) {
        for event in &other.events {
            self.add(*event);
        }
    }

    /// The ids of the named events.
    #[must_use]
    pub fn events(&self) -> &[Uuid] {
        &self.events
    }
}
