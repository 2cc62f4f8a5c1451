//! PATCH fields that may be absent or `null`.

use serde::{Deserialize, Deserializer};

/// For `#[serde(default, deserialize_with = "nullable")]`: an absent field is `None`, and `null` is `Some(None)`.
/// Fails when the value is not a `T`.
pub fn nullable<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}
