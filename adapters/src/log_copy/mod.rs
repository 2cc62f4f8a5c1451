//! Copies a log from one engine to another, and proves that both are the same.
//!
//! The target is filled in order, so at any moment it holds a beginning of the source: a copy that was cut off goes on
//! where the target ends. What is there already is compared event by event before anything is written; what was
//! written is read back; and both logs must lead to the same Merkle root.

mod pages;
mod seals;

use std::collections::VecDeque;
use std::sync::Arc;

use domain::envelope::Position;
use domain::merkle::{Frontier, Hash, log_id};
use domain::ports::event_store::{EventStore, ReadError};
use domain::ports::log_target::{LogTarget, WriteError};
use uuid::Uuid;

use self::pages::Pages;
pub use self::seals::{CarriedSeals, SealsError, carry_seals};

/// The most events that a copy writes at once, unless told otherwise; pages of 16 MiB end earlier.
pub const BATCH: usize = 8_192;

/// What a copy is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Comparing what the target holds already with the source.
    Comparing,
    /// Writing events, and reading back what was written.
    Copying,
    /// Carrying over the signed heads and their tree.
    Sealing,
}

/// Learns how far a copy is.
pub trait Watch: Send {
    /// `at` of `of` events are done in this stage.
    fn at(&mut self, stage: Stage, at: u64, of: u64);
}

impl Watch for () {
    fn at(&mut self, _: Stage, _: u64, _: u64) {}
}

/// Two logs that hold the same events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// Id of the log; `None` while it is empty.
    pub log: Option<Uuid>,
    /// Events in both: those that the source had when the copy began.
    pub events: u64,
    /// How many of them the target held before.
    pub before: u64,
    /// Merkle root over these events, of either log.
    pub root: Hash,
    /// Events that the source got since: it is being written.
    pub grown: u64,
}

/// Why a log was not copied, or not all of it. The target holds a beginning of the source, or what it held before.
#[derive(Debug, thiserror::Error)]
pub enum LogCopyError {
    /// The source cannot be read any further.
    #[error("the source cannot be read beyond event {after}")]
    Source {
        /// The last event that was read.
        after: u64,
        #[source]
        error: ReadError,
    },
    /// What the target holds cannot be read.
    #[error("the target cannot be read beyond event {after}")]
    Target {
        /// The last event that was read.
        after: u64,
        #[source]
        error: ReadError,
    },
    /// The target holds more events than the source.
    #[error("the target has {target} events and the source {source_has}: it is no beginning of the source")]
    Longer {
        /// Events in the target.
        target: u64,
        /// Events in the source.
        source_has: u64,
    },
    /// The target holds another event than the source.
    #[error("event {position} of the target is not that of the source: the target holds something else")]
    Other {
        /// The first position where they differ.
        position: u64,
    },
    /// The target does not take the events.
    #[error("event {first} and those after it cannot be written")]
    Write {
        /// The first event that was to be written.
        first: u64,
        #[source]
        error: WriteError,
    },
    /// What was read back is not what was written.
    #[error(
        "the target's root over {events} events is not the source's; the same command again names the event"
    )]
    Roots {
        /// Events in both logs.
        events: u64,
    },
}

impl LogCopyError {
    /// Whether the logs are at fault, as opposed to a store that is away: the same command again will not help.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        match self {
            Self::Source { error, .. } | Self::Target { error, .. } => {
                !matches!(error, ReadError::Unavailable(_))
            }
            Self::Write { error, .. } => matches!(error, WriteError::Refused(_)),
            Self::Longer { .. } | Self::Other { .. } | Self::Roots { .. } => true,
        }
    }
}

/// Copies `source`, as long as it is now, into `target`, at most `batch` events at once, and compares both. Memory stays
/// bounded by some pages of 16 MiB.
pub async fn copy_log(
    source: &Arc<dyn EventStore>,
    target: &mut dyn LogTarget,
    batch: usize,
    watch: &mut dyn Watch,
) -> Result<Copied, LogCopyError> {
    let of_source = |after: u64| move |error| LogCopyError::Source { after, error };
    let of_target = |after: u64| move |error| LogCopyError::Target { after, error };
    let end = source.head().await.map_err(of_source(0))?.0;
    let copy = target.log();
    let before = copy.head().await.map_err(of_target(0))?.0;
    if before > end {
        return Err(LogCopyError::Longer { target: before, source_has: end });
    }
    let first = source.read_all(Position::START, 1).await.map_err(of_source(0))?;
    let Some(log) = first.first().map(log_id) else {
        let root = Frontier::default().root();
        return Ok(Copied { log: None, events: 0, before: 0, root, grown: 0 });
    };
    let agreed = compare(source, &copy, log, before, batch, watch).await?;

    let (mut tree, mut proven) = (agreed.clone(), agreed);
    let mut pages = Pages::read(source, log, before, end, batch);
    while let Some(page) = pages.next().await.map_err(of_source(tree.size()))? {
        // what was written before is read back while this is written
        let mut written = Pages::read(&copy, log, proven.size(), tree.size(), batch);
        let done = target.write(&page.events).await;
        done.map_err(|error| LogCopyError::Write { first: tree.size() + 1, error })?;
        prove(&mut written, &mut proven).await?;
        page.leaves.iter().for_each(|leaf| tree.push(*leaf));
        watch.at(Stage::Copying, tree.size() - before, end - before);
    }
    prove(&mut Pages::read(&copy, log, proven.size(), end, batch), &mut proven).await?;
    if proven.root() != tree.root() {
        return Err(LogCopyError::Roots { events: end });
    }
    let now = source.head().await.map_err(of_source(end))?.0;
    Ok(Copied { log: Some(log), events: end, before, root: tree.root(), grown: now.saturating_sub(end) })
}

/// Adds what was read back to the tree over it.
async fn prove(written: &mut Pages, proven: &mut Frontier) -> Result<(), LogCopyError> {
    let failed = |after: u64| move |error| LogCopyError::Target { after, error };
    while let Some(page) = written.next().await.map_err(failed(proven.size()))? {
        page.leaves.iter().for_each(|leaf| proven.push(*leaf));
    }
    Ok(())
}

/// Compares the first `upto` events of both logs. Answers the tree over them.
async fn compare(
    source: &Arc<dyn EventStore>,
    target: &Arc<dyn EventStore>,
    log: Uuid,
    upto: u64,
    batch: usize,
    watch: &mut dyn Watch,
) -> Result<Frontier, LogCopyError> {
    let mut agreed = Frontier::default();
    let mut theirs = Pages::read(target, log, 0, upto, batch);
    let mut ours = Pages::read(source, log, 0, upto, batch);
    // pages of two engines may end at different events
    let (mut their_leaves, mut our_leaves) = (VecDeque::new(), VecDeque::new());
    while agreed.size() < upto {
        if their_leaves.is_empty() {
            let page = theirs.next().await;
            let page = page.map_err(|error| LogCopyError::Target { after: agreed.size(), error })?;
            their_leaves.extend(page.into_iter().flat_map(|page| page.leaves));
        }
        if our_leaves.is_empty() {
            let page = ours.next().await;
            let page = page.map_err(|error| LogCopyError::Source { after: agreed.size(), error })?;
            our_leaves.extend(page.into_iter().flat_map(|page| page.leaves));
        }
        while let (Some(their), Some(our)) = (their_leaves.front(), our_leaves.front()) {
            if their != our {
                return Err(LogCopyError::Other { position: agreed.size() + 1 });
            }
            agreed.push(*our);
            their_leaves.pop_front();
            our_leaves.pop_front();
        }
        watch.at(Stage::Comparing, agreed.size(), upto);
    }
    Ok(agreed)
}
