//! Roots of the log that are known from other sources than its stored heads.

use domain::envelope::{Position, Recorded, Version};
use domain::history::{LogAccepted, LogAnchored, LogEvent};
use domain::ids::LogId;
use domain::merkle::{Hash, KeptHead, NoteVerifier, SignedCheckpoint};
use domain::ports::event_store::{Direction, EventStore};
use domain::ports::head_keeper::KeepError;
use domain::wire::DomainEvent as _;
use projections::edge::format_time;
use uuid::Uuid;

use super::fault::{Faults, Kind};
use crate::out::say;
use crate::table::count;

/// Events read in one page.
const PAGE: usize = 512;

/// Source of a known root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    /// A checkpoint that the auditor kept.
    Auditor,
    /// The head in the key store.
    KeyStore,
    /// A head recorded in the log itself, at this position.
    Log(u64),
}

/// The root that the first `size` events must have.
#[derive(Debug, Clone)]
pub(super) struct KnownRoot {
    pub(super) size: u64,
    pub(super) root: Hash,
    from: From,
}

impl KnownRoot {
    /// The root of a checkpoint that the auditor kept.
    pub(super) fn kept(note: &SignedCheckpoint) -> Self {
        Self { size: note.checkpoint.size, root: note.checkpoint.root, from: From::Auditor }
    }

    /// The fault when the log has another root: its kind, its position, and a sentence.
    pub(super) fn differs(&self) -> (Kind, u64, String) {
        let size = self.size;
        match self.from {
            From::Auditor => (
                Kind::Checkpoint,
                size,
                format!("the log is not the one whose checkpoint of {size} events you kept"),
            ),
            From::KeyStore => (
                Kind::KeptHead,
                size,
                format!("the log is not the one whose head of {size} events the key store keeps"),
            ),
            From::Log(at) => {
                (Kind::Anchor, at, format!("the log is not the one whose head of {size} events stands here"))
            }
        }
    }

    /// The fault when the log has fewer events.
    pub(super) fn beyond(&self, end: u64) -> (Kind, String) {
        let size = self.size;
        match self.from {
            From::Auditor => {
                (Kind::Checkpoint, format!("you kept a checkpoint of {size} events; the log has {end}"))
            }
            From::KeyStore => {
                (Kind::KeptHead, format!("the key store keeps a head of {size} events; the log has {end}"))
            }
            From::Log(at) => {
                (Kind::Anchor, format!("a head of {size} events stands at {at}; the log has {end}"))
            }
        }
    }
}

/// The root in the key store for the log `log`.
pub(super) fn by_key_store(
    kept: Result<Option<KeptHead>, KeepError>,
    log: Uuid,
    faults: &mut Faults,
) -> Option<KnownRoot> {
    match kept {
        Ok(None) => {
            say!("the key store keeps no head of this log yet; the next start of a node does that");
            None
        }
        Ok(Some(kept)) if kept.size == 0 => None,
        Ok(Some(kept)) if kept.log != log => {
            faults.add(Kind::KeptHead, 0, 0, KeepError::OtherLog(kept.log).to_string());
            None
        }
        Ok(Some(KeptHead { size, root, .. })) => Some(KnownRoot { size, root, from: From::KeyStore }),
        Err(error) => {
            faults.add(Kind::KeptHead, 0, 0, error.to_string());
            None
        }
    }
}

/// The heads recorded in the log itself. Where an operator accepted the log as it was, earlier ones no longer
/// count; that this happened is reported.
pub(super) async fn in_the_log(
    store: &dyn EventStore,
    log: Uuid,
    key: &NoteVerifier,
    faults: &mut Faults,
) -> anyhow::Result<Vec<KnownRoot>> {
    let (mut known, mut after) = (Vec::new(), Version::NONE);
    loop {
        let page = store.read_stream(&LogId(log).stream(), after, Direction::Forwards, PAGE).await?;
        let Some(last) = page.last() else { return Ok(known) };
        after = last.version;
        for event in page {
            let Position(at) = event.position;
            match read(&event, key) {
                Ok(LogEvent::Anchored(LogAnchored { size, root, .. })) => {
                    known.push(KnownRoot { size, root, from: From::Log(at) });
                }
                Ok(LogEvent::Accepted(accepted)) => {
                    say!("{}", told(&accepted, at));
                    known.clear();
                    let LogAccepted { size, root, .. } = accepted;
                    known.extend((size > 0).then_some(KnownRoot { size, root, from: From::Log(at) }));
                }
                Err(why) => faults.at(Kind::Anchor, at, why),
            }
        }
    }
}

/// The log's own event, if its content is signed.
fn read(event: &Recorded, key: &NoteVerifier) -> Result<LogEvent, String> {
    let said = LogEvent::decode(&event.event_type, event.schema, &event.payload);
    let said = said.map_err(|error| error.to_string())?;
    let (size, root, note) = match &said {
        LogEvent::Anchored(said) => (said.size, said.root, &said.note),
        LogEvent::Accepted(said) => (said.size, said.root, &said.note),
    };
    let signed = note.parse::<SignedCheckpoint>().and_then(|note| key.verify(&note).map(|()| note));
    match signed {
        Ok(note) if (note.checkpoint.size, note.checkpoint.root) == (size, root) => Ok(said),
        Ok(_) => Err(format!("what is signed is another head than the one of {size} events")),
        Err(error) => Err(format!("the head of {size} events: {error}")),
    }
}

fn told(accepted: &LogAccepted, at: u64) -> String {
    format!(
        "at position {at}, {}, an operator accepted the log with {} events, where {} had been sealed",
        format_time(accepted.at),
        count(accepted.size),
        count(accepted.superseded_size),
    )
}
