//! Settings of the audit log and of the witnesses of signed heads.

use std::path::PathBuf;
use std::time::Duration;

use super::setting::section;
use super::value::{Days, SecretHttpUrl};

section! {
    /// Audit log, witnesses, and the continuous recheck of the log.
    pub struct AuditConfig {
        /// How many days back the audit log is shown; nothing older is deleted, only no longer listed.
        retention: Days = "audit.retention_days", "365";
        /// Where each signed checkpoint of the log is POSTed to, so that somebody else can vouch for it.
        witness_url: Option<SecretHttpUrl> = "audit.witness_url", "";
        /// A file that always holds the newest signed checkpoint of the log.
        checkpoint_file: Option<PathBuf> = "audit.checkpoint_file", "";
        /// How long a running node takes to verify the whole log on the disk against its seals, again and again; it
        /// reads at least one and at most fifty pages of 256 events a second.
        recheck: Duration = "audit.recheck_ms", "86400000";
    }
}
