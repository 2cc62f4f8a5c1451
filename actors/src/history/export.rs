//! Makes a sealed bundle of events piece by piece: whatever its size, memory holds one page of events.

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

/// Most events in a piece.
const PAGE: usize = 500;
/// Longest search for the events of a piece; after it an empty piece reports the progress.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// The stored signed head cannot be parsed.
    #[error("the stored head cannot be read")]
    Head(#[from] NoteError),
    /// The metadata of an event is not valid text, so it cannot be written as JSON.
    #[error("event {0} cannot be exported: its metadata is no text")]
    Event(u64),
    #[error("a line cannot be written")]
    Line(#[from] serde_json::Error),
}

/// A piece of a bundle.
#[derive(Debug)]
pub struct Part {
    /// Whole lines of JSON, or empty.
    pub bytes: Vec<u8>,
    /// Every event up to this position was looked at.
    pub seen: u64,
    /// Events exported so far.
    pub events: u64,
}

/// Makes one bundle. It holds the matching events with their proofs, and hashes in place of the other events.
#[derive(Debug)]
pub struct Exporter {
    prover: Prover,
    scan: Scan,
    log: Uuid,
    size: u64,
    manifest: Option<Manifest>,
    /// Last position that was looked at; `told` is the last one that the written lines cover.
    seen: Position,
    told: u64,
    last: u64,
    events: u64,
    over: bool,
}

impl Exporter {
    /// A bundle of the matching events from position `first` to `last`, proven by the signed head `head`, which
    /// covers them. Fails when the head cannot be parsed.
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

    /// The next piece; `None` after the last. After an error, what was made so far is no valid bundle.
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

    /// The line that stands for the positions between the last one written and `next`; `None` when there are none.
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
