//! Opaque tokens that only we can make: page tokens and revisions carry a signature, two keys are accepted at once.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const SIGNATURE_BYTES: usize = 16;

/// Signs with the first of its keys and accepts all of them, so that a key can be changed without a break.
#[derive(Clone)]
pub struct Signer {
    keys: Vec<Vec<u8>>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Signer({} keys)", self.keys.len())
    }
}

impl Signer {
    /// A signer for the current key and the one before it, if any; each of 16 bytes or more.
    #[must_use]
    pub fn new(current: Vec<u8>, previous: Option<Vec<u8>>) -> Self {
        Self {
            keys: std::iter::once(current).chain(previous).collect(),
        }
    }

    /// The token for a payload; `purpose` keeps a token of one kind from being taken for another.
    #[must_use]
    pub fn seal(&self, purpose: &str, payload: &[u8]) -> String {
        let mut token = self.mac(&self.keys[0], purpose, payload).finalize().into_bytes()[..SIGNATURE_BYTES].to_vec();
        token.extend_from_slice(payload);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// The payload of a token that one of our keys signed for this purpose.
    #[must_use]
    pub fn open(&self, purpose: &str, token: &str) -> Option<Vec<u8>> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (signature, payload) = bytes.split_at_checked(SIGNATURE_BYTES)?;
        let signed = self.keys.iter().any(|key| {
            let mac = self.mac(key, purpose, payload);
            mac.verify_truncated_left(signature).is_ok()
        });
        signed.then(|| payload.to_vec())
    }

    fn mac(&self, key: &[u8], purpose: &str, payload: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(payload);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_only_unchanged_for_its_purpose_and_with_one_of_two_keys() {
        let old = Signer::new(vec![1; 32], None);
        let new = Signer::new(vec![2; 32], Some(vec![1; 32]));
        let token = old.seal("page", b"payload");
        assert_eq!(new.open("page", &token).as_deref(), Some(&b"payload"[..]));
        assert_eq!(new.open("revision", &token), None);
        assert_eq!(Signer::new(vec![3; 32], None).open("page", &token), None);
        let mut flipped = token.into_bytes();
        flipped[25] = if flipped[25] == b'A' { b'B' } else { b'A' };
        assert_eq!(new.open("page", std::str::from_utf8(&flipped).unwrap()), None);
    }
}
