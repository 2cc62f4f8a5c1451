//! What waits to be written: a lane for each client, served in turn.

use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::ids::ClientId;
use domain::ports::event_store::AppendError;
use tokio::sync::{Notify, oneshot};

use super::writer::{RETRY_AFTER, Request};
use crate::fairness::Lanes;

/// Bytes of events that may wait at once (64 MiB).
const MOST_BYTES: usize = 64 << 20;
/// What a client may get written in a turn. An event costs 1, and 1 more for each 4 KiB.
const SHARE: usize = 16;
const BYTES_A_UNIT: usize = 4 << 10;

/// Appends on their way to the writer.
///
/// Bounded in number and bytes. When it is full, an append is refused; if another client has more waiting than the
/// one that comes, it is the newest of that client's.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    news: Notify,
    most: usize,
}

#[derive(Debug, Default)]
struct State {
    lanes: Lanes<ClientId, Request>,
    bytes: usize,
    /// No more is taken.
    closed: bool,
    /// Who wants to know when everything is written and the store let go.
    closers: Vec<oneshot::Sender<()>>,
}

impl Queue {
    pub(super) fn new(most: usize) -> Self {
        Self { state: Mutex::default(), news: Notify::new(), most }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an append behind those of its client.
    pub(super) fn push(&self, client: ClientId, request: Request) -> Result<(), AppendError> {
        let overloaded = || AppendError::Overloaded { retry_after: RETRY_AFTER };
        let cost = request.cost();
        let mut pushed_out = Vec::new();
        let pushed = {
            let mut state = self.lock();
            if state.closed {
                return Err(AppendError::Unavailable("it is closed".to_owned()));
            }
            let mut pushed = true;
            loop {
                let by_cost = state.bytes + request.bytes > MOST_BYTES;
                if !by_cost && state.lanes.len() < self.most {
                    break;
                }
                let (items, waiting) = state.lanes.of(&client);
                let mine = if by_cost { waiting + cost } else { items + 1 };
                let fullest = state.lanes.fullest(by_cost).filter(|(_, size)| *size > mine);
                let fullest = fullest.map(|(client, _)| *client);
                let Some(out) = fullest.and_then(|client| state.lanes.pop_newest_of(&client)) else {
                    pushed = false;
                    break;
                };
                state.bytes -= out.bytes;
                pushed_out.push(out);
            }
            if pushed {
                state.bytes += request.bytes;
                state.lanes.push(client, SHARE, cost, request);
            }
            pushed
        };
        for out in pushed_out {
            out.answer(Err(overloaded()));
        }
        self.news.notify_one();
        if pushed { Ok(()) } else { Err(overloaded()) }
    }

    /// The next append; nothing once the queue is closed and empty. Cancel-safe.
    pub(super) async fn next(&self) -> Option<Request> {
        loop {
            {
                let mut state = self.lock();
                if let Some(next) = state.pop() {
                    return Some(next);
                }
                if state.closed {
                    return None;
                }
            }
            self.news.notified().await;
        }
    }

    /// The next append, if one is there.
    pub(super) fn try_next(&self) -> Option<Request> {
        self.lock().pop()
    }

    pub(super) fn len(&self) -> usize {
        self.lock().lanes.len()
    }

    /// Takes no more; what is there is still to be written.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.news.notify_one();
    }

    /// The same; the receiver hears when all is done.
    pub(super) fn close_and_tell(&self) -> oneshot::Receiver<()> {
        let (done, told) = oneshot::channel();
        self.lock().closers.push(done);
        self.close();
        told
    }

    /// Nobody serves the queue any more: what waits is let go of, and who waits for the end is told.
    pub(super) fn end(&self) {
        let mut state = {
            let mut state = self.lock();
            std::mem::replace(&mut *state, State { closed: true, ..State::default() })
        };
        // whose answer never comes knows that the writer stopped
        drop(state.lanes.drain());
        for closer in state.closers {
            // nobody may wait any more
            let _ = closer.send(());
        }
    }
}

impl State {
    fn pop(&mut self) -> Option<Request> {
        let next = self.lanes.pop(|_| false)?;
        self.bytes -= next.bytes;
        Some(next)
    }
}

impl Request {
    fn cost(&self) -> usize {
        self.events.len() + self.bytes / BYTES_A_UNIT
    }
}
