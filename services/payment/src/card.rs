//! Card numbers: sealed as they arrive, opened only to be sent to the gateway, and forgotten when they have served.

pub(crate) mod store;
pub(crate) mod tokenize_card;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use kit::refusals;

/// Hours after which a number is forgotten even if nobody used it.
pub(crate) const CARD_HOURS_MAX: i64 = 24;
const NONCE_BYTES: usize = 24;

refusals! {
    /// Why a card cannot be used.
    pub enum CardRefusal {
        /// There is no such token, it is another user's, or its time is over.
        TokenNotFound {} => NotFound "CARD_TOKEN_NOT_FOUND",
            en "there is no such card token, or its time is over",
            ko "카드 토큰을 찾을 수 없거나 만료되었습니다",
    }
}

/// Cards whose fate at the gateway simulator is fixed: token and number, as its documentation lists them.
pub(crate) const TEST_CARDS: &[(&str, &str)] = &[
    ("test-approve", "1111-2222-3333-0001"),
    ("test-limit", "1111-2222-3333-0002"),
    ("test-invalid", "1111-2222-3333-0003"),
    ("test-captured-timeout", "1111-2222-3333-0004"),
    ("test-lost-callback", "1111-2222-3333-0005"),
];

/// Seals with the first key and opens with any, so that a key can be changed while numbers are sealed.
#[derive(Clone)]
pub(crate) struct Vault {
    keys: Vec<[u8; 32]>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Vault({} keys)", self.keys.len())
    }
}

impl Vault {
    pub fn new(keys: Vec<[u8; 32]>) -> Self {
        Self { keys }
    }

    /// The number under our key, bound to its token.
    pub fn seal(&self, token: &str, number: &str) -> anyhow::Result<Vec<u8>> {
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let key = self
            .keys
            .first()
            .ok_or_else(|| anyhow::anyhow!("no key to seal with"))?;
        let payload = Payload {
            msg: number.as_bytes(),
            aad: token.as_bytes(),
        };
        let sealed = XChaCha20Poly1305::new(key.into()).encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| anyhow::anyhow!("the card could not be sealed"))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// The number, if one of our keys sealed it for this token.
    pub fn open(&self, token: &str, sealed: &[u8]) -> anyhow::Result<String> {
        let split = sealed.split_first_chunk::<NONCE_BYTES>();
        let (nonce, sealed) = split.ok_or_else(|| anyhow::anyhow!("a sealed card is too short"))?;
        let opened = self.keys.iter().find_map(|key| {
            let payload = Payload {
                msg: sealed,
                aad: token.as_bytes(),
            };
            XChaCha20Poly1305::new(key.into())
                .decrypt(&XNonce::from(*nonce), payload)
                .ok()
        });
        let number = opened.ok_or_else(|| anyhow::anyhow!("no key of ours opens the card"))?;
        Ok(String::from_utf8(number)?)
    }
}

/// The four digits that may be shown.
pub(crate) fn last_four(number: &str) -> String {
    number.chars().skip(number.chars().count().saturating_sub(4)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_opens_only_for_its_token_and_with_a_known_key() {
        let old = Vault::new(vec![[1; 32]]);
        let sealed = old.seal("token", "1234-5678-9012-3456").unwrap();
        assert!(!sealed.windows(4).any(|window| window == b"3456"));
        let both = Vault::new(vec![[2; 32], [1; 32]]);
        assert_eq!(both.open("token", &sealed).unwrap(), "1234-5678-9012-3456");
        assert!(both.open("other", &sealed).is_err());
        assert!(Vault::new(vec![[2; 32]]).open("token", &sealed).is_err());
        assert!(both.open("token", &sealed[..10]).is_err());
    }

    #[test]
    fn only_the_last_four_digits_are_shown() {
        assert_eq!(last_four("1234-5678-9012-3456"), "3456");
    }
}
