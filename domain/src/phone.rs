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
/// Any text is accepted; at most 256 bytes of it are kept.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Party(String);

impl Party {
    /// Keeps the first 256 bytes, cut between characters.
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

    /// The number in E.164 it stands for, however a carrier writes it: with or without `+` or `00`, spaced, as the
    /// user of a SIP URI, as a `tel:` URI (RFC 3966), with parameters or a display name. `None` where it is no
    /// number or its country is not known.
    #[must_use]
    pub fn number(&self) -> Option<E164> {
        match written(&self.0)? {
            Written::International(digits) => digits.parse().ok(),
            Written::Bare(digits) if digits.len() >= WITH_COUNTRY => format!("+{digits}").parse().ok(),
            Written::Bare(_) => None,
        }
    }

    /// The digits of a number that does not say whether it begins with a country code: it may be written as it is
    /// dialled within a country. `None` for everything else.
    #[must_use]
    pub fn bare_digits(&self) -> Option<String> {
        match written(&self.0)? {
            Written::Bare(digits) => Some(digits),
            Written::International(_) => None,
        }
    }

    /// One form for all ways to write the same party: its E.164 number, or else its text, trimmed
    /// and in lower case.
    #[must_use]
    pub fn normal(&self) -> String {
        self.number().map_or_else(|| self.0.trim().to_ascii_lowercase(), String::from)
    }

    /// Whether a call can be placed to it: E.164 or a SIP URI (RFC 3261 §19.1) with a host.
    #[must_use]
    pub fn is_dialable(&self) -> bool {
        let sip = self.0.strip_prefix("sip:").or_else(|| self.0.strip_prefix("sips:"));
        let uri = |rest: &str| {
            let host = rest.split_once('@').map_or(rest, |(_, host)| host);
            !host.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic())
        };
        self.0.parse::<E164>().is_ok() || sip.is_some_and(uri)
    }
}

/// A number without `+` that has this many digits or more is taken to begin with its country code.
const WITH_COUNTRY: usize = 11;

/// How a number is written.
enum Written {
    /// Begins with `+` and the country code.
    International(String),
    /// Digits that may lack the country code.
    Bare(String),
}

fn written(text: &str) -> Option<Written> {
    let text = text.trim();
    // a name may stand before the address
    let text = match text.rsplit_once('<') {
        Some((_, address)) => address.split('>').next()?.trim(),
        None => text,
    };
    let (scheme, rest) = match text.split_once(':') {
        Some((scheme, rest)) if scheme.bytes().all(|b| b.is_ascii_alphabetic()) => (scheme, rest),
        _ => ("", text),
    };
    let uri = match scheme.to_ascii_lowercase().as_str() {
        "" | "sip" | "sips" => {
            let rest = rest.trim_start_matches("//");
            match rest.split_once('@') {
                Some((user, _)) => user.split(':').next()?,
                // a host alone is nobody's number
                None if scheme.is_empty() => rest,
                None => return None,
            }
        }
        "tel" => rest,
        _ => return None,
    };
    let mut parts = uri.split([';', '?']);
    let local = parts.next()?;
    let context = parts.find_map(|part| part.trim().strip_prefix("phone-context="));
    let local = local.replace("%2B", "+").replace("%2b", "+");
    let digits = digits_of(&local)?;
    let context = context.filter(|of| of.starts_with('+'));
    Some(match (digits.strip_prefix('+'), digits.strip_prefix("00"), context) {
        (Some(_), ..) => Written::International(digits),
        (None, _, Some(country)) => Written::International(format!("{}{digits}", digits_of(country)?)),
        (None, Some(rest), None) if rest.len() >= WITH_COUNTRY - 1 => {
            Written::International(format!("+{rest}"))
        }
        (None, ..) => Written::Bare(digits),
    })
}

/// The digits of a number, and the `+` before them; `None` if it has other separators than spaces and
/// those of RFC 3966.
fn digits_of(text: &str) -> Option<String> {
    let text = text.trim();
    let known = |c: char| c.is_ascii_digit() || matches!(c, '-' | '.' | '(' | ')' | ' ' | '\u{a0}');
    let plain = text.strip_prefix('+').unwrap_or(text);
    let begins = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '('));
    if !begins || !plain.chars().all(known) {
        return None;
    }
    Some(text.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect())
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
    fn a_number_is_the_same_in_whatever_form_a_carrier_writes_it() {
        for form in [
            "+12025550123",
            "12025550123",
            "+12025550123 ",
            "+1 (202) 555-0123",
            "0012025550123",
            "sip:+12025550123@pbx.example.test",
            "sip:12025550123@198.51.100.7:5060;transport=udp;user=phone",
            "SIP:%2B12025550123;npdi=yes@pbx.example.test",
            "sips:+12025550123:secret@pbx.example.test",
            "+12025550123@198.51.100.7:5060",
            "tel:+1-202-555-0123;ext=7",
            "tel:2025550123;phone-context=+1",
            "\"Zo\u{eb}\" <sip:+12025550123@pbx.example.test>;tag=1",
        ] {
            let party = Party::new(form);
            assert_eq!(party.number().map(String::from).as_deref(), Some("+12025550123"), "{form}");
            assert_eq!(party.normal(), "+12025550123");
        }
        for nobody in [
            "",
            "anonymous",
            "Restricted",
            "unavailable",
            "sip:anonymous@anonymous.invalid",
            "100",
            "sip:desk7@pbx.example.test",
            "sip:198.51.100.7",
            "2025550123",
            "tel:911",
            "+",
            "+1202555012x",
            "sip:+123@x",
            "https:12025550123",
            "1-2-3",
            "<>",
            "<",
            "12025550123456789",
        ] {
            assert_eq!(Party::new(nobody).number(), None, "{nobody}");
        }
        assert!(!Party::new("12025550123").is_dialable(), "what is dialled says its country");
        assert_eq!(Party::new(" Anonymous ").normal(), "anonymous");
    }

    #[test]
    fn an_endless_party_is_cut_between_characters() {
        assert_eq!(Party::new(&"é".repeat(200)).as_str().len(), 256);
        assert_eq!(Party::new(&"a".repeat(300)).as_str().len(), 256);
    }
}
