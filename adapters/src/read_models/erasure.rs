//! Removes erased data from the database files of the views.

use domain::ports::StoreUnavailable;

use super::SqlViews;

/// Tables that hold, or held, personal data.
const TABLES: [&str; 16] = [
    "calls",
    "transcript_lines",
    "conversations",
    "messages",
    "customers",
    "customer_keys",
    "numbers",
    "users",
    "agents",
    "audit_log",
    "ivr_menus",
    "ivr_sessions",
    "kb_documents",
    "index_entries",
    "index_vectors",
    "memories",
];

impl SqlViews {
    /// Removes every byte of changed or deleted rows from the files: rewrites an embedded database and empties its
    /// journal, and vacuums a server's tables. Fails when the database refuses.
    pub async fn scrub(&self) -> Result<(), StoreUnavailable> {
        self.db.scrub(&TABLES).await
    }
}
