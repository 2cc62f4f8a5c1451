//! What the role of a connection may do.

use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions, Connection, PgExecutor};

use super::address::Database;

/// The name of the role whose connections PostgreSQL exempts from row-level security, if this is one: a superuser,
/// or one with `BYPASSRLS`. Nothing in a schema can change that.
pub(crate) async fn exempt_from_row_security(
    connection: impl PgExecutor<'_>,
) -> Result<Option<String>, sqlx::Error> {
    let ask =
        "SELECT rolname::text FROM pg_roles WHERE rolname = current_user AND (rolsuper OR rolbypassrls)";
    sqlx::query_scalar(ask).fetch_optional(connection).await
}

/// The role by which `database` is reached, if PostgreSQL exempts it from row-level security. `None` for an
/// ordinary role, and for SQLite, which has neither.
///
/// # Errors
/// When the database cannot be reached.
pub async fn role_exempt_from_row_security(database: &Database) -> Result<Option<String>, sqlx::Error> {
    let Database::Postgres(url) = database else { return Ok(None) };
    let mut connection: PgConnection = url.options()?.connect().await?;
    let role = exempt_from_row_security(&mut connection).await?;
    connection.close().await?;
    Ok(role)
}
