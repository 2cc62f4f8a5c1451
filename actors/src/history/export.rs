//! Making a sealed bundle, piece by piece: however much it holds, memory holds a page.

use std::sync::Arc;
use std::time::Duration;

use domain::envelope::{Position, Recorded};
use domain::history::{BundledEvent, End, FORMAT, Gap, HistoryFilter, Line, Manifest};
use domain::merkle::{Entry, NoteError, SignedCheckpoint, subtrees};
use domain::ports::event_store::{EventStore, ReadError};
use domain::ports::seals::Head;
use uuid::Uuid;

use super::scan::Scan;
use crate::sealer::{ProveError, Prover};

/// Events in a piece.
const PAGE: usize = 500;
/// The longest to look for the next piece before an empty one says how far it is.
const PATIENCE: Duration = Duration::from_secs(1);

/// Why a bundle was not made.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The tree cannot be read.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// The head is none.
    #[error("the stored head cannot be read")]
    Head(#[from] NoteError),
    /// What is stored cannot be written as JSON.
    #[error("event {0} cannot be exported: its metadata is no text")]
    Event(u64),
    /// A line cannot be written.
    #[error("a line cannot be written")]
    Line(#[from] serde_json::Error),
}

/// A piece of a bundle.
#[derive(Debug)]
pub struct Part {
    /// Whole lines, or nothing.
    pub bytes: Vec<u8>,
    /// Everything up to this position was looked at.
    pub seen: u64,
    /// Events so far.
    pub events: u64,
}

/// Makes one bundle.
#[derive(Debug)]
pub struct Exporter {
    prover: Prover,
    scan: Scan,
    log: Uuid,
    size: u64,
    manifest: Option<Manifest>,
    /// The last position looked at, and the last one that is told of.
    seen: Position,
    told: u64,
    last: u64,
    events: u64,
    over: bool,
}

impl Exporter {
    /// Of the events from `first` to `last` that fit, proven by `head`, which covers them.
    ///
    /// # Errors
    /// When the head cannot be read.
    pub fn new(
        log: Arc<dyn EventStore>,
        prover: Prover,
        head: &Head,
        (first, last): (u64, u64),
        filter: HistoryFilter,
    ) -> Result<Self, ExportError> {
        let note: SignedCheckpoint = head.note.parse()?;
        let named = note.checkpoint.origin.rsplit('/').next().and_then(|id| id.parse().ok());
        let id: Uuid = named.ok_or(NoteError::Malformed)?;
        let (first, last) = (first.max(1), last.min(head.size));
        let checkpoint = head.note.clone();
        let manifest =
            Manifest { format: FORMAT.to_owned(), log: id, checkpoint, first, last, filter: filter.clone() };
        let scan = Scan::new(log, filter, Position(last));
        Ok(Self {
            prover,
            scan,
            log: id,
            size: head.size,
            manifest: Some(manifest),
            seen: Position(first - 1),
            told: 0,
            last,
            events: 0,
            over: false,
        })
    }

    /// The next piece; `None` after the last.
    ///
    /// # Errors
    /// [`ExportError`]: what was made so far is no bundle.
    pub async fn next(&mut self) -> Result<Option<Part>, ExportError> {
        if self.over {
            return Ok(None);
        }
        let mut lines = Vec::new();
        lines.extend(self.manifest.take().map(|manifest| Line::Manifest(Box::new(manifest))));
        let found = if self.seen.0 < self.last {
            self.scan.find(self.seen, PAGE, PATIENCE).await?
        } else {
            super::Found { ended: true, seen: self.seen, ..super::Found::default() }
        };
        self.seen = found.seen;
        self.tell(&found.events, &mut lines).await?;
        if found.ended {
            lines.extend(self.gap(self.size + 1).await?);
            lines.push(Line::End(End { events: self.events }));
            self.over = true;
        }
        let mut bytes = Vec::new();
        for line in &lines {
            serde_json::to_writer(&mut bytes, line)?;
            bytes.push(b'\n');
        }
        Ok(Some(Part { bytes, seen: self.seen.0, events: self.events }))
    }

    async fn tell(&mut self, events: &[Recorded], lines: &mut Vec<Line>) -> Result<(), ExportError> {
        for event in events {
            lines.extend(self.gap(event.position.0).await?);
            let leaf = Entry::of(self.log, event).leaf();
            let bundled = BundledEvent::of(event, leaf).ok_or(ExportError::Event(event.position.0))?;
            lines.push(Line::Event(Box::new(bundled)));
            self.told = event.position.0;
            self.events += 1;
        }
        Ok(())
    }

    /// What lies between the last position told of and `next`.
    async fn gap(&mut self, next: u64) -> Result<Option<Line>, ExportError> {
        let (from, to) = (self.told + 1, next - 1);
        if from > to {
            return Ok(None);
        }
        self.told = to;
        let hashes = self.prover.nodes(&subtrees(from - 1, to)).await?;
        Ok(Some(Line::Gap(Gap { from, to, hashes })))
    }
}
