//! Rights of a connection's database role.

use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions, Connection, PgExecutor};

use super::address::Database;
use super::migrations::Part;

/// The connection's role if PostgreSQL exempts it from row-level security: a superuser, or a role with `BYPASSRLS`.
/// No schema can prevent that.
pub(crate) async fn exempt_from_row_security(
    connection: impl PgExecutor<'_>,
) -> Result<Option<String>, sqlx::Error> {
    let ask =
        "SELECT rolname::text FROM pg_roles WHERE rolname = current_user AND (rolsuper OR rolbypassrls)";
    sqlx::query_scalar(ask).fetch_optional(connection).await
}

/// The role by which `database` is reached, if PostgreSQL exempts it from row-level security. `None` for an
/// ordinary role, and for SQLite, which has no roles. Fails when the database cannot be reached.
pub async fn role_exempt_from_row_security(database: &Database) -> Result<Option<String>, sqlx::Error> {
    let Database::Postgres(url) = database else { return Ok(None) };
    let mut connection: PgConnection = url.options()?.connect().await?;
    let role = exempt_from_row_security(&mut connection).await?;
    connection.close().await?;
    Ok(role)
}

/// The rights that a node needs on the log and its Merkle tree: it inserts, and updates only the log's head row
/// and the tree's tiles.
const GRANTS: [(Part, &[&str]); 2] = [
    (
        Part::Log,
        &["SELECT, INSERT ON events", "SELECT, UPDATE ON log_head", "SELECT ON _voxledger_log_migrations"],
    ),
    (
        Part::Seals,
        &[
            "SELECT, INSERT ON seal_heads",
            "SELECT, INSERT, UPDATE ON seal_tiles",
            "SELECT ON superseded_heads, superseded_tiles, _voxledger_seals_migrations",
        ],
    ),
];

/// Grants a role the rights that a node needs on the log and its Merkle tree, and revokes all others: the role can
/// append, and change nothing. The owner of the tables runs this after every migration. Fails when the database
/// cannot be reached, or this role does not own the tables.
pub async fn grant_appending(database: &Database, role: &str) -> Result<(), sqlx::Error> {
    let Database::Postgres(url) = database else { return Ok(()) };
    let mut connection: PgConnection = url.options()?.connect().await?;
    let named: String =
        sqlx::query_scalar("SELECT quote_ident($1)").bind(role).fetch_one(&mut connection).await?;
    let mut tx = connection.begin().await?;
    for (part, grants) in GRANTS {
        let tables = grants.iter().filter_map(|grant| grant.split_once(" ON ")).map(|(_, tables)| tables);
        for tables in tables {
            let sql = format!("REVOKE ALL ON {tables} FROM PUBLIC, {named}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut *tx).await?;
        }
        for grant in grants {
            let sql = format!("GRANT {grant} TO {named}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut *tx).await?;
        }
        tracing::debug!(?part, role, "rights given");
    }
    tx.commit().await?;
    connection.close().await
}

/// The role by which the log is reached, if it could change events or signed heads: it owns a table, is a superuser,
/// or was granted more than it needs. `None` for a role that can only append, and for SQLite, where whoever can
/// write the file can write all of it. Fails when the database cannot be reached, or there is no log yet.
pub async fn role_that_can_alter_the_log(database: &Database) -> Result<Option<String>, sqlx::Error> {
    const ASK: &str = "SELECT current_user::text WHERE EXISTS ( \
        SELECT FROM pg_class c WHERE c.oid IN ('events'::regclass, 'seal_heads'::regclass) AND ( \
            pg_has_role(current_user, c.relowner, 'MEMBER') \
            OR has_table_privilege(c.oid, 'UPDATE') OR has_table_privilege(c.oid, 'DELETE') \
            OR has_table_privilege(c.oid, 'TRUNCATE') OR has_table_privilege(c.oid, 'TRIGGER') \
            OR has_any_column_privilege(c.oid, 'UPDATE')))";
    let Database::Postgres(url) = database else { return Ok(None) };
    let mut connection: PgConnection = url.options()?.connect().await?;
    let role = sqlx::query_scalar(ASK).fetch_optional(&mut connection).await?;
    connection.close().await?;
    Ok(role)
}
