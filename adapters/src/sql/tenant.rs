//! The tenant of a statement. PostgreSQL enforces it by row-level security; SQLite has no such check and relies on
//! the query's conditions alone.

use domain::ids::ClientId;

/// Whose rows a read may see; every read names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Of {
    /// Rows of one client, for everything done on a client's behalf.
    Client(ClientId),
    /// Rows of all clients: projections, outbox and timers, directories, lists of the platform's operator.
    System,
    /// Rows of no client, for tables without a client. Other tables appear empty.
    Nobody,
}

impl Of {
    /// The SQL that begins a read transaction; `None` where the server needs no tenant. The setting ends with the
    /// transaction, so a transaction pooler may stand in between.
    pub(crate) fn begin(self) -> Option<String> {
        match self {
            // an id consists of digits, letters and hyphens: nothing to escape
            Of::Client(client) => Some(begin(&client.0.hyphenated().to_string())),
            Of::System => Some(begin("system")),
            Of::Nobody => None,
        }
    }
}

fn begin(who: &str) -> String {
    format!("BEGIN READ ONLY; SET LOCAL voxledger.client = '{who}'")
}

#[cfg(test)]
mod tests {
    use domain::testing::ids::sequential;
    use uuid::Uuid;

    use super::super::db::{Db, args, made};
    use super::super::postgres::PostgresSettings;
    use super::super::value::Value;
    use super::*;
    use crate::database::{Database, Part};
    use crate::testing::postgres::Cluster;

    const FORGETFUL: &str = "SELECT client_id FROM work_timers ORDER BY client_id";

    async fn seen(db: &Db, of: Of) -> Vec<Uuid> {
        let rows = db.rows(of, FORGETFUL.to_owned(), Vec::new()).await.unwrap();
        let one = db.row(of, FORGETFUL, []).await.unwrap().map(|row| row.uuid(0).unwrap());
        let all: Vec<_> = rows.iter().map(|row| row.uuid(0).unwrap()).collect();
        assert_eq!(one, all.first().copied());
        all
    }

    #[tokio::test]
    async fn a_query_that_forgets_its_client_shows_nobody_elses_rows() {
        let url = Cluster::shared().database().await;
        let settings = PostgresSettings { workers: 1, readers: 1 };
        let db = Db::at(&Database::Postgres(url), Part::Work, settings).unwrap();
        let (a, b) = (sequential(1), sequential(2));
        for client in [a, b] {
            let insert = "INSERT INTO work_timers VALUES ($1, 'ring', $1, now(), $1, $1)";
            let bound = args(db.dialect(), [Value::Uuid(client)]).unwrap();
            assert_eq!(db.execute(made(insert), bound).await.unwrap(), 1);
        }
        // one connection serves them all: none leaves a setting behind for the next
        for _ in 0..2 {
            assert_eq!(seen(&db, Of::Client(ClientId(a))).await, [a]);
            assert_eq!(seen(&db, Of::Nobody).await, [] as [Uuid; 0]);
            assert_eq!(seen(&db, Of::System).await, [a, b]);
            assert_eq!(seen(&db, Of::Nobody).await, [] as [Uuid; 0]);
            assert_eq!(seen(&db, Of::Client(ClientId(b))).await, [b]);
        }
    }
}
