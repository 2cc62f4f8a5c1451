//! Content that is not retained: also encrypted under a key of its call or session, which is destroyed at the end.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::agent::AgentEvent;
use domain::aggregate::Aggregate as _;
use domain::envelope::{NewEvent, StreamId, Version};
use domain::ids::{AgentId, ClientId};
use domain::ports::StoreUnavailable;
use domain::ports::event_store::{Direction, ReadError};
use domain::ports::vault::VaultError;
use domain::privacy::content::ContentLevel;
use domain::privacy::policy::{PolicyEvent, PrivacyPolicy};
use domain::privacy::{Leads, Subject, leads};
use domain::wire::DomainEvent as _;

use super::store::EncryptingEventStore;

const PAGE: u32 = 200;
/// How many of a stream's newest events are searched for the end of the call or session.
const NEWEST: usize = 64;
/// Events of a policy read at once; each change is one.
const CHANGES: usize = 16;
/// A call or session without an end counts as ended after this long.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

impl EncryptingEventStore {
    /// The content level of the event at `at` of those about to be appended: the level of the leading agent, else
    /// the client's, else the node's. These events may name a new leader themselves.
    pub(super) async fn level_of(
        &self,
        client: ClientId,
        stream: &StreamId,
        (said, at): (&[Leads], usize),
    ) -> Result<ContentLevel, ReadError> {
        if let Some(agent) = self.leader(stream, said, at).await?
            && let Some(level) = self.level_of_agent(client, agent).await?
        {
            return Ok(level);
        }
        self.level_of_client(client).await
    }

    /// The agent that leads, according to the events about to be appended, else to the stream.
    async fn leader(
        &self,
        stream: &StreamId,
        said: &[Leads],
        at: usize,
    ) -> Result<Option<AgentId>, ReadError> {
        let until_now = |said: &Leads| match *said {
            Leads::FromTheStart(agent) => Some(agent),
            Leads::FromNow(agent) => Some(Some(agent)),
            Leads::Unsaid => None,
        };
        // the receipt of a call's first webhook stands before the event that it led to
        let from_the_start = |said: &Leads| match *said {
            Leads::FromTheStart(agent) => Some(agent),
            Leads::FromNow(_) | Leads::Unsaid => None,
        };
        let led = said[..=at].iter().rev().find_map(until_now);
        if let Some(agent) = led.or_else(|| said[at + 1..].iter().find_map(from_the_start)) {
            self.levels.lead(stream, agent);
            return Ok(agent);
        }
        if let Some(agent) = self.levels.leader(stream) {
            return Ok(agent);
        }
        // once after a start: from then on it is cached
        let (mut after, mut agent) = (Version::NONE, None);
        loop {
            let page = self.stored().read_stream(stream, after, Direction::Forwards, NEWEST).await?;
            let Some(last) = page.last() else { break };
            after = last.version;
            for event in &page {
                match leads(&event.event_type, event.schema, &event.payload) {
                    Leads::FromTheStart(first) => agent = first,
                    Leads::FromNow(now) => agent = Some(now),
                    Leads::Unsaid => {}
                }
            }
        }
        self.levels.lead(stream, agent);
        Ok(agent)
    }

    /// The content level of the agent's talking version, if it sets one.
    async fn level_of_agent(
        &self,
        client: ClientId,
        agent: AgentId,
    ) -> Result<Option<ContentLevel>, ReadError> {
        let now = self.keys().now();
        if let Some(level) = self.levels.of_agent(agent, now) {
            return Ok(level);
        }
        let forgotten = self.levels.forgotten();
        let (mut before, mut newest, mut deployed) = (Version::NONE, None, None);
        while deployed.is_none() {
            let page =
                self.stored().read_stream(&agent.stream(), before, Direction::Backwards, NEWEST).await?;
            let Some(oldest) = page.last() else { break };
            before = oldest.version;
            for event in page.iter().filter(|event| event.client_id == client) {
                let terms = match AgentEvent::decode(&event.event_type, event.schema, &event.payload) {
                    Ok(AgentEvent::Deployed(live)) => {
                        deployed = deployed.or(Some(live.terms.call_content));
                        continue;
                    }
                    Ok(AgentEvent::Updated(updated)) => updated.after,
                    Ok(AgentEvent::Created(created)) => created.terms,
                    Err(_) => continue,
                };
                newest = newest.or(Some(terms.call_content));
            }
        }
        let level = deployed.or(newest).flatten();
        self.levels.put_agent(agent, level, now + self.keys().life(), forgotten);
        Ok(level)
    }

    async fn level_of_client(&self, client: ClientId) -> Result<ContentLevel, ReadError> {
        let now = self.keys().now();
        if let Some(level) = self.levels.get(client, now) {
            return Ok(level);
        }
        let forgotten = self.levels.forgotten();
        let policy = PrivacyPolicy::stream(client);
        let newest = self.stored().read_stream(&policy, Version::NONE, Direction::Backwards, CHANGES).await?;
        let said = newest.iter().find_map(|event| {
            match PolicyEvent::decode(&event.event_type, event.schema, &event.payload) {
                Ok(PolicyEvent::Changed(changed)) if event.client_id == client => Some(changed.call_content),
                _ => None,
            }
        });
        let level = said.flatten().unwrap_or(self.default_level);
        self.levels.put(client, level, now + self.keys().life(), forgotten);
        Ok(level)
    }

    /// The node's content level, for clients that set none.
    #[must_use]
    pub fn default_level(&self) -> ContentLevel {
        self.default_level
    }

    /// Invalidates a client's cached level after its policy changed on this node.
    pub fn forget_level(&self, client: ClientId) {
        self.levels.forget(client);
    }

    /// Invalidates an agent's cached level after a change, or after another version went live.
    pub fn forget_agent(&self, agent: AgentId) {
        self.levels.forget_agent(agent);
    }

    /// Notes that the stream's own key ends with it, before anything is encrypted under it.
    pub(super) async fn ends_with(&self, client: ClientId, stream: &StreamId) -> Result<(), VaultError> {
        let now = self.keys().now();
        if !self.levels.is_noted(stream, now) {
            self.keys().end_with(client, stream).await?;
            self.levels.note(stream, now + self.keys().life());
        }
        Ok(())
    }

    /// Destroys the keys of calls and sessions that ended at least `grace` ago; answers how many for each client.
    /// Fails when the keys or the log cannot be read or written.
    pub async fn end_content(&self, grace: Duration) -> Result<BTreeMap<ClientId, u64>, StoreUnavailable> {
        let of_vault = |error: VaultError| StoreUnavailable(error.to_string());
        let now = self.keys().now();
        let mut ended = BTreeMap::new();
        let mut after = String::new();
        loop {
            let page = self.keys().ending(&after, PAGE).await.map_err(of_vault)?;
            let Some((last, ..)) = page.last() else { return Ok(ended) };
            after.clone_from(last);
            for (stream, client, since) in page {
                let Ok(stream) = stream.parse::<StreamId>() else { continue };
                let newest =
                    self.stored().read_stream(&stream, Version::NONE, Direction::Backwards, NEWEST).await;
                let newest = newest.map_err(|error| StoreUnavailable(error.to_string()))?;
                let over = newest.iter().any(|event| {
                    matches!(
                        event.event_type.as_str(),
                        "call.ended" | "ivr_session.ended" | "conversation.ended"
                    ) && event.recorded_at + grace <= now
                });
                if !over && since + LONGEST > now {
                    continue;
                }
                let own = Subject::Stream(stream.clone());
                let own = self.keys().pseudonym(client, &own).await.map_err(of_vault)?;
                self.levels.unnote(&stream);
                self.keys().ended(&stream).await.map_err(of_vault)?;
                let destroyed = self.keys().destroy(client, own).await.map_err(of_vault)?;
                *ended.entry(client).or_default() += destroyed.len() as u64;
            }
        }
    }
}

/// Which agent leads according to an event about to be appended.
pub(super) fn leads_of(event: &NewEvent) -> Leads {
    leads(&event.event_type, event.schema, &event.payload)
}

/// Whether streams of the category hold content that may not be retained; a conversation does only if it is on a call.
pub(super) fn has_content(category: &str) -> bool {
    matches!(category, domain::call::Call::CATEGORY | domain::ivr::session::IvrSession::CATEGORY)
}
