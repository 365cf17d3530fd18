//! Page tokens: opaque, signed, and bound to the question they continue.

use crate::refusals;
use crate::signing::Signer;

const PURPOSE: &str = "page";

/// The page size where none is asked for.
pub const PAGE_SIZE_DEFAULT: i32 = 20;
/// The largest page; larger wishes are reduced to it.
pub const PAGE_SIZE_MAX: i32 = 100;

refusals! {
    /// Why a page cannot be given.
    pub enum PageRefusal {
        /// The token was changed, is another question's, or is another shop's.
        TokenInvalid {} => InvalidArgument "PAGE_TOKEN_INVALID",
            en "the page token does not belong to this request",
            ko "이 요청에 맞지 않는 페이지 토큰입니다", field "page_token",
    }
}

/// How many rows to return for a wished page size, which the contract's bounds keep from being negative.
#[must_use]
pub fn page_size(wished: i32) -> u32 {
    let size = if wished <= 0 {
        PAGE_SIZE_DEFAULT
    } else {
        wished.min(PAGE_SIZE_MAX)
    };
    size.unsigned_abs()
}

/// Makes the token that continues `question` (method, filter and sort, spelled out) behind `key`.
#[must_use]
pub fn seal(signer: &Signer, question: &str, key: &str) -> String {
    let payload = format!("{}\0{key}", question.replace('\0', ""));
    signer.seal(PURPOSE, payload.as_bytes())
}

/// The key after which to go on; `None` for the first page.
///
/// # Errors
/// `PAGE_TOKEN_INVALID` for a token of another question or another maker.
pub fn open(signer: &Signer, question: &str, token: &str) -> Result<Option<String>, PageRefusal> {
    if token.is_empty() {
        return Ok(None);
    }
    let payload = signer
        .open(PURPOSE, token)
        .and_then(|payload| String::from_utf8(payload).ok());
    let payload = payload.ok_or(PageRefusal::TokenInvalid {})?;
    match payload.split_once('\0') {
        Some((asked, key)) if asked == question.replace('\0', "") => Ok(Some(key.to_owned())),
        _ => Err(PageRefusal::TokenInvalid {}),
    }
}

/// The (key, id) behind which a page of `question` begins; `None` for the first page.
///
/// # Errors
/// As [`open`].
pub fn behind(signer: &Signer, question: &str, token: &str) -> Result<Option<(i64, String)>, PageRefusal> {
    let Some(last) = open(signer, question, token)? else {
        return Ok(None);
    };
    let parts = last
        .split_once('|')
        .and_then(|(key, id)| Some((key.parse().ok()?, id.to_owned())));
    Ok(Some(parts.ok_or(PageRefusal::TokenInvalid {})?))
}

/// Cuts the row that only shows that there is more, and makes the token of the next page from the last one left.
#[must_use]
pub fn next<T>(
    signer: &Signer,
    question: &str,
    rows: &mut Vec<T>,
    size: u32,
    key: impl FnOnce(&T) -> (i64, String),
) -> String {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if rows.len() <= size {
        return String::new();
    }
    rows.truncate(size);
    let last = rows.last().map(key);
    last.map_or_else(String::new, |(key, id)| seal(signer, question, &format!("{key}|{id}")))
}
