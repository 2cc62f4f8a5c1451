//! How far back the audit log is shown.

use super::setting::section;
use super::value::Days;

section! {
    /// The audit log.
    pub struct AuditConfig {
        /// How many days back the audit log is shown; nothing older is deleted, only no longer listed.
        retention: Days = "audit.retention_days", "365";
    }
}
