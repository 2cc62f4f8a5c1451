//! The newest events, kept in memory so that live followers cost the store nothing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use domain::envelope::{Position, Recorded};
use domain::ports::event_store::MAX_PAGE_BYTES;
use parking_lot::RwLock;
use tokio::sync::watch;

/// The most events kept in memory.
const MAX_EVENTS: usize = 16_384;
/// The most bytes of events kept in memory (8 MiB).
const MAX_BYTES: usize = 8 << 20;

/// The end of the log as this process wrote it, and the newest position known here.
#[derive(Debug)]
pub(super) struct Tail {
    ring: RwLock<Ring>,
    head: watch::Sender<Position>,
    written: watch::Sender<Position>,
}

/// Consecutive events, oldest first: never a gap between two of them.
#[derive(Debug, Default)]
struct Ring {
    events: VecDeque<Arc<Recorded>>,
    bytes: usize,
}

impl Tail {
    pub(super) fn new(head: Position) -> Self {
        Self { ring: RwLock::default(), head: watch::Sender::new(head), written: watch::Sender::new(head) }
    }

    /// Adds events just committed. When another node's events lie between them and the kept ones, the kept ones are
    /// dropped, so that no gap is ever served.
    pub(super) fn push(&self, committed: Vec<Recorded>) {
        let Some(last) = committed.last().map(|event| event.position) else { return };
        let mut ring = self.ring.write();
        for event in committed {
            if ring.events.back().is_some_and(|newest| newest.position.plus(1) != event.position) {
                *ring = Ring::default();
            }
            ring.bytes += weight(&event);
            ring.events.push_back(Arc::new(event));
            while ring.events.len() > MAX_EVENTS || (ring.bytes > MAX_BYTES && ring.events.len() > 1) {
                ring.bytes -= ring.events.pop_front().map_or(0, |oldest| weight(&oldest));
            }
        }
        drop(ring);
        self.saw(last);
        self.written.send_replace(last);
    }

    /// Notes that the log reaches `head`, and wakes the readers that wait for it.
    pub(super) fn saw(&self, head: Position) {
        self.head.send_if_modified(|known| {
            let newer = head > *known;
            *known = head.max(*known);
            newer
        });
    }

    /// Newest known position of the log.
    pub(super) fn head(&self) -> Position {
        *self.head.borrow()
    }

    /// The events after `after`, if the first of them is kept here.
    pub(super) fn read(&self, after: Position, limit: usize) -> Option<Vec<Recorded>> {
        let page: Vec<_> = {
            let ring = self.ring.read();
            let oldest = ring.events.front()?.position;
            let skip = usize::try_from(after.plus(1).0.checked_sub(oldest.0)?).ok()?;
            if skip >= ring.events.len() {
                return None;
            }
            let mut bytes = 0;
            let page = ring.events.range(skip..).take(limit).take_while(|event| {
                let first = bytes == 0;
                bytes += weight(event);
                first || bytes <= MAX_PAGE_BYTES
            });
            page.cloned().collect()
        };
        // the bytes are copied after the lock is released: the writer must not wait for a reader
        Some(page.iter().map(|event| Recorded::clone(event)).collect())
    }

    /// Whether no event after `last` is known here.
    pub(super) fn ends_at(&self, last: Option<&Recorded>) -> bool {
        last.is_some_and(|last| last.position >= self.head())
    }

    /// Watches the newest position that this process wrote.
    pub(super) fn watch_written(&self) -> watch::Receiver<Position> {
        self.written.subscribe()
    }

    /// Waits until the head is past `after`, or for `pause`.
    pub(super) async fn wait_past(&self, after: Position, pause: Duration) {
        // neither the pause nor a closed channel matters to the caller, who reads again either way
        let _ = tokio::time::timeout(pause, self.head.subscribe().wait_for(|head| *head > after)).await;
    }
}

/// Approximate number of bytes that an event takes in memory.
pub(super) fn weight(event: &Recorded) -> usize {
    event.payload.len() + event.metadata.len() + 256
}

pub(super) type SharedTail = Arc<Tail>;

#[cfg(test)]
mod tests {
    use domain::envelope::{StreamId, Version};
    use domain::ids::ClientId;
    use uuid::Uuid;

    use super::*;

    fn event(position: u64, bytes: usize) -> Recorded {
        Recorded {
            position: Position(position),
            stream: StreamId::new("call", Uuid::nil()),
            version: Version(position),
            id: Uuid::from_u128(u128::from(position)),
            event_type: "call.noted".to_owned(),
            schema: 1,
            client_id: ClientId(Uuid::nil()),
            payload: vec![0; bytes].into(),
            metadata: Vec::new().into(),
            recorded_at: Default::default(),
        }
    }

    fn read(tail: &Tail, after: u64, limit: usize) -> Option<Vec<u64>> {
        Some(tail.read(Position(after), limit)?.iter().map(|event| event.position.0).collect())
    }

    #[test]
    fn only_what_is_kept_is_served() {
        let tail = Tail::new(Position(6));
        assert_eq!(read(&tail, 6, 9), None);
        tail.push((7..=9).map(|n| event(n, 1)).collect());
        assert_eq!(read(&tail, 5, 9), None, "position 6 is not kept");
        assert_eq!(read(&tail, 6, 9), Some(vec![7, 8, 9]));
        assert_eq!(read(&tail, 7, 1), Some(vec![8]));
        assert_eq!(read(&tail, 9, 9), None, "only the store can say whether another node wrote 10");
    }

    #[test]
    fn events_of_another_node_in_between_let_the_older_ones_go() {
        let tail = Tail::new(Position::START);
        tail.push(vec![event(1, 1), event(2, 1)]);
        tail.push(vec![event(5, 1)]);
        assert_eq!(read(&tail, 0, 9), None);
        assert_eq!(read(&tail, 2, 9), None);
        assert_eq!(read(&tail, 4, 9), Some(vec![5]));
    }

    #[test]
    fn memory_is_bounded_by_events_and_by_bytes() {
        let tail = Tail::new(Position::START);
        tail.push((1..=MAX_EVENTS as u64 + 5).map(|n| event(n, 1)).collect());
        assert_eq!(read(&tail, 4, 1), None);
        assert_eq!(read(&tail, 5, 1), Some(vec![6]));
        let next = MAX_EVENTS as u64 + 6;
        tail.push((next..next + 40).map(|n| event(n, 1 << 20)).collect());
        assert_eq!(read(&tail, next, 1), None);
        assert_eq!(read(&tail, next + 38, 1), Some(vec![next + 39]));
    }

    #[test]
    fn a_commit_that_memory_has_not_got_yet_is_not_the_end() {
        let tail = Tail::new(Position::START);
        tail.push(vec![event(1, 1), event(2, 1)]);
        let last = |tail: &Tail| tail.read(Position::START, 9).unwrap().pop();
        assert!(tail.ends_at(last(&tail).as_ref()));
        tail.saw(Position(3));
        assert!(!tail.ends_at(last(&tail).as_ref()));
        assert!(!tail.ends_at(None));
    }

    #[test]
    fn the_head_never_goes_back() {
        let tail = Tail::new(Position(3));
        tail.saw(Position(2));
        assert_eq!(tail.head(), Position(3));
        tail.saw(Position(9));
        assert_eq!(tail.head(), Position(9));
    }
}
