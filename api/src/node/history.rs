//! Whether history is what it was, before anything is built on it.

use actors::sealer::{SealedLog, Unsound};
use adapters::event_store::EventLog;
use adapters::keys::KeyVault;
use adapters::seals::SealsDb;
use anyhow::Context as _;
use domain::envelope::Time;
use domain::merkle::KeptHead;
use domain::ports::vault::Vault as _;
use std::sync::Arc;

/// What to do about a log that is not the one that was sealed.
const REMEDY: &str = "restore the newest backup of the log and its seals; or, to give up what is missing or \
    changed for good, run `voxledger audit accept-log`, which says what that means";

/// The log with all that must agree with it, for commands outside of a node.
///
/// # Errors
/// When the key store cannot be used.
pub(crate) async fn sealed_log(
    log: &EventLog,
    seals: &SealsDb,
    vault: &KeyVault,
) -> anyhow::Result<SealedLog> {
    let secret = vault.secret(actors::sealer::KEY).await.context("cannot use the vault")?;
    Ok(SealedLog {
        log: log.store(),
        table: Arc::new(log.clone()),
        seals: Arc::new(seals.clone()),
        keeper: Arc::new(vault.head_keeper()),
        secret,
    })
}

/// Makes sure that the log is the one that was sealed. Of an empty one the key store remembers that it was empty, so
/// that later nobody can say so of a full one.
///
/// # Errors
/// When it is not, or cannot be told; says what to do.
pub(crate) async fn must_stand(sealed: &SealedLog, now: Time) -> anyhow::Result<()> {
    let advised =
        |error: Unsound| match error.is_fault() {
            true => anyhow::Error::new(error)
                .context(format!("the history is not the one that was sealed: {REMEDY}")),
            false => anyhow::Error::new(error)
                .context("cannot tell whether the history is the one that was sealed"),
        };
    let standing = sealed.standing(now).await.map_err(advised)?;
    if standing.log.is_none() {
        sealed.keeper.keep(&KeptHead::NOTHING).await.map_err(Unsound::from).map_err(advised)?;
    }
    Ok(())
}
