//! What every request needs to know, in memory: who may do what, and where a called number leads.
//!
//! Filled from the views on start, then kept up to date from the log.

mod identity;

use std::sync::Arc;
use std::time::Duration;

use actors::Runtime;
use actors::directory::{KnownNumber, NumberDirectory};
use domain::envelope::Position;
use domain::ports::StoreUnavailable;
use domain::ports::clock::Clock;
use domain::ports::event_store::Subscription;
use projections::Queries;
use tokio_util::sync::CancellationToken;

pub(super) use self::identity::Identity;
use crate::limits::Gate;

const PAGE: u32 = 1_000;
const PAUSE_AFTER_FAULT: Duration = Duration::from_millis(500);

/// The directories of a node.
#[derive(Debug, Clone)]
pub(super) struct Directories {
    pub(super) numbers: Arc<NumberDirectory>,
    pub(super) identity: Arc<Identity>,
    gate: Arc<Gate>,
}

impl Directories {
    /// Reads what the views hold as of `position`, a position all views have reached.
    pub(super) async fn load(
        views: &dyn Queries,
        clock: Arc<dyn Clock>,
        gate: Arc<Gate>,
        position: Position,
    ) -> Result<Self, StoreUnavailable> {
        let (mut numbers, mut after) = (Vec::new(), None);
        loop {
            let page = views.number_directory(after, PAGE).await?;
            after = page.last().map(|last| last.id);
            let full = page.len() == PAGE as usize;
            numbers.extend(page.into_iter().map(|entry| KnownNumber {
                id: entry.id,
                client: entry.client,
                number: entry.number,
                route: entry.route,
            }));
            if !full {
                break;
            }
        }
        let (identity, mut after) = (Identity::new(clock), None);
        loop {
            let page = views.api_key_directory(after, PAGE).await?;
            after = page.last().map(|last| last.view.id);
            let full = page.len() == PAGE as usize;
            for entry in page {
                gate.insert_key(entry.view.id, entry.view.usage_count, entry.position);
                identity.insert_key(entry);
            }
            if !full {
                break;
            }
        }
        let mut after = None;
        loop {
            let page = views.user_directory(after, PAGE).await?;
            after = page.last().map(|last| last.view.id);
            let full = page.len() == PAGE as usize;
            page.into_iter().for_each(|row| identity.insert_user(row));
            if !full {
                break;
            }
        }
        load_limits(views, &gate).await?;
        let numbers = Arc::new(NumberDirectory::new(numbers, position));
        Ok(Self { numbers, identity: Arc::new(identity), gate })
    }

    /// Follows the log from `after` until `stop`.
    pub(super) async fn follow(self, runtime: Runtime, after: Position, stop: CancellationToken) {
        let mut log = Subscription::new(runtime.store.clone(), after, 1_000);
        loop {
            let events = tokio::select! {
                () = stop.cancelled() => return,
                events = log.next() => events,
            };
            match events {
                Ok(events) => {
                    self.identity.apply(&events);
                    self.gate.apply(&events);
                    self.numbers.apply(&events);
                }
                Err(error) => {
                    tracing::warn!(%error, "keys and numbers do not follow the log");
                    let again = runtime.clock.now() + PAUSE_AFTER_FAULT;
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = runtime.clock.sleep_until(again) => {}
                    }
                }
            }
        }
    }

    /// Waits until the event at `position` is known here.
    pub(super) async fn wait_for(&self, position: Position) {
        // the directory outlives every request, so its end needs no answer
        let _ = self.numbers.position().wait_for(|known| *known >= position).await;
    }
}

/// What clients may do, and what they have done of it.
async fn load_limits(views: &dyn Queries, gate: &Gate) -> Result<(), StoreUnavailable> {
    let mut after = None;
    loop {
        let page = views.client_directory(after, PAGE).await?;
        after = page.last().map(|last| last.id);
        let full = page.len() == PAGE as usize;
        page.into_iter().for_each(|entry| gate.insert_client(entry));
        if !full {
            break;
        }
    }
    let mut after = None;
    loop {
        let page = views.open_calls(after, PAGE).await?;
        after = page.last().map(|(_, call)| *call);
        let full = page.len() == PAGE as usize;
        page.into_iter().for_each(|(client, call)| gate.insert_open_call(client, call));
        if !full {
            break;
        }
    }
    let (mut after, today) = (None, gate.today());
    loop {
        let page = views.calls_placed(today, after, PAGE).await?;
        after = page.last().map(|last| last.client);
        let full = page.len() == PAGE as usize;
        page.into_iter().for_each(|count| gate.insert_count(count));
        if !full {
            break;
        }
    }
    gate.measure_storage(views).await
}
