//! `voxledger audit verify`: the whole log against its tree, its heads, its views, and checkpoints kept elsewhere.

mod chunk;
mod fault;
mod heads;
mod sift;
mod views;
mod walk;

use std::hash::RandomState;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use domain::envelope::Position;
use domain::merkle::{NoteVerifier, SignedCheckpoint, checkpoints_in, log_id};
use indicatif::{ProgressBar, ProgressStyle};

use self::chunk::Source;
use self::fault::{Fault, Faults, Kind};
use self::heads::Heads;
use super::open::{Audited, open};
use super::{FAULTS, key_of};
use crate::cli::table::count;
use crate::config::Config;

/// Flags of `audit verify`.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// The verifier key of the log (voxledger/log/…+…+…), or a file with it; without it the node's own key is taken,
    /// which needs its key store.
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// A file of signed checkpoints that you kept: the log must be the one they are about.
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Rebuild every view aside, too, and compare it with what is in use.
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
    let store = log.store();
    let head = store.head().await?.0;
    // the log is named by its first event: if that is gone or was changed, nothing fits any more
    let id = first_of(audited).await?;
    let Some(id) = id else {
        anyhow::ensure!(kept.is_empty(), "the log is empty, and you kept a checkpoint of it");
        println!("the log is empty");
        return Ok(ExitCode::SUCCESS);
    };
    let key = key_of(config, args.key.as_deref(), Some(id)).await?;
    check_kept(&kept, &key)?;
    let mut faults = Faults::default();
    let source = Source { log: log.clone(), seals: seals.clone(), id, hasher: RandomState::new() };
    let bar = progress(head);
    let began = Instant::now();
    let heads = Heads::read(seals.clone(), key.clone());
    let walked = walk::walk(&source, head, heads, &kept, &mut faults, |at| bar.set_position(at)).await?;
    bar.finish_and_clear();
    beyond(audited, head, &mut faults).await?;
    let seconds = began.elapsed().as_secs_f64();
    let rate = walked.events as f64 / seconds.max(1e-6);
    println!(
        "{} events in {seconds:.2} s ({} a second), {} signed heads, key {key}",
        count(walked.events),
        count(rate as u64),
        count(walked.heads),
    );
    let open = head.saturating_sub(walked.sealed);
    if open > 0 {
        println!("{} of them are newer than the last signed head, and not sealed yet", count(open));
    }
    if args.views {
        views::compare(config, log, &mut faults).await?;
    }
    Ok(report(faults))
}

/// What stands beyond the head was not appended by a node.
async fn beyond(audited: &Audited, head: u64, faults: &mut Faults) -> anyhow::Result<()> {
    let rows = audited.log.rows(Position(head), Position(u64::MAX), 100).await?;
    // a node may have gone on meanwhile
    let now = audited.log.store().head().await?;
    for row in rows {
        let position = row.map_or_else(|unreadable| unreadable.position, |event| event.position);
        if position > now {
            faults.at(Kind::Inserted, position.0, format!("the log ends at {now}"));
        }
    }
    Ok(())
}

/// The id of the log: of its first event, or else as the stored heads have it.
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

/// What the auditor kept must be good by itself.
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
        println!("nothing is wrong");
        return ExitCode::SUCCESS;
    }
    let (faults, left_out) = faults.sorted();
    faults.iter().map(Fault::to_string).for_each(|line| println!("{line}"));
    if left_out > 0 {
        println!("and {} faults more of these kinds", count(left_out));
    }
    println!("the history has {} faults", count(faults.len() as u64 + left_out));
    ExitCode::from(FAULTS)
}
