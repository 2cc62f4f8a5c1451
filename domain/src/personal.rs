//! Personal data is marked by its type, so that it can be encrypted, erased and kept out of logs.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value that says something about a person: a phone number, a name, what was said, keys that were pressed.
///
/// It is the only place where such values may stand in an event. `Debug` hides it. A value whose key was
/// destroyed reads as erased: [`Personal::reveal`] answers `None` and nothing fails.
///
/// On the wire it is a map with one entry that names the form the value is in, `{"plain": value}`; an unknown
/// form reads as erased.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Personal<T>(Option<T>);

impl<T> Personal<T> {
    /// Marks `value` as personal.
    pub const fn new(value: T) -> Self {
        Self(Some(value))
    }

    /// A value that is no longer readable.
    pub const fn erased() -> Self {
        Self(None)
    }

    /// The value, unless it was erased.
    pub const fn reveal(&self) -> Option<&T> {
        self.0.as_ref()
    }

    /// The value, unless it was erased, by value.
    pub fn into_inner(self) -> Option<T> {
        self.0
    }
}

impl<T> From<T> for Personal<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T> fmt::Debug for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "<personal>" } else { "<erased>" })
    }
}

#[derive(Serialize, Deserialize)]
struct Form<T> {
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    plain: Option<T>,
}

fn none<T>() -> Option<T> {
    None
}

impl<T: Serialize> Serialize for Personal<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Form { plain: self.0.as_ref() }.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Personal<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Form::deserialize(deserializer).map(|form: Form<T>| Self(form.plain))
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
            sealed: u8,
        }
        let bytes = rmp_serde::to_vec_named(&Later { sealed: 1 }).unwrap();
        let read: Personal<String> = rmp_serde::from_slice(&bytes).unwrap();
        assert_eq!(read, Personal::erased());
    }
}
