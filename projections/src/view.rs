//! What a view is: rows, and a pure function from facts to rows.

use std::fmt;
use std::hash::Hash;

use domain::envelope::{Position, Recorded, Time, Version};
use domain::ids::ClientId;
use domain::privacy::policy::{PolicyEvent, RetentionKind};
use domain::wire::{DecodeError, DomainEvent as _};
use serde::Serialize;
use uuid::Uuid;

use crate::document::DocumentTable;
use crate::rollup::{Contribution, Counted};

/// The envelope of a fact, without its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// The id in the stream's name.
    pub id: Uuid,
    pub client: ClientId,
    /// Position in the log.
    pub position: Position,
    /// Version in the event's stream.
    pub version: Version,
    pub recorded_at: Time,
}

impl From<&Recorded> for At {
    fn from(event: &Recorded) -> Self {
        Self {
            id: event.stream.id(),
            client: event.client_id,
            position: event.position,
            version: event.version,
            recorded_at: event.recorded_at,
        }
    }
}

/// A row of a view. Equal facts make equal rows, to the byte.
pub trait Row: Clone + fmt::Debug + Send + Sync + 'static {
    /// The key that a row is found by.
    type Key: Copy + Eq + Ord + Hash + fmt::Debug + Send + Sync + 'static;

    /// The key that the row is found by.
    fn key(&self) -> Self::Key;
}

/// A row that shows one resource of the API.
pub trait Shown: Row {
    /// Where the rows are stored.
    const TABLE: DocumentTable;

    /// The resource as clients see it.
    type Resource: Serialize;

    /// The resource as clients see it.
    fn resource(&self) -> &Self::Resource;

    /// Version of the resource's stream.
    fn version(&self) -> Version;
}

/// A read model: rows made from events.
///
/// Nothing here does I/O or reads a clock: the same events always make the same rows. A row is made from the facts
/// of one stream, unless [`ONE_STREAM`](Self::ONE_STREAM) says otherwise.
pub trait View: Send + Sync + 'static {
    /// Name of the view, for example `calls`.
    const NAME: &'static str;
    /// Whether a row is made from several facts, so that it must be loaded before the next one is applied.
    const FOLDS: bool;
    /// Whether a row is made from one stream only. Then the row of a stream's first event does not exist yet, and
    /// is not looked up.
    const ONE_STREAM: bool = true;
    /// Types of the events whose personal data the view shows; `None`: all types. Personal data of other events
    /// need not be decrypted, and reads as erased.
    const PERSONAL: Option<&'static [&'static str]> = None;
    /// The kind of retention run that removes the view's rows; `None` when they are kept.
    const RETIRED_BY: Option<RetentionKind> = None;
    type Row: Row;
    /// What an event means to this view.
    type Fact: Send + Sync + 'static;

    /// Reads what an event means to this view, and the key of its row; `None` when it means nothing.
    ///
    /// Fails when the event concerns the view and cannot be read; the runner then stalls there and reports it.
    #[expect(clippy::type_complexity, reason = "a pair, given a name nowhere else")]
    fn read(event: &Recorded) -> Result<Option<(<Self::Row as Row>::Key, Self::Fact)>, DecodeError>;

    /// Applies a fact to its row, which may not exist yet.
    fn apply(row: &mut Option<Self::Row>, at: &At, fact: Self::Fact);

    /// The kind of the view's sums; `None` when it has none.
    const COUNTED: Option<Counted> = None;

    /// What a row adds to the sums. When the row changes this is taken back, and the new value added.
    fn adds(_row: &Self::Row) -> Option<Contribution> {
        None
    }

    /// What a fact adds to the sums, independently of its row.
    fn counts(_at: &At, _fact: &Self::Fact) -> Option<Contribution> {
        None
    }

    /// Whether a fact may change its row; otherwise it is only counted.
    fn touches(_fact: &Self::Fact) -> bool {
        true
    }
}

/// The time before which this event removes rows; `None` unless it is a retention run for the view. Fails when it
/// is one and cannot be read.
pub(crate) fn retires<V: View>(event: &Recorded) -> Result<Option<Time>, DecodeError> {
    let Some(kind) = V::RETIRED_BY else { return Ok(None) };
    if event.event_type != "privacy_policy.retention_ran" {
        return Ok(None);
    }
    Ok(match PolicyEvent::decode(&event.event_type, event.schema, &event.payload)? {
        PolicyEvent::RetentionRan(ran) if ran.kind == kind => ran.before,
        _ => None,
    })
}

/// The row after the last of `events`, which must be the events of its stream from the first one on; `None` when they
/// do not make a row. For time travel pass only the events up to the wanted time. Fails when an event cannot be read.
pub fn replay<'a, V: View>(
    events: impl IntoIterator<Item = &'a Recorded>,
) -> Result<Option<V::Row>, DecodeError> {
    let mut row = None;
    for event in events {
        if let Some((_, fact)) = V::read(event)? {
            V::apply(&mut row, &At::from(event), fact);
        }
    }
    Ok(row)
}
