//! Taking what was erased out of the files of the views.

use domain::ports::StoreUnavailable;

use super::SqlViews;

/// Tables that hold, or held, something of a person.
const TABLES: [&str; 10] = [
    "calls",
    "transcript_lines",
    "conversations",
    "messages",
    "numbers",
    "users",
    "agents",
    "audit_log",
    "ivr_menus",
    "ivr_sessions",
];

impl SqlViews {
    /// Leaves no byte of rows that were changed or deleted in the files: an embedded database is written anew and
    /// its journal emptied; a server takes the dead rows out.
    ///
    /// # Errors
    /// When the database does not do so.
    pub async fn scrub(&self) -> Result<(), StoreUnavailable> {
        self.db.scrub(&TABLES).await
    }
}
