//! Settings of personal data.

use std::time::Duration;

use domain::privacy::content::ContentLevel;

use super::setting::section;
use super::value::{Days, Value};

/// Upper bound for `privacy.key_cache_ms`: how long a key that was destroyed on another node may stay in use.
const LONGEST_KEY_CACHE: Duration = Duration::from_secs(60);

section! {
    /// Keys, retention and erasure of personal data.
    pub struct PrivacyConfig {
        /// How long a node uses a key of personal data before it asks again whether it was destroyed; at most a minute.
        key_cache: Duration = "privacy.key_cache_ms", "30000";
        /// How much of calls is kept where a client does not say so itself:
        /// `everything`, `everything_except_pii` or `basic_attributes_only`.
        call_content: ContentLevel = "privacy.call_content", "everything";
        /// How long after a call's end the node may still read its content, where that is not retained, to finish
        /// work on the call.
        content_grace: Duration = "privacy.content_grace_ms", "60000";
        /// How many days backups of the key store live: an erasure is final once they are gone.
        backup_retention: Days = "privacy.backup_retention_days", "30";
    }
}

impl Value for ContentLevel {
    const ACCEPTS: &'static str = "everything, everything_except_pii or basic_attributes_only";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl PrivacyConfig {
    /// How long a cached key is used before the database is asked again.
    #[must_use]
    pub fn key_life(&self) -> Duration {
        self.key_cache.min(LONGEST_KEY_CACHE)
    }
}
