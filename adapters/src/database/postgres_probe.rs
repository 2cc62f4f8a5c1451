//! Proves that a PostgreSQL server accepts writes.

use sqlx::PgPool;

/// Writes a message to the server's write-ahead log, which nobody reads, and waits for the flush. Needs no table
/// and no right. Fails when the disk is full, the server is gone, or it is only a standby.
pub(crate) async fn probe_postgres(pool: &PgPool) -> Result<(), sqlx::Error> {
    let write = "SELECT pg_logical_emit_message(true, 'voxledger', 'probe')::text \
                 WHERE set_config('synchronous_commit', 'on', true) = 'on'";
    sqlx::query(write).execute(pool).await.map(drop)
}
