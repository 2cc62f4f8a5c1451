//! Shares the work of streams of all calls: each client's changes are read and rendered once, however
//! many streams send them.
//!
//! A client with an open stream has a board. Its one task receives changes, reads each changed call once, and
//! renders the frames; the streams copy these. The task wakes streams a few at a time and spends at most a third of
//! the time on it: thousands of streams of one client delay its own frames, and nobody's requests.

mod source;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use domain::envelope::Position;
use domain::ids::{CallId, ClientId};
use domain::ports::StoreUnavailable;
use domain::ports::event_store::ReadError;
use futures::FutureExt as _;
use parking_lot::{Mutex, MutexGuard};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::{Notify, OnceCell};
use tokio_util::sync::CancellationToken;

pub use self::source::ShownCalls;
use super::call_feed::{CallChange, CallFeed, CallWatch, Changes};

/// Batches of frames that a board keeps for slow streams; a slower stream reads the log.
const KEPT: usize = 64;
/// Stretches of the log that were read for streams that resume, cached for others that resume at the same position.
const STRETCHES: usize = 128;
/// The most pages of changes combined when they come faster than they are sent.
const PAGES: usize = 32;
/// Streams woken at once.
const SLICE: usize = 32;
/// The longest that a board waits for a stream whose client does not read.
const SLOW: Duration = Duration::from_millis(100);
/// Pause after a store did not answer.
const RECOVER: Duration = Duration::from_secs(1);

/// Where calls are read.
#[async_trait]
pub trait CallSource: fmt::Debug + Send + Sync {
    /// Waits, for a bounded time, until the event at `position` can be read.
    async fn caught_up(&self, position: Position);

    /// A call as clients see it, as JSON.
    async fn call(&self, client: ClientId, call: CallId) -> Result<Option<String>, StoreUnavailable>;
}

/// Why a change cannot be sent.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BoardError {
    #[error(transparent)]
    Log(#[from] ReadError),
    #[error(transparent)]
    Views(#[from] StoreUnavailable),
    /// The stored document of a call is not JSON.
    #[error("a call cannot be shown: {0}")]
    Call(String),
}

/// The boards of all clients with an open stream.
#[derive(Debug, Clone)]
pub struct CallBoards(Arc<Boards>);

#[derive(Debug)]
struct Boards {
    feed: CallFeed,
    source: Arc<dyn CallSource>,
    stop: CancellationToken,
    of_client: Mutex<HashMap<ClientId, Arc<Board>>>,
    stretches: Mutex<VecDeque<Stretch>>,
}

type Stretch = ((ClientId, Position), Arc<OnceCell<Arc<RenderedFrames>>>);

#[derive(Debug)]
struct Board {
    client: ClientId,
    state: Mutex<State>,
    left: Notify,
    taken: Notify,
}

#[derive(Debug)]
struct State {
    /// The kept frames begin after this position.
    from: Position,
    /// The kept frames end with this position.
    until: Position,
    told: VecDeque<Arc<RenderedFrames>>,
    watchers: HashMap<u64, Arc<Watcher>>,
    next: u64,
}

#[derive(Debug)]
struct Watcher {
    news: Notify,
    seen: AtomicU64,
}

/// The rendered frames of a stretch of the log.
#[derive(Debug)]
struct RenderedFrames {
    until: Position,
    frames: Vec<(Position, Bytes)>,
    all: Bytes,
}

/// The JSON in `data` of a stream event.
#[derive(Serialize)]
struct ChangedCall<'a> {
    /// The event types in order, for example `call.answered`.
    events: &'a [String],
    /// The call after these events.
    call: &'a RawValue,
}

impl CallBoards {
    /// Creates boards as streams open: changes come from `feed`, calls are read from `source`, and all
    /// boards end with `stop`.
    #[must_use]
    pub fn new(feed: CallFeed, source: Arc<dyn CallSource>, stop: CancellationToken) -> Self {
        let (of_client, stretches) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Boards { feed, source, stop, of_client, stretches }))
    }

    /// Watches a client's calls from `from` on; `head` is a recent head of the log.
    #[must_use]
    pub fn watch(&self, client: ClientId, from: Position, head: Position) -> BoardWatch {
        let watcher = Arc::new(Watcher { news: Notify::new(), seen: AtomicU64::new(from.0) });
        let mut boards = lock(&self.0.of_client);
        let board = boards.entry(client).or_insert_with(|| {
            let state =
                State { from: head, until: head, told: VecDeque::new(), watchers: HashMap::new(), next: 0 };
            let board = Arc::new(Board {
                client,
                state: Mutex::new(state),
                left: Notify::new(),
                taken: Notify::new(),
            });
            tokio::spawn(self.clone().keep(board.clone(), self.0.feed.watch(head)));
            board
        });
        let mut state = lock(&board.state);
        let id = state.next;
        state.next += 1;
        state.watchers.insert(id, watcher.clone());
        drop(state);
        BoardWatch { boards: self.clone(), board: board.clone(), id, watcher, position: from }
    }

    /// Runs a board as long as somebody watches.
    async fn keep(self, board: Arc<Board>, mut watch: CallWatch) {
        let stop = self.0.stop.clone();
        loop {
            let changes = tokio::select! {
                () = stop.cancelled() => return,
                () = board.left.notified() => {
                    let mut boards = lock(&self.0.of_client);
                    if lock(&board.state).watchers.is_empty() {
                        boards.remove(&board.client);
                        return;
                    }
                    continue;
                }
                changes = together(&mut watch, board.client) => changes,
            };
            let changes = match changes {
                Ok(Some(changes)) => changes,
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(%error, "changes of calls cannot be told for a while");
                    tokio::time::sleep(RECOVER).await;
                    continue;
                }
            };
            let until = watch.position();
            let telling = tokio::select! {
                () = stop.cancelled() => return,
                telling = self.tell_somehow(board.client, until, &changes) => telling,
            };
            let watchers = lock(&board.state).put(telling);
            board.wake(watchers, until).await;
        }
    }

    /// Renders the changes, waiting for stores that do not answer.
    async fn tell_somehow(
        &self,
        client: ClientId,
        until: Position,
        changes: &[CallChange],
    ) -> RenderedFrames {
        loop {
            match self.tell(client, until, changes).await {
                Ok(telling) => return telling,
                Err(error) => {
                    tracing::warn!(%error, "changes of calls cannot be told for a while");
                    tokio::time::sleep(RECOVER).await;
                }
            }
        }
    }

    /// Renders each call once, at the position of its last change: a stream that resumes in between misses none.
    async fn tell(
        &self,
        client: ClientId,
        until: Position,
        changes: &[CallChange],
    ) -> Result<RenderedFrames, BoardError> {
        let mut latest: BTreeMap<CallId, (Position, Vec<String>)> = BTreeMap::new();
        for change in changes {
            let (position, events) = latest.entry(change.call).or_default();
            *position = change.position;
            events.push(change.event_type.clone());
        }
        let mut calls: Vec<_> = latest.into_iter().collect();
        calls.sort_by_key(|(_, (position, _))| *position);
        if let Some((_, (last, _))) = calls.last() {
            self.0.source.caught_up(*last).await;
        }
        let (mut frames, mut all) = (Vec::with_capacity(calls.len()), BytesMut::new());
        for (id, (position, events)) in calls {
            let Some(json) = self.0.source.call(client, id).await? else { continue };
            let bad = |error: serde_json::Error| BoardError::Call(error.to_string());
            let call = RawValue::from_string(json).map_err(bad)?;
            let data = serde_json::to_string(&ChangedCall { events: &events, call: &call }).map_err(bad)?;
            let frame = Bytes::from(format!("id: {position}\nevent: call\ndata: {data}\n\n"));
            all.extend_from_slice(&frame);
            frames.push((position, frame));
        }
        Ok(RenderedFrames { until, frames, all: all.freeze() })
    }

    /// The frames of one page of the log after a position, read once for all streams that resume there.
    async fn stretch(&self, client: ClientId, after: Position) -> Result<Arc<RenderedFrames>, BoardError> {
        let key = (client, after);
        let cell = {
            let mut stretches = lock(&self.0.stretches);
            match stretches.iter().find(|(of, _)| *of == key) {
                Some((_, cell)) => cell.clone(),
                None => {
                    let cell = Arc::<OnceCell<_>>::default();
                    stretches.push_back((key, cell.clone()));
                    if stretches.len() > STRETCHES {
                        stretches.pop_front();
                    }
                    cell
                }
            }
        };
        let read = async {
            let page = self.0.feed.page(after).await?;
            let changes = of_client(&page, client);
            self.tell(client, page.until, &changes).await.map(Arc::new)
        };
        let telling = cell.get_or_try_init(|| read).await.cloned();
        if telling.as_ref().map_or(true, |telling| telling.until == after) {
            // there may be more the next time
            lock(&self.0.stretches).retain(|(of, _)| *of != key);
        }
        telling
    }
}

impl Board {
    /// Wakes the watchers, some at a time.
    async fn wake(&self, watchers: Vec<Arc<Watcher>>, until: Position) {
        for some in watchers.chunks(SLICE) {
            let begun = Instant::now();
            some.iter().for_each(|watcher| watcher.news.notify_one());
            let taken = async {
                let behind = |watcher: &Arc<Watcher>| watcher.seen.load(Ordering::Relaxed) < until.0;
                while some.iter().any(behind) {
                    self.taken.notified().await;
                }
            };
            // a slow stream takes it later
            let _ = tokio::time::timeout(SLOW, taken).await;
            tokio::time::sleep(2 * begun.elapsed()).await;
        }
    }
}

impl State {
    /// Adds frames; returns the watchers to wake.
    fn put(&mut self, telling: RenderedFrames) -> Vec<Arc<Watcher>> {
        self.until = telling.until;
        if telling.frames.is_empty() {
            return Vec::new();
        }
        self.told.push_back(Arc::new(telling));
        if self.told.len() > KEPT
            && let Some(oldest) = self.told.pop_front()
        {
            self.from = oldest.until;
        }
        self.watchers.values().cloned().collect()
    }

    /// The frames after a position; `None` if they are not kept any more.
    fn after(&self, position: Position) -> Option<Bytes> {
        if position < self.from {
            return None;
        }
        let mut news = self.told.iter().filter(|telling| telling.until > position);
        let first = news.next();
        let rest: Vec<_> = news.map(|telling| telling.all.clone()).collect();
        let first = first.map_or_else(Bytes::new, |telling| telling.after(position));
        if rest.is_empty() {
            return Some(first);
        }
        Some(std::iter::once(first).chain(rest).fold(BytesMut::new(), joined).freeze())
    }
}

fn joined(mut all: BytesMut, one: Bytes) -> BytesMut {
    all.extend_from_slice(&one);
    all
}

impl RenderedFrames {
    fn after(&self, position: Position) -> Bytes {
        if self.frames.first().is_none_or(|(first, _)| *first > position) {
            return self.all.clone();
        }
        let rest = self.frames.iter().filter(|(at, _)| *at > position).map(|(_, frame)| frame.clone());
        rest.fold(BytesMut::new(), joined).freeze()
    }
}

/// A stream's view of its client's board.
#[derive(Debug)]
pub struct BoardWatch {
    boards: CallBoards,
    board: Arc<Board>,
    id: u64,
    watcher: Arc<Watcher>,
    position: Position,
}

impl BoardWatch {
    /// Position up to which everything was sent or needs no sending.
    pub fn position(&mut self) -> Position {
        let state = lock(&self.board.state);
        if state.after(self.position).is_some_and(|news| news.is_empty()) {
            self.position = self.position.max(state.until);
        }
        self.position
    }

    /// The next frames of the stream. Cancel-safe. Fails when earlier frames can only be read from stores, and
    /// these do not answer.
    pub async fn next(&mut self) -> Result<Bytes, BoardError> {
        loop {
            let kept = {
                let state = lock(&self.board.state);
                let kept = state.after(self.position);
                if kept.is_some() {
                    self.position = self.position.max(state.until);
                }
                kept
            };
            let news = match kept {
                Some(kept) => kept,
                None => {
                    let stretch = self.boards.stretch(self.board.client, self.position).await?;
                    let news = stretch.after(self.position);
                    self.position = self.position.max(stretch.until);
                    news
                }
            };
            self.watcher.seen.store(self.position.0, Ordering::Relaxed);
            self.board.taken.notify_one();
            if !news.is_empty() {
                return Ok(news);
            }
            let kept = self.position >= lock(&self.board.state).from;
            if kept {
                self.watcher.news.notified().await;
            }
        }
    }
}

impl Drop for BoardWatch {
    fn drop(&mut self) {
        lock(&self.board.state).watchers.remove(&self.id);
        self.watcher.seen.store(u64::MAX, Ordering::Relaxed);
        self.board.taken.notify_one();
        self.board.left.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

fn of_client(page: &Changes, client: ClientId) -> Vec<CallChange> {
    page.changes.iter().filter(|change| change.client == client).cloned().collect()
}

/// The next changes of a client's calls, combined with those that came meanwhile. `None` once the
/// feed has ended. Cancel-safe.
async fn together(watch: &mut CallWatch, client: ClientId) -> Result<Option<Vec<CallChange>>, ReadError> {
    let Some(first) = watch.next().await? else { return Ok(None) };
    let mut changes = of_client(&first, client);
    for _ in 1..PAGES {
        match watch.next().now_or_never() {
            Some(Ok(Some(more))) => changes.extend(of_client(&more, client)),
            _ => break,
        }
    }
    Ok(Some(changes))
}

#[cfg(test)]
mod tests;
