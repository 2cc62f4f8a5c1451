//! Proving that a server can be written.

use sqlx::PgPool;

/// Writes a message to the server's journal, which nobody reads, and has it flushed. No table and no right is needed.
///
/// # Errors
/// When that does not succeed: the disk is full, the server is gone, or only a standby.
pub(crate) async fn probe_postgres(pool: &PgPool) -> Result<(), sqlx::Error> {
    let write = "SELECT pg_logical_emit_message(true, 'voxledger', 'probe')::text \
                 WHERE set_config('synchronous_commit', 'on', true) = 'on'";
    sqlx::query(write).execute(pool).await.map(drop)
}
