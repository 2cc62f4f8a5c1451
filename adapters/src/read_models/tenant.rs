//! Whose rows a statement is about. PostgreSQL holds every statement to the answer by row-level security; SQLite
//! knows nothing of the kind and goes by the conditions of the query alone.

use domain::ids::ClientId;

/// Whose rows may be seen. Every read says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// One client's: whatever is asked on a client's behalf.
    Client(ClientId),
    /// All clients': projections, outbox and timers, directories, lists of the platform's operator.
    System,
    /// Of no client: tables without such rows. In the others nothing is found.
    Nobody,
}

impl Of {
    /// What begins a transaction that reads; none is needed where the server has nothing to be told. The setting
    /// ends with the transaction, so a transaction pooler may stand in between.
    pub(super) fn begin(self) -> Option<String> {
        match self {
            // an id is made of digits, letters and hyphens: there is nothing to escape
            Of::Client(client) => Some(begin(&client.0.hyphenated().to_string())),
            Of::System => Some(begin("system")),
            Of::Nobody => None,
        }
    }
}

fn begin(who: &str) -> String {
    format!("BEGIN READ ONLY; SET LOCAL voxledger.client = '{who}'")
}
