//! Addresses of databases, with their passwords kept out of sight.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

/// Address of a database: a SQLite file or a PostgreSQL server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// A file: `sqlite:PATH` or `sqlite://PATH`.
    Sqlite(PathBuf),
    /// A server, addressed by `postgres://user:password@host/database`.
    Postgres(SecretUrl),
}

/// The text is not the address of a database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// The text has neither of the known forms.
    #[error("the address must be sqlite:PATH or postgres://user:password@host/database")]
    Form,
    /// The form is right, but the driver cannot parse the URL.
    #[error("the postgres:// address cannot be read: {0}")]
    Postgres(String),
}

impl FromStr for Database {
    type Err = BadAddress;

    fn from_str(address: &str) -> Result<Self, BadAddress> {
        match address.split_once(':') {
            Some(("sqlite", rest)) => match rest.strip_prefix("//").unwrap_or(rest) {
                "" | ":memory:" => Err(BadAddress::Form),
                path => Ok(Self::Sqlite(path.into())),
            },
            Some(("postgres" | "postgresql", _)) => address.parse().map(Self::Postgres),
            _ => Err(BadAddress::Form),
        }
    }
}

/// A database URL that may carry a password; `Debug` and `Display` hide it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(String);

impl SecretUrl {
    /// The driver's connection options, password included. Never fails after parsing.
    pub fn options(&self) -> Result<PgConnectOptions, sqlx::Error> {
        self.0.parse()
    }

    /// The same database, where names without a schema mean this one only. `schema` is a plain name.
    pub(super) fn in_schema(&self, schema: &str) -> Self {
        let join = if self.0.contains('?') { '&' } else { '?' };
        Self(format!("{}{join}options[search_path]={schema}", self.0))
    }

    /// The URL without user, password and parameters.
    fn shown(&self) -> String {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("postgres", ""));
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        format!("{scheme}://{place}")
    }
}

impl FromStr for SecretUrl {
    type Err = BadAddress;

    fn from_str(url: &str) -> Result<Self, BadAddress> {
        let parsed = url.parse::<PgConnectOptions>();
        parsed.map_err(|error| BadAddress::Postgres(error.to_string()))?;
        Ok(Self(url.to_owned()))
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for url in [
            "postgres://voxledger:s3cret@db.internal:5432/log",
            "postgres://voxledger:s3cret%40@db.internal/log?password=s3cret&sslmode=require",
            "postgresql://db.internal/log?user=voxledger&password=s3cret",
        ] {
            let database: Database = url.parse().unwrap();
            let Database::Postgres(secret) = &database else { panic!("{database:?}") };
            for shown in [format!("{database:?}"), format!("{secret}")] {
                assert!(!shown.contains("s3cret"), "{shown}");
                assert!(shown.contains("db.internal"), "{shown}");
            }
            secret.options().unwrap();
        }
    }
}
