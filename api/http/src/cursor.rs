//! Cursors: where the next page of a list begins. Opaque to clients, so that the content may change.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::problem::ApiError;

/// Longest cursor that is decoded, in characters.
const MAX_LENGTH: usize = 1024;

/// The text of a cursor, as clients hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Cursor(String);

impl Cursor {
    /// Cursor of the page after `last`, the sort key of the last item shown. Answers 500 when `last` cannot be
    /// written as JSON, which plain structs and tuples always can.
    pub fn after<K: Serialize>(last: &K) -> Result<Self, ApiError> {
        serde_json::to_vec(last).map(|json| Self(URL_SAFE_NO_PAD.encode(json))).map_err(ApiError::internal)
    }

    pub(super) fn received(text: String) -> Self {
        Self(text)
    }

    /// Sort key after which the page begins. Answers 422 when it is no cursor of this list.
    pub fn read<K: DeserializeOwned>(&self) -> Result<K, ApiError> {
        Some(&self.0)
            .filter(|text| text.len() <= MAX_LENGTH)
            .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
            .and_then(|json| serde_json::from_slice(&json).ok())
            .ok_or_else(|| {
                ApiError::invalid("cursor", "invalid", "send the `next_cursor` of this very list, unchanged")
            })
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_key_and_another_text_is_refused() {
        let cursor = Cursor::after(&(17_i64, "call_x")).unwrap();
        assert_eq!(cursor.read::<(i64, String)>().unwrap(), (17, "call_x".to_owned()));
        assert!(cursor.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        for bad in ["", "!", "AAAA", &"A".repeat(2000)] {
            assert!(Cursor::received(bad.to_owned()).read::<(i64, String)>().is_err(), "{bad}");
        }
    }
}
