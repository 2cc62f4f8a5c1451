//! Phone numbers and the other ways a carrier names a party of a call.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A phone number in E.164 (ITU-T): `+`, a country code that does not begin with 0, 7 to 15 digits in all.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct E164(String);

/// The text is not a number in E.164.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a phone number in E.164, like +12025550123")]
pub struct BadNumber;

impl E164 {
    /// The number with its `+`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for E164 {
    type Err = BadNumber;

    fn from_str(text: &str) -> Result<Self, BadNumber> {
        let digits = text.strip_prefix('+').ok_or(BadNumber)?;
        let right_length = (7..=15).contains(&digits.len());
        if right_length && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadNumber)
        }
    }
}

impl TryFrom<String> for E164 {
    type Error = BadNumber;

    fn try_from(text: String) -> Result<Self, BadNumber> {
        text.parse()
    }
}

impl From<E164> for String {
    fn from(number: E164) -> String {
        number.0
    }
}

impl fmt::Debug for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("E164(…)")
    }
}

/// What a carrier may call a party: a number in E.164, a SIP URI, or free text (`anonymous`, an extension).
///
/// Never refused, at most 256 bytes are kept.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Party(String);

impl Party {
    /// Takes what the carrier said.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let end = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|&end| end <= 256).last();
        Self(text[..end.unwrap_or(0)].to_owned())
    }

    /// As the carrier wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As a number in E.164, if it is one.
    #[must_use]
    pub fn number(&self) -> Option<E164> {
        self.0.parse().ok()
    }

    /// Whether a call can be placed to it: E.164 or a SIP URI (RFC 3261 §19.1) with a host.
    #[must_use]
    pub fn is_dialable(&self) -> bool {
        let sip = self.0.strip_prefix("sip:").or_else(|| self.0.strip_prefix("sips:"));
        let uri = |rest: &str| {
            let host = rest.split_once('@').map_or(rest, |(_, host)| host);
            !host.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic())
        };
        self.number().is_some() || sip.is_some_and(uri)
    }
}

impl fmt::Debug for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Party(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_e164_or_refused() {
        for good in ["+12025550123", "+4915112345678", "+2901234"] {
            assert_eq!(good.parse::<E164>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "+",
            "12025550123",
            "+0123456789",
            "+1 202 555 0123",
            "+123456",
            "+1234567890123456",
            "+1202555٠123",
        ] {
            assert_eq!(bad.parse::<E164>(), Err(BadNumber), "{bad}");
        }
    }

    #[test]
    fn a_party_is_dialable_as_a_number_or_a_sip_uri() {
        for (text, dialable) in [
            ("+12025550123", true),
            ("sip:desk@pbx.example.test", true),
            ("sips:pbx.example.test", true),
            ("sip:", false),
            ("sip:a b@c", false),
            ("anonymous", false),
        ] {
            assert_eq!(Party::new(text).is_dialable(), dialable, "{text}");
        }
    }

    #[test]
    fn an_endless_party_is_cut_between_characters() {
        assert_eq!(Party::new(&"é".repeat(200)).as_str().len(), 256);
        assert_eq!(Party::new(&"a".repeat(300)).as_str().len(), 256);
    }
}
