//! Parses the text of settings into values.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;

use super::Secret;

/// A type that a setting can have.
pub(super) trait Value: Sized {
    /// What is accepted, as a phrase that follows the word "give".
    const ACCEPTS: &'static str;
    /// Whether the text must never be shown, not even when it is invalid.
    const SECRET: bool = false;

    /// Parses text that is not empty; `None` when it is invalid.
    fn parse(text: &str) -> Option<Self>;

    /// The value when there is neither text nor a default; `None` if the setting is required.
    fn absent() -> Option<Self> {
        None
    }
}

impl<T: Value> Value for Option<T> {
    const ACCEPTS: &'static str = T::ACCEPTS;
    const SECRET: bool = T::SECRET;

    fn parse(text: &str) -> Option<Self> {
        T::parse(text).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

macro_rules! parsed {
    ($($type:ty: $accepts:literal;)*) => {$(
        impl Value for $type {
            const ACCEPTS: &'static str = $accepts;

            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        }
    )*};
}

parsed! {
    SocketAddr: "an address and a port, such as 127.0.0.1:9011 (port 0 picks a free one)";
    NonZeroUsize: "a whole number from 1";
    NonZeroU32: "a whole number from 1 to 4294967295";
    usize: "a whole number from 0";
    PathBuf: "a path";
    String: "text";
    bool: "true or false";
}

impl Value for Duration {
    const ACCEPTS: &'static str = "a whole number of milliseconds, from 1 to 86400000 (a day)";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|ms| (1..=86_400_000).contains(ms)).map(Self::from_millis)
    }
}

/// A number of whole days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days(pub u32);

impl Days {
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(u64::from(self.0) * 24 * 60 * 60)
    }
}

impl Value for Days {
    const ACCEPTS: &'static str = "a whole number of days, from 1 to 36500 (a century)";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|days| (1..=36_500).contains(days)).map(Self)
    }
}

/// Web origins; `*` alone allows any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins(pub Vec<String>);

impl Value for Origins {
    const ACCEPTS: &'static str = "web origins like https://app.example.com with commas between, or *";

    fn parse(text: &str) -> Option<Self> {
        let origin = |word: &str| {
            let plain = word.strip_prefix("https://").or_else(|| word.strip_prefix("http://"))?;
            let host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
            (!plain.is_empty() && plain.chars().all(host)).then(|| word.to_ascii_lowercase())
        };
        if text.trim() == "*" {
            return Some(Self(vec!["*".to_owned()]));
        }
        text.split(',').map(|word| origin(word.trim())).collect::<Option<Vec<_>>>().map(Self)
    }
}

/// A list of consecutive pauses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delays(pub Vec<Duration>);

impl Value for Delays {
    const ACCEPTS: &'static str =
        "1 to 50 waits with commas between, such as 200ms,5s,2m,10h; none longer than a week";

    fn parse(text: &str) -> Option<Self> {
        let delays: Option<Vec<_>> = text.split(',').map(|word| delay(word.trim())).collect();
        delays.filter(|delays| (1..=50).contains(&delays.len())).map(Self)
    }
}

fn delay(word: &str) -> Option<Duration> {
    let digits = word.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = word.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).filter(|millis| *millis <= 7 * 86_400_000).map(Duration::from_millis)
}

/// A share of a whole, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share(pub f64);

impl Value for Share {
    const ACCEPTS: &'static str = "a number from 0 to 1";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).map(Self)
    }
}

impl Value for Secret {
    const ACCEPTS: &'static str = "text";
    const SECRET: bool = true;

    fn parse(text: &str) -> Option<Self> {
        Some(Self::new(text))
    }
}

/// Path of a value within a JSON document: a JSON pointer (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer(String);

impl Pointer {
    /// The pointer as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for Pointer {
    const ACCEPTS: &'static str =
        "a JSON pointer, such as /app_metadata/client or /https:~1~1example.com~1client";

    fn parse(text: &str) -> Option<Self> {
        text.starts_with('/').then(|| Self(text.to_owned()))
    }
}

/// A base address over HTTP, stored without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpUrl(String);

impl HttpUrl {
    /// The address without a trailing slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for HttpUrl {
    const ACCEPTS: &'static str = "an http:// or https:// address without user, password, query or fragment";
    // an address with a password is refused, and must not be shown then
    const SECRET: bool = true;

    fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let plain = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        plain.then(|| Self(url.as_str().trim_end_matches('/').to_owned()))
    }
}

/// An HTTP address that may contain a secret, and is therefore never shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretHttpUrl(Secret);

impl SecretHttpUrl {
    /// The address itself, for the code that uses it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }
}

impl Value for SecretHttpUrl {
    const ACCEPTS: &'static str = "an http:// or https:// address";
    const SECRET: bool = true;

    fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let fine = matches!(url.scheme(), "http" | "https") && url.has_host();
        fine.then(|| Self(Secret::new(url.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_numbers_with_their_unit() {
        let seconds =
            |text| Delays::parse(text).map(|delays| delays.0.iter().map(Duration::as_millis).sum::<u128>());
        assert_eq!(seconds("5s,30s, 2m,1h,1d,7ms"), Some(35_000 + 120_000 + 3_600_000 + 86_400_000 + 7));
        for bad in ["", "5", "s", "5 s", "-5s", "5s,", "8d", "99999999999999999999s", &"1s,".repeat(51)] {
            assert_eq!(Delays::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_address_loses_its_last_slash_and_may_carry_no_password() {
        assert_eq!(HttpUrl::parse("https://a.example/v2/").unwrap().as_str(), "https://a.example/v2");
        for bad in ["ftp://a.example", "a.example", "http://u:p@a.example", "http://a.example/?x=1"] {
            assert!(HttpUrl::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_duration_is_whole_milliseconds_and_never_zero() {
        assert_eq!(Duration::parse("1500"), Some(Duration::from_millis(1500)));
        for bad in ["0", "-1", "1.5", "2s", "86400001"] {
            assert!(Duration::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn days_are_whole_and_at_most_a_century() {
        assert_eq!(Days::parse("2").unwrap().duration(), Duration::from_secs(172_800));
        for bad in ["0", "-1", "1.5", "a year", "36501"] {
            assert!(Days::parse(bad).is_none(), "{bad}");
        }
    }
}
