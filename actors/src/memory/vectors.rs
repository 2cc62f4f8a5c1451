//! Makes the vectors of memories that have none yet, of each client by itself: a provider that is away for one client
//! holds up no other.
//!
//! What has no vector is asked of the index, so nothing is lost when a node stops, when an account is mended, or when the
//! model changes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use domain::ids::ClientId;
use domain::ports::StoreUnavailable;
use domain::ports::embeddings::{EmbeddingFailure, EmbeddingTask};
use domain::ports::vector_index::IndexEntry;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::MemoryService;
use super::learn::space;

/// Texts of one request to a provider.
const AT_ONCE: usize = 64;
/// Clients whose vectors are made at the same time.
const CLIENTS: usize = 4;
/// Clients read at a time when all are looked at.
const PAGE: usize = 500;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Pause after a failure that lasts until somebody changes an account.
const UNTIL_MENDED: Duration = Duration::from_secs(600);
/// How often all clients are looked at.
const EVERYBODY: Duration = Duration::from_secs(3_600);

/// Memories that were put into the index without a vector.
#[derive(Debug, Default)]
pub(super) struct Changed {
    clients: Mutex<BTreeMap<ClientId, Vec<IndexEntry>>>,
    told: Notify,
}

impl Changed {
    pub(super) fn tell(&self, client: ClientId, entries: Vec<IndexEntry>) {
        self.clients.lock().entry(client).or_default().extend(entries);
        self.told.notify_one();
    }
}

#[derive(Debug, thiserror::Error)]
enum Unfilled {
    #[error(transparent)]
    Store(#[from] StoreUnavailable),
    #[error(transparent)]
    Embedding(#[from] EmbeddingFailure),
}

/// What is to be done for a client, and when.
#[derive(Debug)]
struct Turn {
    due: Instant,
    /// Pause after the next failure.
    pause: Duration,
    /// Memories without a vector; `None`: the index is asked which they are.
    entries: Option<Vec<IndexEntry>>,
}

/// The turns of all clients with something to do.
#[derive(Debug, Default)]
struct Turns {
    waiting: BTreeMap<ClientId, Turn>,
    /// Clients for whom vectors are being made.
    busy: BTreeSet<ClientId>,
}

impl Turns {
    /// Adds work; a client who waits after a failure goes on waiting.
    fn add(&mut self, client: ClientId, now: Instant, entries: Option<Vec<IndexEntry>>) {
        let new = || Turn { due: now, pause: FIRST_PAUSE, entries: Some(Vec::new()) };
        let turn = self.waiting.entry(client).or_insert_with(new);
        turn.entries = match (turn.entries.take(), entries) {
            (Some(before), Some(entries)) if before.len() + entries.len() <= AT_ONCE => {
                Some(before.into_iter().chain(entries).collect())
            }
            // more than is kept here, which the index knows, too
            _ => None,
        };
    }

    /// The turns that are due, those that have waited longest first.
    fn due(&mut self, now: Instant) -> Vec<(ClientId, Turn)> {
        let free = CLIENTS.saturating_sub(self.busy.len());
        let mut due: Vec<(Instant, ClientId)> = self
            .waiting
            .iter()
            .filter(|(client, turn)| turn.due <= now && !self.busy.contains(client))
            .map(|(client, turn)| (turn.due, *client))
            .collect();
        due.sort_unstable();
        let clients = due.into_iter().take(free).map(|(_, client)| client);
        let turns: Vec<_> =
            clients.filter_map(|client| Some((client, self.waiting.remove(&client)?))).collect();
        self.busy.extend(turns.iter().map(|(client, _)| *client));
        turns
    }

    /// When a turn is due next that is not due yet.
    fn next(&self, now: Instant) -> Option<Instant> {
        self.waiting.values().map(|turn| turn.due).filter(|due| *due > now).min()
    }

    fn done(&mut self, client: ClientId, now: Instant, pause: Duration, filled: Result<bool, Unfilled>) {
        self.busy.remove(&client);
        let failure = match filled {
            Ok(false) => return,
            Ok(true) => return self.add(client, now, None),
            Err(failure) => failure,
        };
        let wait = match &failure {
            Unfilled::Embedding(failure) if !failure.is_worth_retrying() => UNTIL_MENDED,
            Unfilled::Embedding(failure) => {
                failure.retry_after().map_or(pause, |wait| wait.max(pause)).min(LONGEST_PAUSE)
            }
            Unfilled::Store(_) => pause,
        };
        tracing::warn!(error = &failure as &dyn std::error::Error, "memories wait for their vectors");
        let turn = Turn { due: now + wait, pause: (pause * 2).min(LONGEST_PAUSE), entries: None };
        self.waiting.insert(client, turn);
    }
}

/// Makes vectors until it is dropped.
pub(super) async fn fill(service: &MemoryService, changed: &Changed) {
    let clock = &service.runtime.clock;
    let mut turns = Turns::default();
    let mut under_way = FuturesUnordered::new();
    let mut look_at_all = clock.monotonic();
    loop {
        let now = clock.monotonic();
        if look_at_all <= now {
            let looked = everybody(service).await;
            look_at_all = now + if looked.is_ok() { EVERYBODY } else { LONGEST_PAUSE };
            match looked {
                Ok(clients) => clients.into_iter().for_each(|client| turns.add(client, now, None)),
                Err(error) => tracing::warn!(%error, "memories wait for their vectors"),
            }
        }
        for (client, entries) in std::mem::take(&mut *changed.clients.lock()) {
            turns.add(client, now, Some(entries));
        }
        for (client, turn) in turns.due(now) {
            under_way.push(async move {
                let filled = fill_one(service, client, turn.entries).await;
                (client, turn.pause, filled)
            });
        }
        let next = turns.next(now).map_or(look_at_all, |next| next.min(look_at_all));
        tokio::select! {
            Some((client, pause, filled)) = under_way.next() => {
                turns.done(client, clock.monotonic(), pause, filled);
            }
            () = changed.told.notified() => {}
            () = clock.sleep(next.saturating_duration_since(now)) => {}
        }
    }
}

async fn everybody(service: &MemoryService) -> Result<Vec<ClientId>, StoreUnavailable> {
    let mut all: Vec<ClientId> = Vec::new();
    loop {
        let page = service.index.clients_with_memories(all.last().copied(), PAGE).await?;
        let last = page.len() < PAGE;
        all.extend(page);
        if last {
            return Ok(all);
        }
    }
}

/// Makes the next vectors of a client; answers whether there may be more to do. Once all memories have a vector of the
/// model in use, those of other models go.
async fn fill_one(
    service: &MemoryService,
    client: ClientId,
    entries: Option<Vec<IndexEntry>>,
) -> Result<bool, Unfilled> {
    let (space, model) = (space(client), service.embeddings.default_model());
    let is_asked = entries.is_none();
    let without = match entries {
        Some(entries) => entries,
        None => service.index.without_vector(space, &model, None, AT_ONCE).await?,
    };
    if without.is_empty() {
        if is_asked {
            service.index.keep_only(space, &model).await?;
        }
        return Ok(false);
    }
    let texts: Vec<String> = without.iter().map(|entry| entry.text.clone()).collect();
    let vectors = service.embeddings.embed(client, &model, EmbeddingTask::Document, &texts).await?;
    let with = without.into_iter().zip(vectors);
    let with: Vec<_> = with.map(|(entry, vector)| IndexEntry { vector: Some(vector), ..entry }).collect();
    service.index.set_vectors(space, &model, &with).await?;
    Ok(is_asked)
}

#[cfg(test)]
mod tests {
    use domain::ports::llm::LlmFailure;
    use uuid::Uuid;

    use super::*;

    fn client(n: u128) -> ClientId {
        ClientId(Uuid::from_u128(n))
    }

    fn entries(count: usize) -> Option<Vec<IndexEntry>> {
        let entry = IndexEntry { id: Uuid::nil(), group: Uuid::nil(), text: String::new(), vector: None };
        Some(vec![entry; count])
    }

    fn away() -> Result<bool, Unfilled> {
        Err(EmbeddingFailure::Provider(LlmFailure::CircuitOpen).into())
    }

    #[test]
    fn a_client_whose_provider_is_away_waits_and_others_do_not() {
        let (now, mut turns) = (Instant::now(), Turns::default());
        turns.add(client(1), now, entries(1));
        assert_eq!(turns.due(now).len(), 1);
        turns.done(client(1), now, FIRST_PAUSE, away());
        turns.add(client(1), now, entries(1));
        turns.add(client(2), now, entries(1));
        let due: Vec<_> = turns.due(now).into_iter().map(|(client, _)| client).collect();
        assert_eq!(due, [client(2)]);
        assert_eq!(turns.next(now), Some(now + FIRST_PAUSE));
        let again = turns.due(now + FIRST_PAUSE).remove(0);
        assert_eq!((again.0, again.1.pause), (client(1), FIRST_PAUSE * 2));
        assert!(again.1.entries.is_none(), "the index knows what has no vector");
    }

    #[test]
    fn a_client_has_one_turn_at_a_time_and_what_comes_meanwhile_is_not_forgotten() {
        let (now, mut turns) = (Instant::now(), Turns::default());
        turns.add(client(1), now, entries(1));
        assert_eq!(turns.due(now).len(), 1);
        turns.add(client(1), now, entries(2));
        assert!(turns.due(now).is_empty());
        turns.done(client(1), now, FIRST_PAUSE, Ok(false));
        let next = turns.due(now).remove(0).1;
        assert_eq!(next.entries.map(|entries| entries.len()), Some(2));
        turns.done(client(1), now, FIRST_PAUSE, Ok(false));
        turns.add(client(1), now, entries(AT_ONCE));
        turns.add(client(1), now, entries(1));
        assert!(turns.due(now).remove(0).1.entries.is_none(), "too many to keep: the index is asked");
    }

    #[test]
    fn an_account_that_must_be_mended_is_tried_seldom() {
        let (now, mut turns) = (Instant::now(), Turns::default());
        turns.add(client(1), now, None);
        turns.due(now);
        let refused = Err(EmbeddingFailure::Refused("no").into());
        turns.done(client(1), now, FIRST_PAUSE, refused);
        assert_eq!(turns.next(now), Some(now + UNTIL_MENDED));
    }
}
