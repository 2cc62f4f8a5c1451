//! Reads and decodes events ahead, while earlier pages are being written.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use domain::envelope::{EventRef, Position, Recorded, Time};
use domain::ports::event_store::{EventStore, ReadError, Subscription};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::backoff::Backoff;
use super::settings::TraceHooks;
use super::traces::Traces;
use crate::store::Stall;
use crate::view::{self, At, Row, View};

/// What a page of the log, or a part of it, means to a view.
pub(super) struct Batch<V: View> {
    /// The last event of the batch.
    pub(super) to: EventRef,
    /// When the last event was recorded.
    pub(super) recorded_at: Time,
    /// The facts for the view, in order, each with the key of its row.
    pub(super) facts: Vec<(<V::Row as Row>::Key, At, V::Fact)>,
    /// Rows that ended before this time are removed, because of the batch's last event; later events
    /// belong to another step.
    pub(super) retires: Option<Time>,
    /// The traces the facts belong to; empty unless traces are recorded.
    pub(super) traces: Traces,
    /// The event that cannot be read, after which no more batches come, and when it was recorded.
    pub(super) stall: Option<(Stall, Time)>,
}

/// A task that reads pages and sends what they mean to the view.
pub(super) struct Feed<V: View> {
    batches: mpsc::Receiver<Result<Batch<V>, ReadError>>,
    task: JoinHandle<()>,
}

impl<V: View> Feed<V> {
    /// Starts reading after position `after`, without the events in `skips`.
    pub(super) fn start(
        log: Arc<dyn EventStore>,
        after: Position,
        page: usize,
        skips: HashSet<Position>,
        backoff: Duration,
        trace: TraceHooks,
    ) -> Self {
        let log = V::PERSONAL.and_then(|types| log.for_reader_of(types)).unwrap_or(log);
        let (sender, batches) = mpsc::channel(2);
        let task = tokio::spawn(async move {
            let mut subscription = Subscription::new(log, after, page);
            let mut backoff = Backoff::new(backoff);
            loop {
                let batches = match subscription.next().await {
                    Ok(events) => {
                        backoff.reset();
                        cut::<V>(&events, &skips, (trace.recording)()).map(Ok).collect()
                    }
                    Err(ReadError::Damaged { position, detail }) => vec![Ok(damaged(position, detail))],
                    Err(error) => vec![Err(error)],
                };
                for batch in batches {
                    let failed = batch.is_err();
                    let over = batch.as_ref().is_ok_and(|batch| batch.stall.is_some());
                    if sender.send(batch).await.is_err() || over {
                        return;
                    }
                    if failed {
                        backoff.pause().await;
                    }
                }
            }
        });
        Self { batches, task }
    }

    /// The next batch; an error when the log could not be read just now, while the task goes on trying. `None`
    /// after a stall. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Result<Batch<V>, ReadError>> {
        self.batches.recv().await
    }

    /// The next batch if it is there already.
    pub(super) fn ready(&mut self) -> Option<Result<Batch<V>, ReadError>> {
        self.batches.try_recv().ok()
    }
}

impl<V: View> Drop for Feed<V> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Splits a page into as many batches as its events require to be applied in separate steps.
fn cut<V: View>(
    events: &[Recorded],
    skips: &HashSet<Position>,
    traced: bool,
) -> impl Iterator<Item = Batch<V>> {
    let mut rest = Some(events);
    std::iter::from_fn(move || {
        let (batch, read) = batch::<V>(rest?, skips, traced);
        // a batch that ends in a stall is the last
        rest = rest?.get(read..).filter(|rest| !rest.is_empty() && batch.stall.is_none());
        Some(batch)
    })
}

/// Reads events up to the first one that removes rows, or that concerns the view and cannot be read; answers how many.
fn batch<V: View>(events: &[Recorded], skips: &HashSet<Position>, traced: bool) -> (Batch<V>, usize) {
    let mut facts = Vec::new();
    let mut traces = Traces::default();
    let mut last: Option<&Recorded> = None;
    let (mut retires, mut stall, mut read) = (None, None, 0);
    for event in events {
        if !skips.contains(&event.position) {
            match V::read(event).and_then(|read| Ok((read, view::retires::<V>(event)?))) {
                Ok((fact, before)) => {
                    if let Some((key, fact)) = fact {
                        facts.push((key, At::from(event), fact));
                        if traced {
                            traces.note(event);
                        }
                    }
                    retires = before;
                }
                Err(error) => {
                    let (position, event_type) = (event.position, event.event_type.clone());
                    stall =
                        Some((Stall { position, event_type, reason: error.to_string() }, event.recorded_at));
                    break;
                }
            }
        }
        last = Some(event);
        read += 1;
        if retires.is_some() {
            break;
        }
    }
    let to = last.map_or(EventRef::START, EventRef::from);
    let recorded_at = last.map(|event| event.recorded_at).unwrap_or_default();
    (Batch { to, recorded_at, facts, retires, traces, stall }, read)
}

fn damaged<V: View>(position: Position, detail: String) -> Batch<V> {
    let stall =
        Stall { position, event_type: String::new(), reason: format!("the log is damaged: {detail}") };
    Batch {
        to: EventRef::START,
        recorded_at: Time::default(),
        facts: vec![],
        retires: None,
        traces: Traces::default(),
        stall: Some((stall, Time::default())),
    }
}
