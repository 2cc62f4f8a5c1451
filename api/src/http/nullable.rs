//! Fields of a PATCH that may be left out, or set to `null`.

use serde::{Deserialize, Deserializer};

/// `#[serde(default, deserialize_with = "nullable")]`: absent is `None`, `null` is `Some(None)`.
///
/// # Errors
/// When the value is not a `T`.
pub fn nullable<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}
