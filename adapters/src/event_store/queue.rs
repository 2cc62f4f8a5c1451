//! The queue of appends that wait for the writer: one lane for each client, served in turn.

use domain::ids::ClientId;
use domain::ports::event_store::AppendError;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::writer::{RETRY_AFTER, Request};
use crate::fairness::Lanes;

/// The most bytes of events that may wait at once (64 MiB).
const MOST_BYTES: usize = 64 << 20;
/// The cost a client may spend in one turn. An event costs 1, and 1 more for each 4 KiB.
const SHARE: usize = 16;
const BYTES_A_UNIT: usize = 4 << 10;

/// Appends on their way to the writer.
///
/// Bounded in number and bytes. A full queue refuses an append: the newest one of the client with most waiting, or
/// else the one that arrives.
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
    /// The queue takes no more appends.
    closed: bool,
    /// Notified once everything is written and the store is released.
    closers: Vec<oneshot::Sender<()>>,
}

impl Queue {
    pub(super) fn new(most: usize) -> Self {
        Self { state: Mutex::default(), news: Notify::new(), most }
    }

    /// Adds an append behind those of its client.
    pub(super) fn push(&self, client: ClientId, request: Request) -> Result<(), AppendError> {
        let overloaded = || AppendError::Overloaded { retry_after: RETRY_AFTER };
        let cost = request.cost();
        let mut pushed_out = Vec::new();
        let pushed = {
            let mut state = self.state.lock();
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

    /// The next append; `None` once the queue is closed and empty. Cancel-safe.
    pub(super) async fn next(&self) -> Option<Request> {
        loop {
            {
                let mut state = self.state.lock();
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

    /// The next append, if one is waiting.
    pub(super) fn try_next(&self) -> Option<Request> {
        self.state.lock().pop()
    }

    pub(super) fn len(&self) -> usize {
        self.state.lock().lanes.len()
    }

    /// Takes no more appends; those already queued are still written.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.news.notify_one();
    }

    /// Closes the queue; the receiver is notified when all is written.
    pub(super) fn close_and_tell(&self) -> oneshot::Receiver<()> {
        let (done, told) = oneshot::channel();
        self.state.lock().closers.push(done);
        self.close();
        told
    }

    /// Drops the waiting appends and notifies the closers, because the writer task has ended.
    pub(super) fn end(&self) {
        let mut state = {
            let mut state = self.state.lock();
            std::mem::replace(&mut *state, State { closed: true, ..State::default() })
        };
        // a caller whose answer is dropped knows that the writer stopped
        drop(state.lanes.drain());
        for closer in state.closers {
            // a closer may have stopped waiting
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
