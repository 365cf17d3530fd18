//! Card numbers: sealed as they arrive, opened only to be sent to the gateway, and forgotten when they have served.

pub(crate) mod store;
pub(crate) mod tokenize_card;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use kit::refusals;
use sha2::Sha256;

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
const TEST_CARDS: &[(&str, &str)] = &[
    ("test-approve", "1111-2222-3333-0001"),
    ("test-limit", "1111-2222-3333-0002"),
    ("test-invalid", "1111-2222-3333-0003"),
    ("test-captured-timeout", "1111-2222-3333-0004"),
    ("test-lost-callback", "1111-2222-3333-0005"),
    ("test-wrong-amount", "1111-2222-3333-0006"),
    ("test-refund-timeout", "1111-2222-3333-0007"),
];

/// A whole number, shown to nobody but the gateway.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct CardNumber(String);

impl std::fmt::Debug for CardNumber {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("CardNumber(…)")
    }
}

impl CardNumber {
    pub(crate) fn new(number: String) -> Self {
        Self(number)
    }

    /// The number of a card of fixed fate.
    pub(crate) fn of_test_card(token: &str) -> Option<Self> {
        let (_, number) = TEST_CARDS.iter().find(|(known, _)| *known == token)?;
        Some(Self((*number).to_owned()))
    }

    /// `dddd-dddd-dddd-dddd`, for the gateway alone.
    pub(crate) fn digits(&self) -> &str {
        &self.0
    }

    /// The four digits that may be shown.
    pub(crate) fn last_four(&self) -> String {
        self.0.rsplit('-').next().unwrap_or_default().to_owned()
    }
}

/// The keys that card numbers are sealed with; the earlier ones only open, so that keys can be changed.
#[derive(Clone)]
pub(crate) struct Vault {
    current: [u8; 32],
    earlier: Vec<[u8; 32]>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Vault(…)")
    }
}

impl Vault {
    /// # Errors
    /// When there is no key.
    pub(crate) fn new(keys: &[[u8; 32]]) -> anyhow::Result<Self> {
        let split = keys.split_first();
        let (current, earlier) = split.ok_or_else(|| anyhow::anyhow!("there is no key to seal card numbers with"))?;
        Ok(Self {
            current: *current,
            earlier: earlier.to_vec(),
        })
    }

    /// The number under our key, bound to its token.
    pub(crate) fn seal(&self, token: &str, number: &CardNumber) -> anyhow::Result<Vec<u8>> {
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let payload = Payload {
            msg: number.0.as_bytes(),
            aad: token.as_bytes(),
        };
        let sealed = XChaCha20Poly1305::new((&self.current).into()).encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| anyhow::anyhow!("the card could not be sealed"))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// The number, if one of our keys sealed it for this token.
    pub(crate) fn open(&self, token: &str, sealed: &[u8]) -> anyhow::Result<CardNumber> {
        let split = sealed.split_first_chunk::<NONCE_BYTES>();
        let (nonce, sealed) = split.ok_or_else(|| anyhow::anyhow!("a sealed card is too short"))?;
        let opened = std::iter::once(&self.current).chain(&self.earlier).find_map(|key| {
            let payload = Payload {
                msg: sealed,
                aad: token.as_bytes(),
            };
            XChaCha20Poly1305::new(key.into())
                .decrypt(&XNonce::from(*nonce), payload)
                .ok()
        });
        let number = opened.ok_or_else(|| anyhow::anyhow!("no key of ours opens the card"))?;
        let number = String::from_utf8(number).map_err(|_| anyhow::anyhow!("a sealed card is not text"))?;
        Ok(CardNumber(number))
    }

    /// A digest under our key. A bare one of something that holds a card number can be searched through.
    pub(crate) fn digest(&self, bytes: &[u8]) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.current).expect("HMAC takes keys of any length");
        mac.update(bytes);
        mac.finalize().into_bytes().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(keys: &[[u8; 32]]) -> Vault {
        Vault::new(keys).unwrap()
    }

    fn number() -> CardNumber {
        CardNumber::new("1234-5678-9012-3456".to_owned())
    }

    #[test]
    fn a_number_opens_only_for_its_token_and_with_one_of_our_keys() {
        let sealed = vault(&[[1; 32]]).seal("token", &number()).unwrap();
        assert!(!sealed.windows(4).any(|window| window == b"3456"));
        let both = vault(&[[2; 32], [1; 32]]);
        assert_eq!(both.open("token", &sealed).unwrap(), number());
        assert!(both.open("other", &sealed).is_err());
        assert!(vault(&[[2; 32]]).open("token", &sealed).is_err());
        assert!(both.open("token", &sealed[..10]).is_err());
        assert!(Vault::new(&[]).is_err());
    }

    #[test]
    fn only_the_last_four_digits_are_shown() {
        assert_eq!(number().last_four(), "3456");
        assert!(!format!("{:?} {:?}", number(), vault(&[[7; 32]])).contains(['1', '7']));
    }
}
