//! Numbers the events of `$all`: 1, 2, 3 … in its order.
//!
//! `$all` is one order on all nodes of the database and never gains an event before one it has shown. So the number of
//! an event follows from the log alone, and all nodes count the same, as long as no event of ours goes missing. That
//! is checked: each stream's revisions must follow one another, and nothing may let the database forget events.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use domain::envelope::{Position, StreamId, Version};
use domain::ports::event_store::ReadError;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

use super::super::tail::SharedTail;
use super::super::versions::Versions;
use super::codec::{Found, Kind, classify};
use super::connection::Connection;
use super::replica::{Entry, MAX_ROWS, Replica};
use super::subscription::{BEAT, Notice, Subscription};

/// Pauses between subscriptions, from the first failure on.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A subscription that shows no life for this long is given up.
const SILENT: Duration = Duration::from_secs(2);
/// An event that is stored but not delivered for this long shows that the subscription is stuck.
const STUCK: Duration = Duration::from_secs(2);
/// Places kept in memory for appends that wait for their number.
const RECENT: usize = 16_384;

/// How far the log is numbered.
#[derive(Debug, Clone, Copy, Default)]
struct Head {
    newest: Option<Entry>,
    /// Whether all that was stored when the subscription began is numbered.
    caught_up: bool,
    stopped: bool,
}

/// Why a place is not numbered yet.
#[derive(Debug, Clone)]
pub(super) enum NotNumbered {
    /// Not within the time limit.
    Late,
    /// Numbering has stopped for good.
    Stopped(ReadError),
}

impl From<NotNumbered> for ReadError {
    fn from(error: NotNumbered) -> Self {
        match error {
            NotNumbered::Late => Self::Unavailable("KurrentDB does not deliver what is stored".to_owned()),
            NotNumbered::Stopped(error) => error,
        }
    }
}

#[derive(Debug)]
pub(super) struct Numbering {
    prefix: String,
    head: watch::Sender<Head>,
    stopped: OnceLock<ReadError>,
    /// Newest versions of streams, as numbered.
    versions: Mutex<Versions>,
    recent: Mutex<VecDeque<Entry>>,
    /// Somebody waits for an event that is stored but does not come.
    stuck: Notify,
    tail: SharedTail,
    /// Why the last subscription ended.
    lost: Mutex<Option<String>>,
}

/// Why a subscription is over.
enum Over {
    /// Another one may do better.
    Lost(String),
    /// The log cannot be trusted any more.
    Stop(ReadError),
}

impl Numbering {
    /// Continues after what the replica holds.
    pub(super) fn new(prefix: &str, newest: Option<Entry>, tail: SharedTail) -> Self {
        Self {
            prefix: prefix.to_owned(),
            head: watch::Sender::new(Head { newest, ..Head::default() }),
            stopped: OnceLock::new(),
            versions: Mutex::default(),
            recent: Mutex::default(),
            stuck: Notify::new(),
            tail,
            lost: Mutex::default(),
        }
    }

    /// The newest numbered event.
    pub(super) fn newest(&self) -> Option<Entry> {
        self.head.borrow().newest
    }

    /// Fails once numbering has stopped.
    pub(super) fn check(&self) -> Result<(), ReadError> {
        self.stopped.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// The versions of those of these streams that were numbered lately. Every event up to them is in the replica.
    pub(super) fn versions_of<'a>(&self, streams: impl Iterator<Item = &'a StreamId>) -> Versions {
        let (known, mut asked) = (self.versions.lock(), Versions::default());
        for stream in streams {
            if let Some(version) = known.get(stream) {
                asked.set(stream, version);
            }
        }
        asked
    }

    /// The position of the event at a place in the log, if it was numbered lately.
    pub(super) fn position_of(&self, commit: u64) -> Option<Position> {
        let recent = self.recent.lock();
        let found = recent.binary_search_by_key(&commit, |entry| entry.commit).ok()?;
        recent.get(found).map(|entry| entry.position)
    }

    /// Waits until everything up to a place in the log is numbered.
    pub(super) async fn reached(&self, commit: u64, patience: Duration) -> Result<(), NotNumbered> {
        let until = Instant::now() + patience;
        let mut head = self.head.subscribe();
        let there = |head: &Head| head.stopped || head.newest.is_some_and(|newest| newest.commit >= commit);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match timeout(left.min(STUCK), head.wait_for(there)).await {
                Ok(_) => return self.check().map_err(NotNumbered::Stopped),
                Err(_) if left <= STUCK => return Err(NotNumbered::Late),
                Err(_) => self.stuck.notify_one(),
            }
        }
    }

    /// Waits until all that was stored is numbered. Fails when there is no progress for `patience`.
    pub(super) async fn caught_up(&self, patience: Duration) -> Result<(), String> {
        let mut head = self.head.subscribe();
        loop {
            let seen = *head.borrow_and_update();
            if let Some(error) = self.stopped.get() {
                return Err(error.to_string());
            }
            if seen.caught_up {
                return Ok(());
            }
            if timeout(patience, head.changed()).await.is_err() {
                let lost = self.lost.lock().clone();
                return Err(lost.unwrap_or_else(|| "KurrentDB delivers nothing".to_owned()));
            }
        }
    }

    /// Numbers events until it is aborted or must stop.
    pub(super) async fn run(self: Arc<Self>, connection: Arc<Connection>, replica: Arc<Replica>) {
        let mut pause = PAUSE;
        let mut first = true;
        loop {
            let before = self.newest();
            let over = match self.same_history(&connection, before, first).await {
                Ok(()) => self.follow(&connection, &replica).await,
                Err(over) => over,
            };
            first = false;
            match over {
                Over::Stop(error) => return self.stop(error),
                Over::Lost(why) => {
                    if self.newest() != before {
                        pause = PAUSE;
                    }
                    tracing::warn!(%why, ?pause, "the subscription to KurrentDB ended, subscribing again");
                    *self.lost.lock() = Some(why);
                }
            }
            self.head.send_modify(|head| head.caught_up = false);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn stop(&self, error: ReadError) {
        tracing::error!(%error, "the log cannot be used any more");
        // the first reason counts
        let _ = self.stopped.set(error);
        self.head.send_modify(|head| head.stopped = true);
    }

    /// Checks that the newest numbered event still stands where it was: a subscription that starts beyond the end of
    /// another log would silently skip that log's events.
    async fn same_history(
        &self,
        connection: &Connection,
        newest: Option<Entry>,
        first: bool,
    ) -> Result<(), Over> {
        // opening the log checked it
        let Some(newest) = newest.filter(|_| !first) else { return Ok(()) };
        match connection.record_at(newest.commit).await {
            Ok(found) if found.as_ref().is_some_and(|found| is(found, &newest)) => Ok(()),
            Ok(Some(_)) => {
                let detail =
                    "another event stands in its place in KurrentDB; is it another database, or was it \
                              scavenged? Restore the right one and start again"
                        .to_owned();
                Err(Over::Stop(ReadError::Damaged { position: newest.position, detail }))
            }
            Ok(None) => Err(Over::Stop(ReadError::Rewound { after: newest.position, head: Position::START })),
            Err(error) => Err(Over::Lost(error.to_string())),
        }
    }

    async fn follow(&self, connection: &Connection, replica: &Replica) -> Over {
        let after = self.newest().map(|newest| newest.commit);
        let mut subscription = match Subscription::start(connection.address().clone(), after) {
            Ok(subscription) => subscription,
            Err(error) => return Over::Lost(format!("no thread can be started: {error}")),
        };
        let mut notices = Vec::with_capacity(MAX_ROWS);
        let mut watchdog = tokio::time::interval(BEAT);
        let (mut beats, mut alive) = (subscription.beats(), Instant::now());
        loop {
            tokio::select! {
                count = subscription.notices.recv_many(&mut notices, MAX_ROWS) => {
                    if count == 0 {
                        return Over::Lost("the client broke off".to_owned());
                    }
                    if let Err(over) = self.take(notices.drain(..), replica).await {
                        return over;
                    }
                }
                _ = watchdog.tick() => {
                    if subscription.beats() != beats {
                        (beats, alive) = (subscription.beats(), Instant::now());
                    } else if alive.elapsed() > SILENT {
                        tracing::error!("the KurrentDB client hangs in an ended subscription; its thread is left \
                                         behind and uses one core until this process is restarted");
                        return Over::Lost("the server ended the subscription".to_owned());
                    }
                }
                () = self.stuck.notified() => {
                    return Over::Lost("stored events are not delivered".to_owned());
                }
            }
        }
    }

    /// Numbers what came, adds it to the replica, and publishes it.
    async fn take(&self, notices: impl Iterator<Item = Notice>, replica: &Replica) -> Result<(), Over> {
        let mut next = self.newest().map_or(Position::START, |newest| newest.position).plus(1);
        let after = self.newest().map_or(0, |newest| newest.commit);
        let (mut found, mut caught_up, mut over) = (Vec::new(), false, None);
        for notice in notices {
            match notice {
                Notice::Event(event) => match self.judge(*event, next.plus(found.len() as u64)) {
                    Ok(Some(event)) if event.commit > after => found.push(event),
                    Ok(_) => {}
                    Err(error) => over = Some(Over::Stop(error)),
                },
                Notice::CaughtUp => caught_up = true,
                Notice::Lost(why) => over = Some(Over::Lost(why)),
            }
            if over.is_some() {
                break;
            }
        }
        let streams = match self.check_revisions(&found, next, replica).await {
            Ok(streams) => streams,
            Err(error) => return Err(error),
        };
        let entries: Vec<_> = found
            .iter()
            .zip(next.0..)
            .map(|(found, n)| Entry { position: Position(n), commit: found.commit, id: found.event.id })
            .collect();
        replica.add(next, &found).await.map_err(|error| match error {
            sqlx::Error::Protocol(detail) => Over::Stop(ReadError::Damaged { position: next, detail }),
            error => {
                Over::Lost(format!("the replica cannot be written: {}", crate::database::in_words(&error)))
            }
        })?;
        {
            let mut versions = self.versions.lock();
            for (stream, version) in &streams {
                versions.set(stream, *version);
            }
        }
        {
            let mut recent = self.recent.lock();
            recent.extend(&entries);
            let excess = recent.len().saturating_sub(RECENT);
            recent.drain(..excess);
        }
        let mut recorded = Vec::with_capacity(found.len());
        for event in found {
            recorded.push(event.at(next));
            next = next.plus(1);
        }
        self.tail.push(recorded);
        self.head.send_modify(|head| {
            head.newest = entries.last().copied().or(head.newest);
            head.caught_up |= caught_up;
        });
        over.map_or(Ok(()), Err)
    }

    /// An event of ours, or nothing. Fails when it shows that the log cannot be trusted.
    fn judge(
        &self,
        event: eventstore::ResolvedEvent,
        position: Position,
    ) -> Result<Option<Found>, ReadError> {
        let detail = match classify(&self.prefix, event) {
            Kind::Ours(found) => return Ok(Some(found)),
            Kind::Foreign => return Ok(None),
            Kind::Forgetting { stream } => format!(
                "metadata of stream {stream} sets $maxAge, $maxCount or $tb (or the stream was deleted), which lets \
                 KurrentDB forget events; the log must keep all of them. Restore the database from before"
            ),
            Kind::Deleted { stream } => {
                format!("stream {stream} was deleted for ever; restore the database from before")
            }
            Kind::Intruder { stream, why } => format!(
                "stream {stream} holds an event that is not of this log: {why}. Streams with this prefix are written \
                 by Voxledger alone; choose another streamPrefix, or remove what wrote there"
            ),
        };
        Err(ReadError::Damaged { position, detail })
    }

    /// Checks that each stream goes on where it ended. Returns the streams' new versions.
    async fn check_revisions(
        &self,
        found: &[Found],
        first: Position,
        replica: &Replica,
    ) -> Result<HashMap<StreamId, Version>, Over> {
        let mut streams: HashMap<StreamId, Version> = HashMap::new();
        // another process that fills the same replica may have numbered these events already
        let mut perhaps_ahead: HashSet<StreamId> = HashSet::new();
        let mut unknown = Vec::new();
        {
            let versions = self.versions.lock();
            for event in found.iter().map(|found| &found.event) {
                if streams.contains_key(&event.stream) {
                    continue;
                }
                let known = versions.get(&event.stream);
                if known.is_none() && event.version != Version(1) {
                    unknown.push(event.stream.clone());
                }
                streams.insert(event.stream.clone(), known.unwrap_or(Version::NONE));
            }
        }
        if !unknown.is_empty() {
            let lost = |error| {
                Over::Lost(format!("the replica cannot be read: {}", crate::database::in_words(&error)))
            };
            for (stream, version) in replica.versions(&unknown).await.map_err(lost)? {
                streams.insert(stream.clone(), version);
                perhaps_ahead.insert(stream);
            }
        }
        for (event, n) in found.iter().zip(first.0..) {
            let Some(version) = streams.get_mut(&event.event.stream) else { continue };
            if event.revision() < version.0 && perhaps_ahead.contains(&event.event.stream) {
                *version = Version(event.revision());
            }
            perhaps_ahead.remove(&event.event.stream);
            if event.revision() != version.0 {
                let detail = format!(
                    "stream {} goes from revision {} to {}: events in between are missing in KurrentDB. Was it \
                     truncated and scavenged? Restore the database from before",
                    event.event.stream,
                    version.0 as i128 - 1,
                    event.revision()
                );
                return Err(Over::Stop(ReadError::Damaged { position: Position(n), detail }));
            }
            *version = Version(version.0 + 1);
        }
        Ok(streams)
    }
}

/// Whether a record is the event of an entry.
pub(super) fn is(found: &eventstore::ResolvedEvent, entry: &Entry) -> bool {
    let record = found.link.as_ref().or(found.event.as_ref());
    record.is_some_and(|record| (record.id, record.position.commit) == (entry.id, entry.commit))
}
