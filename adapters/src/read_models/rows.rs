//! Writes, loads, compares and hashes the rows of any view.

use super::SqlViews;
use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use domain::envelope::{Position, Time};
use domain::ports::StoreUnavailable;
use parking_lot::Mutex;
use projections::rollup::Rollup;
use projections::store::{Checkpoint, CommitError, Comparison, Digest, Generation, Mode, Step, ViewRows};
use sha2::{Digest as _, Sha256};
use sqlx::SqlStr;

use super::group_commit::{Committed, PreparedStep};
use super::table::{Role, Table};
use crate::sql::db::{Tx, args, limited, made, unavailable};
use crate::sql::tenant::Of;
use crate::sql::value::{Args, Dialect, Kind, Value, cast, placeholder};

/// The most rows that one statement writes or loads. Smaller batches use powers of two, so that few
/// different statements are prepared.
const BULK: usize = 64;
/// Rows hashed in one step.
const DIGEST_PAGE: i64 = 2_000;
/// The longest that a step of a projection may take.
pub(super) const STEP_LIMIT: std::time::Duration = std::time::Duration::from_secs(60);

/// SQL of the bulk statements, built once.
#[derive(Debug)]
pub(super) struct Statements {
    dialect: Dialect,
    made: Mutex<HashMap<Purpose, Arc<str>>>,
}

/// Table, purpose, and number of rows.
type Purpose = (&'static str, &'static str, usize);

impl Statements {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { dialect, made: Mutex::default() }
    }

    fn get(
        &self,
        table: &'static str,
        purpose: &'static str,
        rows: usize,
        make: impl FnOnce(Dialect) -> String,
    ) -> Arc<str> {
        let mut made = self.made.lock();
        made.entry((table, purpose, rows)).or_insert_with(|| make(self.dialect).into()).clone()
    }
}

/// Splits `rows` into statement sizes: full ones, then powers of two.
fn portions(mut rows: usize) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        if rows == 0 {
            return None;
        }
        let portion = if rows >= BULK { BULK } else { 1 << rows.ilog2() };
        rows -= portion;
        Some(portion)
    })
}

fn names<R: Table>(prefix: &str) -> String {
    let names: Vec<_> = R::COLUMNS.iter().map(|column| format!("{prefix}{}", column.name)).collect();
    names.join(", ")
}

fn keys<R: Table>() -> impl Iterator<Item = &'static str> {
    R::COLUMNS.iter().filter(|column| column.role == Role::Key).map(|column| column.name)
}

fn upsert<R: Table>(dialect: Dialect, rows: usize) -> String {
    let width = R::COLUMNS.len() + 1;
    let row = |row: usize| {
        let mut values = vec![placeholder(dialect, row * width + 1)];
        values.extend(R::COLUMNS.iter().enumerate().map(|(at, column)| {
            format!("{}{}", placeholder(dialect, row * width + at + 2), cast(dialect, column.kind))
        }));
        format!("({})", values.join(", "))
    };
    let values: Vec<_> = (0..rows).map(row).collect();
    let changing = R::COLUMNS.iter().filter(|column| column.role == Role::Changing);
    let set: Vec<_> = changing.map(|column| format!("{0} = excluded.{0}", column.name)).collect();
    format!(
        "INSERT INTO {} (generation, {}) VALUES {} ON CONFLICT (generation, {}) DO UPDATE SET {}",
        R::NAME,
        names::<R>(""),
        values.join(", "),
        keys::<R>().collect::<Vec<_>>().join(", "),
        set.join(", "),
    )
}

fn select_by_keys<R: Table>(dialect: Dialect, rows: usize) -> String {
    let width = keys::<R>().count();
    let row = |row: usize| {
        let values: Vec<_> = (0..width).map(|at| placeholder(dialect, row * width + at + 2)).collect();
        format!("({})", values.join(", "))
    };
    format!(
        "SELECT {} FROM {} WHERE generation = {} AND ({}) IN (VALUES {})",
        names::<R>(""),
        R::NAME,
        placeholder(dialect, 1),
        keys::<R>().collect::<Vec<_>>().join(", "),
        (0..rows).map(row).collect::<Vec<_>>().join(", "),
    )
}

/// SQL that moves the checkpoint if it still stands where the step expects it. On PostgreSQL it also locks the
/// view's row, so that no switch to another generation can come between this check and the commit.
fn advance(dialect: Dialect, mode: Mode) -> String {
    let lock = if dialect == Dialect::Postgres { " FOR SHARE" } else { "" };
    let active = match mode {
        Mode::Live => format!(
            " AND EXISTS (SELECT 1 FROM (SELECT generation FROM projections WHERE name = $2 AND generation = $3\
             {lock}) AS active)"
        ),
        Mode::Rebuild | Mode::RebuildAndSwitch => String::new(),
    };
    format!(
        "UPDATE projection_generations SET position = $1, event_id = $8 WHERE projection = $2 AND generation = $3 \
         AND position = $4 AND EXISTS (SELECT 1 FROM leases WHERE job = $5 AND owner = $6 AND epoch = $7){active}"
    )
}

impl SqlViews {
    /// Moves the checkpoint of a step; answers whether it stood where the step expects it.
    pub(super) async fn advance(&self, tx: &mut Tx, step: &Step) -> Result<bool, sqlx::Error> {
        let sql = match step.mode {
            Mode::Live => self.statements.get("", "advance", 0, |dialect| advance(dialect, Mode::Live)),
            mode => self.statements.get("", "advance rebuild", 0, |dialect| advance(dialect, mode)),
        };
        let values = [
            Value::position(step.to.position),
            Value::text(step.projection),
            Value::Int(step.generation.0),
            Value::position(step.expected),
            Value::text(&step.lease.job),
            Value::text(&step.lease.owner),
            Value::Int(step.lease.epoch),
            step.to.id.map_or(Value::Null(Kind::Uuid), Value::Uuid),
        ];
        Ok(tx.execute(made(sql), args(self.db.dialect(), values)?).await? == 1)
    }

    /// The statements that write rows over those with the same keys.
    fn upserts<R: Table>(
        &self,
        generation: Generation,
        rows: &[&R],
        statements: &mut Vec<(SqlStr, Args)>,
    ) -> Result<(), sqlx::Error> {
        let mut rest = rows;
        for portion in portions(rows.len()) {
            let (now, later) = rest.split_at(portion);
            rest = later;
            let sql =
                self.statements.get(R::NAME, "upsert", portion, |dialect| upsert::<R>(dialect, portion));
            let mut args = Args::new(self.db.dialect());
            args.reserve(portion * (R::COLUMNS.len() + 1));
            for row in now {
                args.push(Value::Int(generation.0))?;
                let values = row.values().map_err(|error| sqlx::Error::Encode(error.into()))?;
                for value in values {
                    args.push(self.blind.stored(value))?;
                }
            }
            statements.push((made(sql), args));
        }
        Ok(())
    }

    /// The statements that replace what these rows are found by in the table beside theirs.
    fn replace_keys<R: Table>(
        &self,
        generation: Generation,
        rows: &[&R],
        statements: &mut Vec<(SqlStr, Args)>,
    ) -> Result<(), sqlx::Error> {
        let Some(table) = R::KEYS else { return Ok(()) };
        let dialect = self.db.dialect();
        for row in rows {
            let sql = format!("DELETE FROM {table} WHERE generation = $1 AND owner = $2");
            let owner = R::key_values(&row.key());
            let values = std::iter::once(Value::Int(generation.0)).chain(owner);
            statements.push((made(sql), args(dialect, values)?));
            for portion in row.key_entries().chunks(BULK) {
                let sql = self.statements.get(table, "keys", portion.len(), |dialect| {
                    let row = |row: usize| {
                        let kinds = [Kind::Int, Kind::Uuid, Kind::Uuid, Kind::Text, Kind::Time];
                        let places = kinds.iter().enumerate().map(|(at, kind)| {
                            format!("{}{}", placeholder(dialect, row * 5 + at + 1), cast(dialect, *kind))
                        });
                        format!("({})", places.collect::<Vec<_>>().join(", "))
                    };
                    let rows: Vec<_> = (0..portion.len()).map(row).collect();
                    format!(
                        "INSERT INTO {table} (generation, client_id, owner, key_hash, created_at) VALUES {}",
                        rows.join(", ")
                    )
                });
                let mut args = Args::new(dialect);
                for entry in portion {
                    args.push(Value::Int(generation.0))?;
                    for value in entry {
                        args.push(self.blind.stored(value.clone()))?;
                    }
                }
                statements.push((made(sql), args));
            }
        }
        Ok(())
    }

    /// The statements that write the rows and sums of a step. A sum that has come to nothing is removed.
    fn writes<R: Table>(
        &self,
        step: &Step,
        rows: &[&R],
        rollups: &[Rollup],
    ) -> Result<Vec<(SqlStr, Args)>, sqlx::Error> {
        let mut statements = Vec::new();
        self.upserts(step.generation, rows, &mut statements)?;
        self.replace_keys(step.generation, rows, &mut statements)?;
        if let Some(before) = step.retires {
            statements.extend(self.retire::<R>(step.generation, before)?);
        }
        let (gone, sums): (Vec<&Rollup>, Vec<_>) =
            rollups.iter().partition(|rollup| rollup.counts.is_empty());
        self.upserts(step.generation, &sums, &mut statements)?;
        for rollup in gone {
            statements.push(self.remove_rollup(step.generation, &rollup.key)?);
        }
        Ok(statements)
    }

    /// The statement that deletes rows that ended before a time (retention). Their sums stay counted.
    fn retire<R: Table>(
        &self,
        generation: Generation,
        before: Time,
    ) -> Result<Option<(SqlStr, Args)>, sqlx::Error> {
        let Some(ended) = R::ENDED else { return Ok(None) };
        let sql = format!("DELETE FROM {} WHERE generation = $1 AND {ended} < $2", R::NAME);
        let values = [Value::Int(generation.0), Value::Time(before)];
        Ok(Some((made(sql), args(self.db.dialect(), values)?)))
    }

    /// Makes the step's generation the active one, unless the active one has come further.
    async fn switch(&self, tx: &mut Tx, step: &Step) -> Result<bool, sqlx::Error> {
        let dialect = self.db.dialect();
        if dialect == Dialect::Postgres {
            // waits for a running commit to the active rows, and holds off the next
            let lock = "SELECT generation FROM projections WHERE name = $1 FOR UPDATE";
            tx.query(made(lock), args(dialect, [Value::text(step.projection)])?).await?;
        }
        let sql = "UPDATE projections SET generation = $2, stalled_position = NULL, stalled_type = NULL, \
                   stalled_reason = NULL WHERE name = $1 AND generation <> $2 AND $3 >= \
                   (SELECT g.position FROM projection_generations g \
                    WHERE g.projection = $1 AND g.generation = projections.generation)";
        let values =
            [Value::text(step.projection), Value::Int(step.generation.0), Value::position(step.to.position)];
        Ok(tx.execute(made(sql), args(dialect, values)?).await? == 1)
    }

    /// Commits a step in a transaction of its own. `None`: it is deposed; `true`: its generation became active.
    async fn step<R: Table>(
        &self,
        step: &Step,
        rows: &[&R],
        rollups: &[Rollup],
    ) -> Result<Option<bool>, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        if !self.advance(&mut tx, step).await? {
            return Ok(None);
        }
        for (sql, args) in self.writes(step, rows, rollups)? {
            tx.execute(sql, args).await?;
        }
        let switched = step.mode == Mode::RebuildAndSwitch && self.switch(&mut tx, step).await?;
        tx.commit().await?;
        Ok(Some(switched))
    }

    async fn digest_page<R: Table>(
        &self,
        generation: Generation,
        after: Option<&R::Key>,
        digest: &mut Digest,
    ) -> Result<Option<R::Key>, StoreUnavailable> {
        let dialect = self.db.dialect();
        let keys: Vec<_> = keys::<R>().collect();
        let mut values = vec![Value::Int(generation.0), Value::Int(DIGEST_PAGE)];
        let beyond = after.map_or_else(String::new, |after| {
            values.extend(R::key_values(after));
            let marks: Vec<_> = (0..keys.len()).map(|at| format!("${}", at + 3)).collect();
            format!(" AND ({}) > ({})", keys.join(", "), marks.join(", "))
        });
        let sql = format!(
            "SELECT {} FROM {} WHERE generation = $1{beyond} ORDER BY {} LIMIT $2 + 0",
            names::<R>(""),
            R::NAME,
            keys.join(", ")
        );
        let bound = args(dialect, values).map_err(|error| unavailable(&error))?;
        let rows = self.db.survey(made(sql), bound).await?;
        let mut last = None;
        for row in &rows {
            let mut hash = Sha256::new();
            for (at, column) in R::COLUMNS.iter().enumerate() {
                row.hash(at, column.kind, &mut hash).map_err(|error| unavailable(&error))?;
            }
            let mut sum = [0; 16];
            sum.copy_from_slice(&hash.finalize()[..16]);
            digest.sum = digest.sum.wrapping_add(u128::from_be_bytes(sum));
            digest.rows += 1;
        }
        if let Some(row) = rows.last() {
            last = Some(R::read(row).map_err(|error| unavailable(&error))?.key());
        }
        Ok(last)
    }
}

#[async_trait]
impl<R: Table> ViewRows<R> for SqlViews {
    async fn load(&self, generation: Generation, wanted: &[R::Key]) -> Result<Vec<R>, StoreUnavailable> {
        let mut found = Vec::with_capacity(wanted.len());
        let mut rest = wanted;
        for portion in portions(wanted.len()) {
            let (now, later) = rest.split_at(portion);
            rest = later;
            let make = |dialect| select_by_keys::<R>(dialect, portion);
            let sql = self.statements.get(R::NAME, "load", portion, make);
            let values = std::iter::once(Value::Int(generation.0)).chain(now.iter().flat_map(R::key_values));
            let bound = args(self.db.dialect(), values).map_err(|error| unavailable(&error))?;
            for row in self.db.query(Of::System, made(sql), bound).await? {
                found.push(R::read(&row).map_err(|error| unavailable(&error))?);
            }
        }
        Ok(found)
    }

    async fn commit(&self, step: &Step, rows: &[&R], rollups: &[Rollup]) -> Result<bool, CommitError> {
        // rebuilds take their time, and must not hold up the others
        if step.mode == Mode::Live && step.retires.is_none() {
            let writes = self.writes(step, rows, rollups).map_err(|error| unavailable(&error))?;
            match self.commit_in_group(PreparedStep { step: step.clone(), writes }).await {
                Committed::Moved => return Ok(false),
                Committed::Deposed => return Err(CommitError::Deposed),
                Committed::Failed(error) => return Err(error.into()),
                Committed::TryAlone => {}
            }
        }
        match limited(STEP_LIMIT, self.step(step, rows, rollups)).await? {
            Some(switched) => Ok(switched),
            None => Err(CommitError::Deposed),
        }
    }

    async fn compare(&self, active: Checkpoint, other: Checkpoint) -> Result<Comparison, StoreUnavailable> {
        let same_key: Vec<_> = keys::<R>().map(|key| format!("a.{key} = b.{key}")).collect();
        let same_key = same_key.join(" AND ");
        let different: Vec<_> = R::COLUMNS
            .iter()
            .filter(|column| column.role != Role::Key)
            .map(|column| format!("a.{0} IS DISTINCT FROM b.{0}", column.name))
            .collect();
        let table = R::NAME;
        let only = |mine: &str, theirs: &str| {
            format!(
                "(SELECT count(*) FROM {table} a WHERE a.generation = {mine} AND a.position <= $3 AND NOT EXISTS \
                 (SELECT 1 FROM {table} b WHERE b.generation = {theirs} AND {same_key}))"
            )
        };
        let sql = format!(
            "SELECT (SELECT count(*) FROM {table} a JOIN {table} b ON b.generation = $2 AND {same_key} \
             WHERE a.generation = $1 AND a.position <= $3 AND b.position <= $3 AND ({})), {}, {}",
            different.join(" OR "),
            only("$1", "$2"),
            only("$2", "$1"),
        );
        // rows that one of them has beyond the other's last event cannot be compared
        let common: Position = active.position.min(other.position);
        let values =
            [Value::Int(active.generation.0), Value::Int(other.generation.0), Value::position(common)];
        let bound = self.db.args(values).map_err(|error| unavailable(&error))?;
        let rows = self.db.survey(made(sql), bound).await?;
        let Some(row) = rows.first() else { return Ok(Comparison::default()) };
        let count = |column| row.count(column).map_err(|error| unavailable(&error));
        Ok(Comparison { differing: count(0)?, missing: count(1)?, extra: count(2)? })
    }

    async fn digest(&self, generation: Generation) -> Result<Digest, StoreUnavailable> {
        let mut digest = Digest::default();
        let mut after = self.digest_page::<R>(generation, None, &mut digest).await?;
        while let Some(key) = after {
            after = self.digest_page::<R>(generation, Some(&key), &mut digest).await?;
        }
        Ok(digest)
    }

    async fn discard(&self, generation: Generation, limit: u32) -> Result<u64, StoreUnavailable> {
        let table = R::NAME;
        let keys = keys::<R>().collect::<Vec<_>>().join(", ");
        if let Some(beside) = R::KEYS {
            // before their rows, so that none is left when this is cut off
            let sql = format!(
                "DELETE FROM {beside} WHERE generation = $1 AND owner IN \
                 (SELECT {keys} FROM {table} WHERE generation = $1 ORDER BY {keys} LIMIT $2 + 0)"
            );
            let values = [Value::Int(generation.0), Value::Int(i64::from(limit))];
            let bound = self.db.args(values).map_err(|error| unavailable(&error))?;
            self.db.execute(made(sql), bound).await?;
        }
        let sql = format!(
            "DELETE FROM {table} WHERE generation = $1 AND ({keys}) IN \
             (SELECT {keys} FROM {table} WHERE generation = $1 ORDER BY {keys} LIMIT $2 + 0)"
        );
        let values = [Value::Int(generation.0), Value::Int(i64::from(limit))];
        let bound = self.db.args(values).map_err(|error| unavailable(&error))?;
        self.db.execute(made(sql), bound).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_rows_is_made_of_few_sizes() {
        for rows in [0, 1, 5, 63, 64, 65, 200] {
            let portions: Vec<_> = portions(rows).collect();
            assert_eq!(portions.iter().sum::<usize>(), rows);
            assert!(portions.iter().all(|portion| portion.is_power_of_two() && *portion <= BULK));
        }
    }
}
