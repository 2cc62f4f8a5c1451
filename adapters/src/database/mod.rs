//! Databases: their addresses and their schema. The log and the views have migrations of their own, so both may
//! live in one PostgreSQL database.

mod address;
mod migrations;
mod postgres_probe;
mod roles;
mod sqlite_file;

pub use address::{BadAddress, Database, SecretUrl};
pub use migrations::{
    MigrationError, MigrationStatus, Part, migrate_down, migrate_postgres, migrate_sqlite, migrate_up,
    migration_status,
};
pub(crate) use postgres_probe::probe_postgres;
pub(crate) use roles::exempt_from_row_security;
pub use roles::role_exempt_from_row_security;
pub use sqlite_file::{FileLost, OpenFile, is_damaged, probe_sqlite};
pub(crate) use sqlite_file::{connection_survives, pool_options, rescue};
