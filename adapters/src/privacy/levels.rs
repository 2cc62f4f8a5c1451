//! Caches the content levels of clients and agents, and which agent leads a stream.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::envelope::{StreamId, Time};
use domain::ids::{AgentId, ClientId};
use domain::privacy::content::ContentLevel;
use lru::LruCache;
use parking_lot::Mutex;

/// The most clients, agents and streams cached.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(20_000).unwrap();

/// A bounded cache with an expiry time for each entry.
#[derive(Debug)]
pub(super) struct Levels {
    known: Mutex<LruCache<ClientId, (ContentLevel, Time)>>,
    noted: Mutex<LruCache<StreamId, Time>>,
    agents: Mutex<LruCache<AgentId, (Option<ContentLevel>, Time)>>,
    leaders: Mutex<LruCache<StreamId, Option<AgentId>>>,
    /// Number of invalidations: what was read before one is not cached after it.
    forgotten: AtomicU64,
}

impl Default for Levels {
    fn default() -> Self {
        Self {
            known: Mutex::new(LruCache::new(REMEMBERED)),
            noted: Mutex::new(LruCache::new(REMEMBERED)),
            agents: Mutex::new(LruCache::new(REMEMBERED)),
            leaders: Mutex::new(LruCache::new(REMEMBERED)),
            forgotten: AtomicU64::new(0),
        }
    }
}

impl Levels {
    /// An agent's content level, if it is cached; the inner `None` means that the agent sets none.
    pub(super) fn of_agent(&self, agent: AgentId, now: Time) -> Option<Option<ContentLevel>> {
        self.agents.lock().get(&agent).filter(|(_, until)| now < *until).map(|(level, _)| *level)
    }

    /// Read this before the log, and pass it to [`Self::put`] and [`Self::put_agent`].
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::SeqCst)
    }

    pub(super) fn put_agent(&self, agent: AgentId, level: Option<ContentLevel>, until: Time, before: u64) {
        let mut agents = self.agents.lock();
        if self.forgotten() == before {
            agents.put(agent, (level, until));
        }
    }

    pub(super) fn forget_agent(&self, agent: AgentId) {
        let mut agents = self.agents.lock();
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        agents.pop(&agent);
    }

    /// The agent that leads the stream, if cached; the inner `None` means that none leads.
    pub(super) fn leader(&self, stream: &StreamId) -> Option<Option<AgentId>> {
        self.leaders.lock().get(stream).copied()
    }

    pub(super) fn lead(&self, stream: &StreamId, agent: Option<AgentId>) {
        self.leaders.lock().put(stream.clone(), agent);
    }

    pub(super) fn get(&self, client: ClientId, now: Time) -> Option<ContentLevel> {
        self.known.lock().get(&client).filter(|(_, until)| now < *until).map(|(level, _)| *level)
    }

    pub(super) fn put(&self, client: ClientId, level: ContentLevel, until: Time, before: u64) {
        let mut known = self.known.lock();
        if self.forgotten() == before {
            known.put(client, (level, until));
        }
    }

    pub(super) fn forget(&self, client: ClientId) {
        let mut known = self.known.lock();
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        known.pop(&client);
    }

    /// Whether the key store was told recently to destroy the stream's key at its end.
    pub(super) fn is_noted(&self, stream: &StreamId, now: Time) -> bool {
        self.noted.lock().get(stream).is_some_and(|until| now < *until)
    }

    pub(super) fn note(&self, stream: &StreamId, until: Time) {
        self.noted.lock().put(stream.clone(), until);
    }

    pub(super) fn unnote(&self, stream: &StreamId) {
        self.noted.lock().pop(stream);
    }
}

#[cfg(test)]
mod tests {
    use domain::testing::ids::sequential;

    use super::*;

    #[test]
    fn what_was_read_before_a_change_is_not_remembered_after_it() {
        let levels = Levels::default();
        let (client, agent) = (ClientId(sequential(1)), AgentId(sequential(2)));
        let at = |seconds: i64| Time::from_timestamp_micros(seconds * 1_000_000).unwrap_or_default();
        let before = levels.forgotten();
        levels.forget(client);
        levels.put(client, ContentLevel::Everything, at(10), before);
        levels.put_agent(agent, Some(ContentLevel::Everything), at(10), before);
        assert_eq!((levels.get(client, at(1)), levels.of_agent(agent, at(1))), (None, None));
        levels.put(client, ContentLevel::Everything, at(10), levels.forgotten());
        assert_eq!(levels.get(client, at(1)), Some(ContentLevel::Everything));
    }
}
