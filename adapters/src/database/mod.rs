//! Databases: addresses, migrations and file checks. The log and the views have separate migrations, so both may
//! live in one PostgreSQL database.

mod address;
mod check;
mod copy;
mod holders;
mod migrations;
mod postgres_probe;
mod roles;
mod scratch;
mod server_limit;
mod settle;
mod sqlite_file;
mod words;

pub use address::{BadAddress, Database, SecretUrl};
pub use check::{Pages, ServerPages, check_postgres, check_sqlite};
pub use copy::{CopyError, copy_sqlite};
pub use holders::lock_holders;
pub use migrations::{
    MigrationError, MigrationStatus, Part, migrate_down, migrate_postgres, migrate_sqlite, migrate_up,
    migration_status, newer_schema,
};
pub(crate) use postgres_probe::probe_postgres;
pub(crate) use roles::exempt_from_row_security;
pub use roles::{grant_appending, role_exempt_from_row_security, role_that_can_alter_the_log};
pub use scratch::ScratchSchema;
pub(crate) use server_limit::{FROZEN_TRANSACTION, limited};
pub use settle::settle;
pub use sqlite_file::{FileLost, OpenFile, is_damaged, probe_sqlite};
pub(crate) use sqlite_file::{connection_survives, pool_options, rescue};
pub use words::{chain_in_words, in_words};
