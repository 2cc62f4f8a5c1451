//! Personal data: its keys, and when it is gone for good.

use std::time::Duration;

use super::setting::section;
use super::value::Days;

/// A key that was destroyed on another node is used no longer than this, whatever is set.
const LONGEST_KEY_CACHE: Duration = Duration::from_secs(60);

section! {
    /// Personal data.
    pub struct PrivacyConfig {
        /// How long a node uses a key of personal data before it asks again whether it was destroyed; at most a minute.
        key_cache: Duration = "privacy.key_cache_ms", "30000";
        /// How many days backups of the key store live: an erasure is final once they are gone.
        backup_retention: Days = "privacy.backup_retention_days", "30";
    }
}

impl PrivacyConfig {
    /// How long a key is used without asking again.
    #[must_use]
    pub fn key_life(&self) -> Duration {
        self.key_cache.min(LONGEST_KEY_CACHE)
    }
}
