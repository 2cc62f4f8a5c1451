//! Personal data is marked by its type, so that it can be encrypted, erased and kept out of logs.

use std::fmt;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::privacy::ERASED;

/// A value that says something about a person: a phone number, a name, what was said, keys that were pressed.
///
/// It is the only place where such values may stand in an event. `Debug` hides it. A value whose key was
/// destroyed reads as erased: [`Personal::reveal`] answers `None` and nothing fails.
///
/// On the wire it is a map with one entry that names the form the value is in: `{"plain": value}` as the domain
/// writes and reads it, `{"sealed": bytes}` as the log holds it and as it is read when the key is gone. An unknown
/// form reads as erased.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Personal<T>(State<T>);

#[derive(Clone, PartialEq, Eq, Hash)]
enum State<T> {
    Known(T),
    /// The event never held the value.
    Withheld,
    /// It is sealed under a key that is gone.
    Shredded,
}

impl<T> Personal<T> {
    /// Marks `value` as personal.
    pub const fn new(value: T) -> Self {
        Self(State::Known(value))
    }

    /// A value that is not stored at all and reads as erased.
    pub const fn erased() -> Self {
        Self(State::Withheld)
    }

    /// Whether the value was stored and its key was destroyed.
    pub const fn is_shredded(&self) -> bool {
        matches!(self.0, State::Shredded)
    }

    /// The value, unless it was erased.
    pub const fn reveal(&self) -> Option<&T> {
        match &self.0 {
            State::Known(value) => Some(value),
            State::Withheld | State::Shredded => None,
        }
    }

    /// The value, unless it was erased. Consumes the wrapper.
    pub fn into_inner(self) -> Option<T> {
        match self.0 {
            State::Known(value) => Some(value),
            State::Withheld | State::Shredded => None,
        }
    }

    /// The text to show: what `text` makes of the value, [`ERASED`] where its key was destroyed, `None` where
    /// it was never stored.
    pub fn shown(&self, text: impl FnOnce(&T) -> String) -> Option<String> {
        match &self.0 {
            State::Known(value) => Some(text(value)),
            State::Shredded => Some(ERASED.to_owned()),
            State::Withheld => None,
        }
    }
}

impl<T> From<T> for Personal<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T> fmt::Debug for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.reveal().is_some() { "<personal>" } else { "<erased>" })
    }
}

#[derive(Serialize, Deserialize)]
struct Form<T> {
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    plain: Option<T>,
    #[serde(default, skip_serializing)]
    sealed: Option<IgnoredAny>,
}

fn none<T>() -> Option<T> {
    None
}

impl<T: Serialize> Serialize for Personal<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Form { plain: self.reveal(), sealed: None }.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Personal<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form: Form<T> = Form::deserialize(deserializer)?;
        Ok(Self(match (form.plain, form.sealed) {
            (Some(value), _) => State::Known(value),
            (None, Some(_)) => State::Shredded,
            (None, None) => State::Withheld,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_value() {
        assert_eq!(format!("{:?}", Personal::new("+15550100")), "<personal>");
    }

    #[test]
    fn an_unknown_form_reads_as_erased() {
        #[derive(Serialize)]
        struct Later {
            folded: u8,
        }
        let bytes = rmp_serde::to_vec_named(&Later { folded: 1 }).unwrap();
        let read: Personal<String> = rmp_serde::from_slice(&bytes).unwrap();
        assert_eq!(read, Personal::erased());
    }

    #[test]
    fn a_sealed_value_reads_as_shredded_and_is_told_from_one_that_never_was() {
        #[derive(Serialize)]
        struct Sealed<'a> {
            #[serde(with = "serde_bytes")]
            sealed: &'a [u8],
        }
        let bytes = rmp_serde::to_vec_named(&Sealed { sealed: b"\x01\xff" }).unwrap();
        let read: Personal<String> = rmp_serde::from_slice(&bytes).unwrap();
        assert!(read.is_shredded() && read.reveal().is_none());
        assert_eq!(read.shown(String::clone).as_deref(), Some(ERASED));
        assert_eq!(Personal::<String>::erased().shown(String::clone), None);
        assert_eq!(Personal::new("a".to_owned()).shown(String::clone).as_deref(), Some("a"));
    }
}
