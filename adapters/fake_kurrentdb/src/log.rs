//! The log of the database: one order of records, streams as views of it, and the server's rules for writes.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use uuid::Uuid;

use crate::metadata::{Truncation, metadata_stream, with_truncation};

/// Revision of a tombstone, and the `$tb` of a soft-deleted stream.
pub const DELETED: u64 = i64::MAX as u64;
/// Offset of the first record: real logs begin with records that nobody sees.
const FIRST_OFFSET: u64 = 1_533;
/// Bytes of a record besides its contents.
const OVERHEAD: u64 = 87;
/// Ids that are remembered for appends without an exact revision.
const RECENT_IDS: usize = 50_000;

/// What a writer expects of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    Revision(u64),
    NoStream,
    Any,
    StreamExists,
}

/// An event that a client wants to write.
#[derive(Debug, Clone)]
pub struct NewEvent {
    pub id: Uuid,
    pub event_type: String,
    pub is_json: bool,
    pub data: Bytes,
    pub metadata: Bytes,
}

#[derive(Debug, Clone)]
pub struct Record {
    pub offset: u64,
    pub stream: String,
    pub revision: u64,
    pub event: NewEvent,
    /// Ticks of 100 ns since 1970.
    pub created: i64,
    /// A scavenge removed it.
    pub gone: bool,
}

/// A write that succeeded, now or before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Revision of the stream's last event of this write; `None` when the stream has no event.
    pub revision: Option<u64>,
    /// Offset of that event; `None` when it was removed since.
    pub offset: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The stream's newest revision, `None` when it does not exist.
    WrongVersion(Option<u64>),
    Deleted,
}

#[derive(Debug, Default)]
struct Stream {
    /// Indices of its records, by revision.
    records: Vec<usize>,
    tombstoned: bool,
}

#[derive(Debug)]
pub struct Log {
    records: Vec<Record>,
    streams: HashMap<String, Stream>,
    end: u64,
    recent: HashMap<(String, Uuid), (u64, u64)>,
    recent_order: VecDeque<(String, Uuid)>,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            records: Vec::new(),
            streams: HashMap::new(),
            end: FIRST_OFFSET,
            recent: HashMap::new(),
            recent_order: VecDeque::new(),
        }
    }
}

impl Log {
    /// Every record, oldest first, also those that a scavenge removed.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Forgets all but the first `count` records.
    pub fn keep_first(&mut self, count: usize) {
        self.end = self.records.get(count).map_or(self.end, |first_gone| first_gone.offset);
        self.records.truncate(count);
        for stream in self.streams.values_mut() {
            stream.records.retain(|index| *index < count);
        }
        self.streams.retain(|_, stream| !stream.records.is_empty());
        self.forget_recent_ids();
    }

    /// Offset behind the last record.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Index of the first record at or after an offset.
    pub fn index_at(&self, offset: u64) -> usize {
        self.records.partition_point(|record| record.offset < offset)
    }

    /// Whether an offset lies inside of a record, where no read may start.
    pub fn is_inside(&self, offset: u64) -> bool {
        offset > FIRST_OFFSET
            && offset < self.end
            && self.records.binary_search_by_key(&offset, |record| record.offset).is_err()
    }

    /// The newest revision of a stream among the first `visible` records; `None` when it never had an event.
    pub fn current(&self, stream: &str, visible: usize) -> Option<u64> {
        let records = &self.streams.get(stream)?.records;
        records.partition_point(|index| *index < visible).checked_sub(1).map(|last| last as u64)
    }

    pub fn is_tombstoned(&self, stream: &str) -> bool {
        self.streams.get(stream).is_some_and(|stream| stream.tombstoned)
    }

    /// The record of a stream's event.
    pub fn record(&self, stream: &str, revision: u64) -> Option<&Record> {
        let index = self.streams.get(stream)?.records.get(usize::try_from(revision).ok()?)?;
        self.records.get(*index)
    }

    /// The limits that a stream's metadata sets.
    pub fn truncation(&self, stream: &str) -> Truncation {
        let metadata = metadata_stream(stream);
        let newest = self.current(&metadata, usize::MAX).and_then(|newest| self.record(&metadata, newest));
        newest.map(|record| Truncation::read(&record.event.data)).unwrap_or_default()
    }

    /// The revisions of a stream that reads show at time `now`, in ticks: first and last; `None` when there are none.
    pub fn visible_revisions(&self, stream: &str, visible: usize, now: i64) -> Option<(u64, u64)> {
        let current = self.current(stream, visible)?;
        if stream.starts_with("$$") {
            return Some((current, current));
        }
        let limits = self.truncation(stream);
        if limits.before == Some(DELETED) {
            return None;
        }
        let by_count = limits.max_count.map_or(0, |most| (current + 1).saturating_sub(most));
        let mut first = by_count.max(limits.before.unwrap_or(0));
        if let Some(age) = limits.max_age_seconds {
            let oldest =
                now.saturating_sub(i64::try_from(age).unwrap_or(i64::MAX).saturating_mul(10_000_000));
            while first <= current && self.record(stream, first).is_none_or(|r| r.created < oldest) {
                first += 1;
            }
        }
        while first <= current && self.record(stream, first).is_none_or(|record| record.gone) {
            first += 1;
        }
        Some((first, current))
    }

    /// Whether the stream was deleted, softly, and not written since.
    pub fn is_soft_deleted(&self, stream: &str) -> bool {
        self.truncation(stream).before == Some(DELETED)
    }

    /// Writes all events or none.
    pub fn append(
        &mut self,
        stream: &str,
        expected: Expected,
        events: &[NewEvent],
        now: i64,
    ) -> Result<Written, Refused> {
        if self.is_tombstoned(stream) {
            return Err(Refused::Deleted);
        }
        let current = self.current(stream, usize::MAX);
        let soft_deleted = self.is_soft_deleted(stream);
        match expected {
            Expected::Revision(revision) if current == Some(revision) => {}
            Expected::NoStream if current.is_none() || soft_deleted => {}
            Expected::StreamExists if soft_deleted => return Err(Refused::Deleted),
            Expected::StreamExists if current.is_none() => return Err(Refused::WrongVersion(None)),
            Expected::Any | Expected::StreamExists => {
                if let Some(repeat) = self.recently_written(stream, events) {
                    return Ok(repeat);
                }
            }
            Expected::Revision(_) | Expected::NoStream => {
                let first = if let Expected::Revision(revision) = expected { revision + 1 } else { 0 };
                return self.repeat_at(stream, first, events).ok_or(Refused::WrongVersion(current));
            }
        }
        let mut written = Written { revision: current, offset: Some(self.end) };
        for event in events {
            let (revision, offset) = self.write(stream, event.clone(), now);
            written = Written { revision: Some(revision), offset: Some(offset) };
            self.remember(stream, event.id, revision, offset);
        }
        if events.is_empty() {
            self.end += OVERHEAD;
        }
        if soft_deleted {
            let data = with_truncation(current.map_or(0, |current| current + 1));
            self.write_metadata(stream, data, now);
        }
        Ok(written)
    }

    /// The earlier write of these very events at these very revisions.
    fn repeat_at(&self, stream: &str, first: u64, events: &[NewEvent]) -> Option<Written> {
        let last = first.checked_add(events.len() as u64)?.checked_sub(1)?;
        let same = |(revision, event): (u64, &NewEvent)| {
            self.record(stream, revision).is_some_and(|record| record.event.id == event.id)
        };
        if events.is_empty() || !(first..).zip(events).all(same) {
            return None;
        }
        let readable = self.record(stream, last).filter(|record| !record.gone).map(|record| record.offset);
        Some(Written { revision: Some(last), offset: readable })
    }

    fn recently_written(&self, stream: &str, events: &[NewEvent]) -> Option<Written> {
        let known = |event: &NewEvent| self.recent.get(&(stream.to_owned(), event.id)).copied();
        let mut last = None;
        for event in events {
            last = Some(known(event)?);
        }
        last.map(|(revision, offset)| Written { revision: Some(revision), offset: Some(offset) })
    }

    fn remember(&mut self, stream: &str, id: Uuid, revision: u64, offset: u64) {
        let key = (stream.to_owned(), id);
        if self.recent.insert(key.clone(), (revision, offset)).is_none() {
            self.recent_order.push_back(key);
        }
        if self.recent_order.len() > RECENT_IDS
            && let Some(oldest) = self.recent_order.pop_front()
        {
            self.recent.remove(&oldest);
        }
    }

    fn write(&mut self, stream: &str, event: NewEvent, now: i64) -> (u64, u64) {
        let offset = self.end;
        let contents = event.data.len() + event.metadata.len() + event.event_type.len() + stream.len();
        self.end += OVERHEAD + contents as u64;
        let index = self.records.len();
        let entry = self.streams.entry(stream.to_owned()).or_default();
        let revision = entry.records.len() as u64;
        entry.records.push(index);
        self.records.push(Record {
            offset,
            stream: stream.to_owned(),
            revision,
            event,
            created: now,
            gone: false,
        });
        (revision, offset)
    }

    fn write_metadata(&mut self, stream: &str, data: Bytes, now: i64) -> u64 {
        let id = Uuid::from_u128(u128::from(self.end) << 64 | 0xfa4e);
        let event =
            NewEvent { id, event_type: "$metadata".to_owned(), is_json: true, data, metadata: Bytes::new() };
        self.write(&metadata_stream(stream), event, now).1
    }

    /// Deletes a stream: for ever with `tombstone`, else so that the next append brings it back.
    pub fn delete(
        &mut self,
        stream: &str,
        expected: Expected,
        tombstone: bool,
        now: i64,
    ) -> Result<u64, Refused> {
        if self.is_tombstoned(stream) {
            return Err(Refused::Deleted);
        }
        let current = self.current(stream, usize::MAX);
        let allowed = match expected {
            Expected::Any => tombstone || current.is_some(),
            Expected::NoStream => tombstone && current.is_none(),
            Expected::StreamExists if self.is_soft_deleted(stream) => return Err(Refused::Deleted),
            Expected::StreamExists => current.is_some(),
            Expected::Revision(revision) => current == Some(revision),
        };
        if !allowed {
            return Err(Refused::WrongVersion(current));
        }
        if !tombstone {
            return Ok(self.write_metadata(stream, with_truncation(DELETED), now));
        }
        let id = Uuid::from_u128(u128::from(self.end) << 64 | 0xdead);
        let (data, metadata) = (Bytes::new(), Bytes::new());
        let event = NewEvent { id, event_type: "$streamDeleted".to_owned(), is_json: false, data, metadata };
        let (_, offset) = self.write(stream, event, now);
        if let Some(record) = self.records.last_mut() {
            record.revision = DELETED;
        }
        if let Some(entry) = self.streams.get_mut(stream) {
            entry.tombstoned = true;
        }
        Ok(offset)
    }

    /// Removes what is deleted, truncated or too old; the last event of each stream stays.
    pub fn scavenge(&mut self, now: i64) {
        let names: Vec<_> = self.streams.keys().cloned().collect();
        for name in names {
            let all = self.streams.get(&name).map(|stream| stream.records.len()).unwrap_or_default() as u64;
            let first = match self.visible_revisions(&name, usize::MAX, now) {
                _ if self.is_tombstoned(&name) => all,
                Some((first, _)) => first,
                None => all,
            };
            for revision in 0..first.min(all.saturating_sub(1)) {
                let index = self.streams.get(&name).and_then(|stream| stream.records.get(revision as usize));
                if let Some(record) = index.copied().and_then(|index| self.records.get_mut(index)) {
                    record.gone = true;
                }
            }
        }
    }

    /// Forgets the ids that appends without an exact revision are compared with, as a restart does.
    pub fn forget_recent_ids(&mut self) {
        self.recent.clear();
        self.recent_order.clear();
    }
}
