//! What a view is: rows, and a pure function from facts to rows.

use std::fmt;
use std::hash::Hash;

use domain::envelope::{Position, Recorded, Time, Version};
use domain::ids::ClientId;
use domain::privacy::policy::{PolicyEvent, RetentionKind};
use domain::wire::{DecodeError, DomainEvent as _};
use serde::Serialize;
use uuid::Uuid;

use crate::tally::{Contribution, Counted};

/// Where a fact stands: what the envelope says besides the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// The id in the stream's name.
    pub id: Uuid,
    /// The tenant.
    pub client: ClientId,
    /// In the log.
    pub position: Position,
    /// In its stream.
    pub version: Version,
    /// When it was recorded.
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
    /// What it is found by.
    type Key: Copy + Eq + Ord + Hash + fmt::Debug + Send + Sync + 'static;

    /// What it is found by.
    fn key(&self) -> Self::Key;
}

/// A row that shows one resource of the API.
pub trait Shown: Row {
    /// The resource as clients see it.
    type Resource: Serialize;

    /// The resource as clients see it.
    fn resource(&self) -> &Self::Resource;

    /// The version of its stream.
    fn version(&self) -> Version;
}

/// A read model.
///
/// Nothing here calls out or reads a clock: the same events always make the same rows. A row is made from the
/// facts of one stream, unless [`ONE_STREAM`](Self::ONE_STREAM) says otherwise.
pub trait View: Send + Sync + 'static {
    /// Its name: `calls`.
    const NAME: &'static str;
    /// Whether a row is made from several facts, so that it must be known before the next one is applied.
    const FOLDS: bool;
    /// Whether a row is made from one stream only. Then a stream's first event has no row yet, and none is looked for.
    const ONE_STREAM: bool = true;
    /// The types of events whose personal data it shows, `None` for all: that of others need not be opened, and reads
    /// as erased.
    const PERSONAL: Option<&'static [&'static str]> = None;
    /// Which runs of retention take its rows away, if any does.
    const RETIRED_BY: Option<RetentionKind> = None;
    /// A row.
    type Row: Row;
    /// What an event means to this view.
    type Fact: Send + Sync + 'static;

    /// Reads what an event means to this view, and to which row; `None` when it means nothing.
    ///
    /// # Errors
    /// When the event matters and cannot be read. The runner stops there and shows it.
    #[expect(clippy::type_complexity, reason = "a pair, given a name nowhere else")]
    fn read(event: &Recorded) -> Result<Option<(<Self::Row as Row>::Key, Self::Fact)>, DecodeError>;

    /// Applies a fact to its row, which may not exist yet.
    fn apply(row: &mut Option<Self::Row>, at: &At, fact: Self::Fact);

    /// As what the view's sums are kept, if it has any.
    const COUNTED: Option<Counted> = None;

    /// What a row adds to the sums. Taken back, and added anew, when the row changes.
    fn adds(_row: &Self::Row) -> Option<Contribution> {
        None
    }

    /// What a fact adds to the sums, whatever becomes of its row.
    fn counts(_at: &At, _fact: &Self::Fact) -> Option<Contribution> {
        None
    }

    /// Whether a fact may change its row; otherwise it is only counted.
    fn touches(_fact: &Self::Fact) -> bool {
        true
    }
}

/// The time before which rows are taken away by this event, if it is a run of the retention the view is under.
///
/// # Errors
/// When it is one and cannot be read.
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

/// A row as it was after the last of `events`, which are those of its stream from the first one on. `None` when
/// they do not make a row. For time travel: hand in only the events up to the wanted moment.
///
/// # Errors
/// When an event cannot be read.
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
