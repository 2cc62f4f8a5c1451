//! `voxledger audit verify`: checks the whole log against its tree, its heads, its views,
//! and checkpoints kept elsewhere.

mod chunk;
mod external_sort;
mod fault;
mod heads;
mod known;
mod unsealed;
mod views;
mod walk;

use std::hash::RandomState;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use adapters::clock::SystemClock;
use adapters::ids::RandomIds;
use anyhow::Context as _;
use clap::Args;
use domain::envelope::Position;
use domain::merkle::{KeptHead, NoteVerifier, SignedCheckpoint, checkpoints_in, log_id};
use domain::ports::clock::Clock;
use domain::ports::event_store::LogTable as _;
use domain::ports::head_keeper::{HeadKeeper as _, KeepError};
use domain::ports::ids::Ids;
use indicatif::{ProgressBar, ProgressStyle};

use self::chunk::Source;
use self::fault::{Fault, Faults, Kind};
use self::heads::Heads;
use self::known::KnownRoot;
use super::open::{Audited, open};
use super::{FAULTS, key_of};
use crate::out::say;
use crate::stores;
use crate::table::count;
use api_node::config::Config;
use api_node::open_vault;

/// Flags of `audit verify`.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// Verifier key of the log (voxledger/log/…+…+…), or a file with it; by default the node's own key, which
    /// needs its key store.
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// A file of signed checkpoints that you kept; verify that the log contains them.
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Also rebuild every view aside, and compare it with the one in use.
    #[arg(long)]
    pub views: bool,
}

pub(super) async fn run(config: &Config, args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let audited = open(config).await?;
    let verified = verify(config, &audited, args).await;
    audited.close().await;
    verified
}

async fn verify(config: &Config, audited: &Audited, args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let Audited { log, seals } = audited;
    let kept = args.checkpoint.as_ref().map(|file| {
        let text =
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        checkpoints_in(&text).with_context(|| format!("{} is not to be used", file.display()))
    });
    let kept = kept.transpose()?.unwrap_or_default();
    // a head is stored after the events that it covers, so it is read before them
    let kept_head = if args.key.is_none() { Some(kept_head(config).await?) } else { None };
    let store = log.store();
    let head = store.head().await?.0;
    // the log is named by its first event: if that is gone or was changed, nothing matches any more
    let id = first_of(audited).await?;
    let Some(id) = id else {
        anyhow::ensure!(kept.is_empty(), "the log is empty, and you kept a checkpoint of it");
        say!("the log is empty");
        let mut faults = Faults::default();
        if let Some(Err(error)) = &kept_head {
            faults.add(Kind::KeptHead, 0, 0, error.to_string());
        }
        if let Some(Ok(Some(kept))) = kept_head
            && kept.size > 0
        {
            let detail = format!("the key store keeps a head of {} events; the log has none", kept.size);
            faults.add(Kind::KeptHead, 1, kept.size, detail);
        }
        return Ok(report(faults));
    };
    let key = key_of(config, args.key.as_deref(), Some(id)).await?;
    check_kept(&kept, &key)?;
    let mut faults = Faults::default();
    let source = Source { log: log.clone(), seals: seals.clone(), id, hasher: RandomState::new() };
    let bar = progress(head);
    let began = Instant::now();
    let heads = Heads::read(seals.clone(), key.clone());
    let mut known: Vec<_> = kept.iter().map(KnownRoot::kept).collect();
    known.extend(kept_head.and_then(|kept| known::by_key_store(kept, id, &mut faults)));
    known.extend(
        known::in_the_log(&*store, id, &key, &mut faults).await?.into_iter().filter(|at| at.size <= head),
    );
    let walked = walk::walk(&source, head, heads, known, &mut faults, |at| bar.set_position(at)).await?;
    bar.finish_and_clear();
    beyond(audited, head, &mut faults).await?;
    let seconds = began.elapsed().as_secs_f64();
    let rate = walked.events as f64 / seconds.max(1e-6);
    say!(
        "{} events in {seconds:.2} s ({} a second), {} signed heads, key {key}",
        count(walked.events),
        count(rate as u64),
        count(walked.heads),
    );
    if head > walked.sealed {
        unsealed::check(log, (walked.sealed, head), SystemClock.now(), &mut faults).await?;
    }
    if args.views {
        views::compare(config, log, &mut faults).await?;
    }
    Ok(report(faults))
}

/// The head in the key store. A store that does not answer is no fault of the log.
async fn kept_head(config: &Config) -> anyhow::Result<Result<Option<KeptHead>, KeepError>> {
    stores::must_be_current(&stores::keys(config)?).await?;
    let (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>) = (Arc::new(SystemClock), Arc::new(RandomIds));
    let (keys, vault) = open_vault(config, &clock, &ids).await?;
    let kept = vault.head_keeper().kept().await;
    keys.close().await;
    match kept {
        Err(KeepError::Unavailable(error)) => Err(error.into()),
        kept => Ok(kept),
    }
}

/// Reports rows beyond the head, which no node appended.
async fn beyond(audited: &Audited, head: u64, faults: &mut Faults) -> anyhow::Result<()> {
    let rows = audited.log.rows(Position(head), Position(u64::MAX), 100).await?;
    // a node may have appended meanwhile
    let now = audited.log.store().head().await?;
    for row in rows {
        let position = row.map_or_else(|unreadable| unreadable.position, |event| event.position);
        if position > now {
            faults.at(Kind::Inserted, position.0, format!("the log ends at {now}"));
        }
    }
    Ok(())
}

/// The id of the log: that of its first event, or else the one in the stored heads.
async fn first_of(audited: &Audited) -> anyhow::Result<Option<uuid::Uuid>> {
    use domain::ports::seals::SealStore as _;
    let named = audited.seals.heads(None, false, 1).await?.pop().and_then(|head| {
        let note: SignedCheckpoint = head.note.parse().ok()?;
        note.checkpoint.origin.rsplit('/').next()?.parse().ok()
    });
    if named.is_some() {
        return Ok(named);
    }
    let first = audited.log.rows(Position::START, Position(1), 1).await?.pop();
    Ok(first.and_then(Result::ok).map(|first| log_id(&first)))
}

/// Checks that the auditor's checkpoints have valid signatures.
fn check_kept(kept: &[SignedCheckpoint], key: &NoteVerifier) -> anyhow::Result<()> {
    for note in kept {
        let size = note.checkpoint.size;
        key.verify(note).with_context(|| format!("the checkpoint of {size} events that you kept"))?;
    }
    Ok(())
}

pub(super) fn progress(head: u64) -> ProgressBar {
    let bar = ProgressBar::new(head);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos}/{len} events [{bar:30}] {per_sec} {eta}")
    {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

fn report(faults: Faults) -> ExitCode {
    if faults.is_empty() {
        say!("nothing is wrong");
        return ExitCode::SUCCESS;
    }
    let (faults, left_out) = faults.sorted();
    faults.iter().map(Fault::to_string).for_each(|line| say!("{line}"));
    if left_out > 0 {
        say!("and {} faults more of these kinds", count(left_out));
    }
    say!("the history has {} faults", count(faults.len() as u64 + left_out));
    ExitCode::from(FAULTS)
}
