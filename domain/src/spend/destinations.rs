//! Where calls may go: by the beginning of a number, or by the host of a SIP address.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::phone::{E164, Party};

/// Longest host of a destination, in bytes (RFC 1035).
const MAX_HOST: usize = 253;
/// Most digits of the beginning of numbers: with more it would name a person.
const MOST_DIGITS: usize = 9;

/// The beginning of numbers in E.164 with at most nine digits, such as `+49` or `+1900`, or all addresses at a host, such as `sip:pbx.example`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Destination(String);

/// The text is not a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("give the beginning of numbers, like +49 or +1900, or a host, like sip:pbx.example")]
pub struct BadDestination;

impl Destination {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is_number(&self) -> bool {
        self.0.starts_with('+')
    }

    /// How much of the party it names, in bytes; `None` when the party is none of it.
    fn matches(&self, number: Option<&str>, host: Option<&str>) -> Option<usize> {
        let is_of = match self.0.strip_prefix("sip:") {
            Some(of) => host.is_some_and(|host| host == of),
            None => number.is_some_and(|number| number.starts_with(&self.0)),
        };
        is_of.then_some(self.0.len())
    }
}

impl FromStr for Destination {
    type Err = BadDestination;

    fn from_str(text: &str) -> Result<Self, BadDestination> {
        let text = text.trim().to_ascii_lowercase();
        let is_right = match (text.strip_prefix('+'), text.strip_prefix("sip:")) {
            (Some(digits), _) => {
                (1..=MOST_DIGITS).contains(&digits.len())
                    && !digits.starts_with('0')
                    && digits.bytes().all(|b| b.is_ascii_digit())
            }
            (_, Some(host)) => {
                let in_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
                (1..=MAX_HOST).contains(&host.len()) && host.bytes().all(in_host)
            }
            _ => false,
        };
        if is_right { Ok(Self(text)) } else { Err(BadDestination) }
    }
}

impl TryFrom<String> for Destination {
    type Error = BadDestination;

    fn try_from(text: String) -> Result<Self, BadDestination> {
        text.parse()
    }
}

impl From<Destination> for String {
    fn from(destination: Destination) -> String {
        destination.0
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where calls may go and where not. The longest entry that fits decides; of two that are equal, the denied one. Where
/// something is allowed, everything else is denied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destinations {
    #[serde(default)]
    pub allow: Vec<Destination>,
    #[serde(default)]
    pub deny: Vec<Destination>,
}

impl Destinations {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }

    /// Whether calls to the party are allowed. A SIP address whose user is a number must be allowed as a number, too, as
    /// far as numbers are denied; one whose user has digits that are no number in E.164 is denied where numbers are. Who is
    /// neither a number nor a plain SIP address is denied as soon as there is an entry.
    #[must_use]
    pub fn allows(&self, party: &Party) -> bool {
        if self.is_empty() {
            return true;
        }
        let longest = |list: &[Destination], number: Option<&str>, host: Option<&str>| {
            list.iter().filter_map(|entry| entry.matches(number, host)).max()
        };
        let judge = |number: Option<&str>, host: Option<&str>| {
            let (allowed, denied) = (longest(&self.allow, number, host), longest(&self.deny, number, host));
            match denied {
                None => allowed.is_some() || self.allow.is_empty(),
                Some(denied) => allowed.is_some_and(|allowed| allowed > denied),
            }
        };
        match Target::of(party) {
            None => false,
            Some(Target::Number(number)) => judge(Some(number.as_str()), None),
            // an address with a number goes to both: neither may be denied, and one must be allowed
            Some(Target::Address { user: User::Number(number), host, .. }) => {
                let (number, host) = (Some(number.as_str()), Some(host.as_str()));
                let is_denied =
                    |number, host| longest(&self.deny, number, host).is_some() && !judge(number, host);
                !is_denied(number, None)
                    && !is_denied(None, host)
                    && (judge(number, None) || judge(None, host))
            }
            Some(Target::Address { user: User::Digits, .. })
                if self.deny.iter().any(Destination::is_number) =>
            {
                false
            }
            Some(Target::Address { host, .. }) => judge(None, Some(&host)),
        }
    }
}

/// One text for all ways to write whom a call goes to: a number, or user and host of a SIP address.
#[must_use]
pub fn target_of(party: &Party) -> String {
    match Target::of(party) {
        Some(Target::Number(number) | Target::Address { user: User::Number(number), .. }) => number.into(),
        Some(Target::Address { name, host, .. }) => format!("{name}@{host}"),
        None => party.normal(),
    }
}

/// Whom a call goes to.
enum Target {
    Number(E164),
    Address { name: String, user: User, host: String },
}

/// What the user of a SIP address is.
enum User {
    Number(E164),
    /// Digits that may be dialled, but are no number in E.164: a national number, or one with a prefix.
    Digits,
    Name,
}

/// So many digits in a name may be dialled.
const DIALLED: usize = 7;

impl Target {
    /// `None` where it cannot be told for certain: for a SIP address that is not of the plain form `sip:user@host:port`,
    /// with parameters at its end (RFC 3261 §19.1).
    fn of(party: &Party) -> Option<Self> {
        if let Ok(number) = party.as_str().trim().parse() {
            return Some(Self::Number(number));
        }
        let text = party.as_str().trim().to_ascii_lowercase();
        let rest = text.strip_prefix("sip:").or_else(|| text.strip_prefix("sips:"))?;
        let is_plain =
            |c: char| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '"' | ',' | '%' | '\\' | '/');
        if !rest.chars().all(is_plain) || rest.matches('@').count() > 1 {
            return None;
        }
        let (name, address) = rest.split_once('@').unwrap_or(("", rest));
        if name.contains([';', '?', ':']) {
            return None;
        }
        let host = host_of(address.split([';', '?']).next()?)?;
        Some(Self::Address { name: name.to_owned(), user: User::of(name), host })
    }
}

impl User {
    fn of(name: &str) -> Self {
        let bare: String = name.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')')).collect();
        if let Some(number) = Party::new(&bare).number() {
            return Self::Number(number);
        }
        let digits = bare.chars().filter(char::is_ascii_digit).count();
        if digits >= DIALLED || digits > 0 && digits == bare.trim_start_matches('+').len() {
            return Self::Digits;
        }
        Self::Name
    }
}

/// The host of `host:port`, without the dot that may end it.
fn host_of(address: &str) -> Option<String> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (inner, port) = rest.split_once(']')?;
            (format!("[{inner}]"), port)
        }
        None => {
            let end = address.find(':').unwrap_or(address.len());
            (address[..end].trim_end_matches('.').to_owned(), &address[end..])
        }
    };
    let is_port = port.is_empty()
        || port.strip_prefix(':').is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()));
    let in_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']' | '_');
    (is_port && !host.is_empty() && host.chars().all(in_host)).then_some(host)
}
