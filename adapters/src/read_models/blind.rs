//! Blind indexes: rows are found by a keyed hash of a value, so that the index does not reveal the value.

use std::fmt;
use std::sync::Arc;

use domain::ids::ClientId;
use domain::phone::Party;
use domain::privacy::{ERASED, Subject};
use projections::calls::LAST_DIGITS;
use uuid::Uuid;

use crate::sql::value::{Kind, Value};

/// The key of the hashes. `Debug` hides it.
#[derive(Clone)]
pub(super) struct Blind(Arc<[u8; 32]>);

impl Default for Blind {
    fn default() -> Self {
        Self::new([0; 32])
    }
}

impl fmt::Debug for Blind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<blind index>")
    }
}

impl Blind {
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self(Arc::new(key))
    }

    /// The hash to search for instead of the text; each client has another hash for the same text.
    pub(super) fn of(&self, client: ClientId, text: &str) -> Value<'static> {
        if text == ERASED {
            return Value::Null(Kind::Text);
        }
        let subject = Subject::Customer(format!("{}\n{text}", client.0));
        Value::Text(subject.pseudonym(&self.0).0.simple().to_string().into())
    }

    /// The value as it is stored: hashed if it is a blind one.
    pub(super) fn stored<'v>(&self, value: Value<'v>) -> Value<'v> {
        match value {
            Value::Blind(client, text) => self.of(ClientId(client), &text),
            value => value,
        }
    }
}

/// A client's text to be hashed for searching.
pub(super) fn blind(client: ClientId, text: Option<&str>) -> Value<'_> {
    let client: Uuid = client.0;
    text.map_or(Value::Null(Kind::Text), |text| Value::Blind(client, text.into()))
}

/// A party to be hashed for searching: the same hash for every form its number is written in.
pub(super) fn blind_party<'v>(client: ClientId, text: Option<&str>) -> Value<'v> {
    text.map_or(Value::Null(Kind::Text), |text| Value::Blind(client.0, normal(text).into()))
}

/// The last digits of a party's phone number, to be hashed for searching; null for parties without a number.
pub(super) fn blind_last_digits<'v>(client: ClientId, text: Option<&str>) -> Value<'v> {
    let number = text.filter(|text| *text != ERASED).and_then(|text| Party::new(text).number());
    let last = number.and_then(|number| last_digits(number.as_str()));
    last.map_or(Value::Null(Kind::Text), |last| Value::Blind(client.0, last.into()))
}

/// The search key for the end of a number, marked so that it differs from a whole number.
pub(super) fn last_digits(digits: &str) -> Option<String> {
    let from = digits.len().checked_sub(LAST_DIGITS)?;
    Some(format!("last digits {}", digits.get(from..)?))
}

/// The normal form of a party, for searching.
pub(super) fn normal(text: &str) -> String {
    if text == ERASED { text.to_owned() } else { Party::new(text).normal() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_depends_on_key_client_and_text_and_what_was_erased_has_none() {
        let text = |blind: &Blind, client: u128, text: &str| match blind
            .of(ClientId(Uuid::from_u128(client)), text)
        {
            Value::Text(text) => Some(text.into_owned()),
            _ => None,
        };
        let (one, other) = (Blind::new([1; 32]), Blind::new([2; 32]));
        let hash = text(&one, 1, "+12025550123");
        assert_eq!(hash, text(&one, 1, "+12025550123"));
        assert!(hash.as_ref().is_some_and(|hash| hash.len() == 32 && !hash.contains('+')));
        for differs in
            [text(&one, 2, "+12025550123"), text(&one, 1, "+12025550124"), text(&other, 1, "+12025550123")]
        {
            assert_ne!(hash, differs);
        }
        assert_eq!(text(&one, 1, ERASED), None);
    }
}
