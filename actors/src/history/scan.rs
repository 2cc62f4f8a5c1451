//! Searches the log for events that match a filter.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use domain::envelope::{Position, Recorded, Time, Version};
use domain::history::HistoryFilter;
use domain::ports::event_store::{Direction, EventStore, ReadError};

/// Events read at a time.
const PAGE: usize = 1_000;
/// Largest difference between the clocks of nodes. The order of the log and the order in time differ by no more.
const SKEW: TimeDelta = TimeDelta::hours(1);

/// The result of one search.
#[derive(Debug, Default)]
pub struct Found {
    /// The matching events, oldest first.
    pub events: Vec<Recorded>,
    /// Every event up to this position was looked at.
    pub seen: Position,
    /// Whether the search reached its end.
    pub ended: bool,
}

/// A search through the log in bounded steps.
#[derive(Debug)]
pub struct Scan {
    log: Arc<dyn EventStore>,
    filter: HistoryFilter,
    /// Last position to look at.
    upto: Position,
}

impl Scan {
    /// A search for matching events up to position `upto`.
    #[must_use]
    pub fn new(log: Arc<dyn EventStore>, filter: HistoryFilter, upto: Position) -> Self {
        Self { log, filter, upto }
    }

    /// Up to `limit` matching events after position `after`, or fewer when the search took longer than `patience`.
    /// Fails when the log cannot be read.
    pub async fn find(&self, after: Position, limit: usize, patience: Duration) -> Result<Found, ReadError> {
        let began = Instant::now();
        let mut found = Found { seen: self.begin(after).await?, ..Found::default() };
        let mut version = Version::NONE;
        while found.events.len() < limit && !found.ended {
            let page = match &self.filter.stream {
                Some(stream) => self.log.read_stream(stream, version, Direction::Forwards, PAGE).await?,
                None => self.log.read_all(found.seen, PAGE).await?,
            };
            found.ended = page.is_empty();
            for event in page {
                if event.position > self.upto || self.is_past(&event) {
                    found.ended = true;
                    break;
                }
                version = event.version;
                if event.position <= found.seen {
                    continue;
                }
                found.seen = event.position;
                if self.filter.wants(&event) {
                    found.events.push(event);
                    if found.events.len() == limit {
                        break;
                    }
                }
            }
            if began.elapsed() >= patience {
                break;
            }
        }
        found.ended |= found.seen >= self.upto;
        if found.ended {
            found.seen = found.seen.max(self.upto);
        }
        Ok(found)
    }

    async fn begin(&self, after: Position) -> Result<Position, ReadError> {
        match self.filter.from {
            Some(from) if after == Position::START && self.filter.stream.is_none() => {
                first_at(&*self.log, from - SKEW).await
            }
            _ => Ok(after),
        }
    }

    fn is_past(&self, event: &Recorded) -> bool {
        self.filter.stream.is_none() && self.filter.to.is_some_and(|to| event.recorded_at > to + SKEW)
    }
}

/// The last position before the events recorded at `time` or later, assuming that the log is ordered by time.
/// Fails when the log cannot be read.
pub async fn first_at(log: &dyn EventStore, time: Time) -> Result<Position, ReadError> {
    let (mut before, mut after) = (0, log.head().await?.0);
    while before < after {
        let middle = before + (after - before) / 2;
        let event = log.read_all(Position(middle), 1).await?.pop();
        if event.is_some_and(|event| event.recorded_at < time) {
            before = middle + 1;
        } else {
            after = middle;
        }
    }
    Ok(Position(before))
}
