//! `voxledger keys copy`: the key store in another database.

use adapters::database::{Database, Part, migration_status, newer_schema};
use adapters::keys::{KeysDb, copy_keys};
use anyhow::Context as _;

use crate::out::say;
use crate::table::count;
use api_node::data_dir_is_held;

/// Copies a key store. Fails when a store cannot be used; then the target is as it was.
pub(super) async fn run(from: &str, to: &str) -> anyhow::Result<()> {
    let (from, to) = (database("--from", from)?, database("--to", to)?);
    anyhow::ensure!(from != to, "source and target are the same key store");
    if let Database::Sqlite(path) = &from
        && path.parent().is_some_and(data_dir_is_held)
    {
        anyhow::bail!(
            "a node uses this key store; stop it first, or keys of persons it meets meanwhile are lost"
        );
    }
    let steps = migration_status(&from, Part::Keys).await.context("cannot open the source")?;
    if let Some(words) = newer_schema(&steps) {
        anyhow::bail!("the source: {words}");
    }
    anyhow::ensure!(
        steps.iter().all(|step| step.applied),
        "the source is no up-to-date key store; check the address, or run `voxledger migrate up` on it"
    );
    let source = KeysDb::open(&from).await.context("cannot open the source")?;
    let target = match KeysDb::open(&to).await {
        Ok(target) => target,
        Err(error) => {
            source.close().await;
            return Err(anyhow::Error::new(error).context("cannot open the target"));
        }
    };
    let copied = copy_keys(&source, &target).await;
    source.close().await;
    target.close().await;
    let copied = copied.context("the keys were not copied")?;
    let of = copied.log.map_or_else(String::new, |log| format!(" of the log {log}"));
    say!(
        "{} keys{of} copied, and {} answers under idempotency keys",
        count(copied.keys),
        count(copied.answers)
    );
    say!(
        "they need the same master key; the old key store still opens everything: remove it, and its backups in time"
    );
    Ok(())
}

fn database(flag: &str, address: &str) -> anyhow::Result<Database> {
    address.parse().with_context(|| format!("{flag} cannot be used"))
}
