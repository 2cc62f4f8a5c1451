//! Verifies history before the node builds on it.

use actors::sealer::{SealedLog, Unsound};
use adapters::event_store::EventLog;
use adapters::keys::{KeyVault, KeysDb};
use adapters::privacy::{EncryptingEventStore, Reapplied};
use adapters::seals::SealsDb;
use anyhow::Context as _;
use domain::envelope::{Position, Time};
use domain::merkle::KeptHead;
use domain::ports::vault::Vault as _;
use std::sync::Arc;

/// Advice for a log that is not the one that was sealed.
const REMEDY: &str = "restore the newest backup of the log and its seals; or, to give up what is missing or \
    changed for good, run `voxledger audit accept-log`, which says what that means";

/// The log with everything that must agree with it, for commands outside of a node. Fails when the key
/// store cannot be used.
pub async fn sealed_log(log: &EventLog, seals: &SealsDb, vault: &KeyVault) -> anyhow::Result<SealedLog> {
    let secret = vault.secret(actors::sealer::KEY).await.context("cannot use the vault")?;
    Ok(SealedLog {
        log: log.store(),
        table: Arc::new(log.clone()),
        seals: Arc::new(seals.clone()),
        keeper: Arc::new(vault.head_keeper()),
        secret,
    })
}

/// Advice for keys that are older than the log.
const OLDER_KEYS: &str = "put the newest copy of the key store there, or set VOXLEDGER_KEY_STORE to where it is; or, to \
    give up what only the lost keys open, run `voxledger keys accept-older`, which says what that means";

/// Checks that the log is the one that was sealed, and that the key store is no older than it. For an empty log the
/// key store records that it was empty, so that nobody can later pass a full log off as empty. Answers the head
/// that the key store held until now. Fails when a check fails or is impossible; the error says what to do.
pub async fn must_stand(sealed: &SealedLog, now: Time) -> anyhow::Result<Option<KeptHead>> {
    let advised =
        |error: Unsound| match error.is_fault() {
            true if matches!(error, Unsound::KeysOlder { .. }) => anyhow::Error::new(error)
                .context(format!("the key store is older than the log: {OLDER_KEYS}")),
            true => anyhow::Error::new(error)
                .context(format!("the history is not the one that was sealed: {REMEDY}")),
            false => anyhow::Error::new(error)
                .context("cannot tell whether the history is the one that was sealed"),
        };
    let standing = sealed.standing(now).await.map_err(advised)?;
    sealed.keys_must_be_current(standing.kept).await.map_err(advised)?;
    if standing.log.is_none() {
        sealed.keeper.keep(&KeptHead::NOTHING).await.map_err(Unsound::from).map_err(advised)?;
    }
    Ok(standing.kept)
}

/// Repeats erasures that the key store may have missed: those with events after the head that it kept. After a
/// clean stop that is the newest head, and next to nothing is read. Fails when the log cannot be read or the key
/// store cannot be written.
pub async fn erase_again(
    private: &EncryptingEventStore,
    keys: &KeysDb,
    kept: Option<KeptHead>,
) -> anyhow::Result<Reapplied> {
    let after = Position(kept.map_or(0, |kept| kept.size));
    let erased = private.reapply_erasures(&keys.privacy_jobs(), after).await;
    let erased = erased.context("erasures of the log could not be applied to the key store")?;
    if erased.keys > 0 {
        let (keys, jobs) = (erased.keys, erased.jobs);
        tracing::warn!(
            keys,
            jobs,
            "the key store did not know of erasures in the log: they were applied again"
        );
    }
    Ok(erased)
}

/// Stores the newest head of the log in the key store, as if it had never been older; call it after
/// [`erase_again`]. Fails when a store cannot be used, or the newest head is not signed.
pub async fn keep_newest_head(sealed: &SealedLog) -> anyhow::Result<()> {
    let Some(log) = sealed.id().await? else { return Ok(()) };
    let Some(head) = sealed.latest(log).await? else { return Ok(()) };
    let newest = KeptHead { log, size: head.size, root: head.root };
    sealed.keeper.keep(&newest).await.context("the newest head of the log cannot be kept in the key store")
}
