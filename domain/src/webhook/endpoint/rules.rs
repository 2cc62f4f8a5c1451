//! Commands and rules of a webhook endpoint.

use std::collections::BTreeSet;

use chrono::serde::ts_microseconds_option as micros_option;
use serde::{Deserialize, Serialize};

use super::event::{
    CustomHeaders, DisabledFor, EndpointCreated, EndpointDeleted, EndpointDisabled, EndpointEvent,
    EndpointTerms, EndpointUpdated, Ordering, ReplayRequested,
};
use crate::aggregate::Aggregate;
use crate::envelope::Time;
use crate::ids::{AgentId, EndpointId};
use crate::origin::Origin;
use crate::web_origin::same_web_origin;
use crate::webhook::filter::{MAX_PATTERNS, is_pattern, wants};
use crate::webhook::public::PublicEvent;
use crate::webhook::secrets::{HeldSecrets, OverlapTooLong, Rotation};

/// The longest URL, in bytes.
pub const MAX_URL: usize = 2_048;
/// The longest description, in characters.
pub const MAX_DESCRIPTION: usize = 500;
/// The highest rate, in attempts a second.
pub const MAX_RATE: u32 = 10_000;

/// Changes to an endpoint; `None` leaves a field as it is. A URL of another web origin drops the headers unless
/// they are given again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EndpointPatch {
    /// The caller checks that the address is allowed.
    pub url: Option<String>,
    pub events: Option<Vec<String>>,
    /// `Some(None)` asks for events of all agents.
    pub agent_id: Option<Option<AgentId>>,
    /// `Some(None)` removes the description.
    pub description: Option<Option<String>>,
    pub enabled: Option<bool>,
    pub headers: Option<CustomHeaders>,
    pub ordering: Option<Ordering>,
    /// Most attempts a second; `Some(None)` lifts the limit.
    pub rate_limit_per_second: Option<Option<u32>>,
}

#[derive(Debug, Clone)]
pub enum EndpointCommand {
    Create(Box<EndpointCreated>),
    Update {
        patch: Box<EndpointPatch>,
        origin: Origin,
        now: Time,
    },
    /// Signs with another secret from now on.
    Rotate(Rotation),
    /// Stops delivering, because of what attempts showed.
    Disable {
        reason: DisabledFor,
        /// When the attempt that shows it began: an endpoint that was enabled after that stays enabled.
        seen: Time,
        now: Time,
    },
    /// Delivers what happened in a period, again or for the first time.
    Replay(Box<ReplayRequested>),
    Delete {
        origin: Origin,
        now: Time,
    },
}

/// Why the endpoint refuses a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointRefusal {
    /// The endpoint was never created, or is deleted.
    #[error("the endpoint does not exist")]
    Unknown,
    #[error("the endpoint exists already")]
    Exists,
    /// The field at fault, and what is wrong with it.
    #[error("{1}")]
    Invalid(&'static str, &'static str),
}

impl From<OverlapTooLong> for EndpointRefusal {
    fn from(_: OverlapTooLong) -> Self {
        Self::Invalid("overlap_seconds", OverlapTooLong::DETAIL)
    }
}

/// State of an endpoint, folded from its events.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    terms: Option<EndpointTerms>,
    /// Settings at creation, to recognise the very same request when it comes again.
    created: Option<EndpointTerms>,
    secrets: HeldSecrets,
    #[serde(with = "micros_option", default)]
    enabled_at: Option<Time>,
    disabled_for: Option<DisabledFor>,
    last_replay: Option<uuid::Uuid>,
    deleted: bool,
}

impl Endpoint {
    /// The settings; `None` if the endpoint does not exist.
    #[must_use]
    pub fn terms(&self) -> Option<&EndpointTerms> {
        self.terms.as_ref().filter(|_| !self.deleted)
    }

    /// Whether something may be delivered to it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.terms().is_some_and(|terms| terms.enabled)
    }

    /// Whether an event that happens now is to be delivered to it.
    #[must_use]
    pub fn wants(&self, event: &PublicEvent) -> bool {
        self.terms().is_some_and(|terms| {
            terms.enabled
                && wants(&terms.events, &event.event_type)
                && terms.agent_id.is_none_or(|agent| event.agent == Some(agent))
        })
    }

    /// The secrets that sign what is delivered.
    #[must_use]
    pub fn secrets(&self) -> &HeldSecrets {
        &self.secrets
    }

    fn live(&self) -> Result<&EndpointTerms, EndpointRefusal> {
        self.terms().ok_or(EndpointRefusal::Unknown)
    }

    fn patched(&self, patch: &EndpointPatch) -> Result<EndpointTerms, EndpointRefusal> {
        let mut terms = self.live()?.clone();
        let EndpointPatch {
            url,
            events,
            agent_id,
            description,
            enabled,
            headers,
            ordering,
            rate_limit_per_second,
        } = patch.clone();
        // what was given for one server is not sent to another; the secret that signs is never sent
        if url.as_ref().is_some_and(|url| !same_web_origin(url, &terms.url)) {
            terms.headers = CustomHeaders::default();
        }
        terms.url = url.unwrap_or(terms.url);
        terms.events = events.unwrap_or(terms.events);
        terms.agent_id = agent_id.unwrap_or(terms.agent_id);
        terms.description = description.unwrap_or(terms.description);
        terms.enabled = enabled.unwrap_or(terms.enabled);
        terms.headers = headers.unwrap_or(terms.headers);
        terms.ordering = ordering.unwrap_or(terms.ordering);
        terms.rate_limit_per_second = rate_limit_per_second.unwrap_or(terms.rate_limit_per_second);
        check(&terms)?;
        each_once(&mut terms.events);
        Ok(terms)
    }
}

/// Removes repeated names and keeps the order.
fn each_once(names: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
}

fn check(terms: &EndpointTerms) -> Result<(), EndpointRefusal> {
    let fault = |field, detail| Err(EndpointRefusal::Invalid(field, detail));
    if terms.url.is_empty() || terms.url.len() > MAX_URL {
        return fault("url", "a URL has at most 2048 bytes");
    }
    if terms.events.is_empty() || terms.events.len() > MAX_PATTERNS {
        return fault("events", "name 1 to 50 events; * is all of them");
    }
    if !terms.events.iter().all(|pattern| is_pattern(pattern)) {
        return fault("events", "there is no such event; see /api/v1/webhooks/event-types");
    }
    if terms.description.as_ref().is_some_and(|text| text.chars().count() > MAX_DESCRIPTION) {
        return fault("description", "a description has at most 500 characters");
    }
    if terms.rate_limit_per_second.is_some_and(|rate| !(1..=MAX_RATE).contains(&rate)) {
        return fault("rate_limit_per_second", "must be 1 to 10000");
    }
    Ok(())
}

/// Whether both are the same but for sealed bytes, which differ each time.
fn same_wish(one: &EndpointTerms, other: &EndpointTerms) -> bool {
    let plain = |terms: &EndpointTerms| {
        let headers = CustomHeaders { shown: terms.headers.shown.clone(), sealed: None };
        let mut plain = EndpointTerms { headers, ..terms.clone() };
        each_once(&mut plain.events);
        plain
    };
    plain(one) == plain(other)
}

impl Aggregate for Endpoint {
    const CATEGORY: &'static str = EndpointId::CATEGORY;
    type Command = EndpointCommand;
    type Event = EndpointEvent;
    type Refusal = EndpointRefusal;

    fn decide(&self, command: &EndpointCommand) -> Result<Vec<EndpointEvent>, EndpointRefusal> {
        match command {
            EndpointCommand::Create(new) => match &self.created {
                // the same request again is no news
                Some(created) if !self.deleted && same_wish(created, &new.terms) => Ok(vec![]),
                Some(_) => Err(EndpointRefusal::Exists),
                None => {
                    let mut new = (**new).clone();
                    check(&new.terms)?;
                    each_once(&mut new.terms.events);
                    Ok(vec![new.into()])
                }
            },
            EndpointCommand::Update { patch, origin, now } => {
                let (before, after) = (self.live()?.clone(), self.patched(patch)?);
                if before == after {
                    return Ok(vec![]);
                }
                Ok(vec![EndpointUpdated { before, after, origin: origin.clone(), at: *now }.into()])
            }
            EndpointCommand::Rotate(rotation) => {
                self.live()?;
                Ok(vec![rotation.rotated()?.into()])
            }
            EndpointCommand::Disable { reason, seen, now } => {
                let judged = self.is_open() && self.enabled_at.is_none_or(|enabled| enabled <= *seen);
                Ok(if judged { vec![EndpointDisabled { reason: *reason, at: *now }.into()] } else { vec![] })
            }
            EndpointCommand::Replay(replay) => {
                self.live()?;
                if self.last_replay == Some(replay.request) {
                    return Ok(vec![]);
                }
                if replay.until.is_some_and(|until| until <= replay.since) {
                    return Err(EndpointRefusal::Invalid("until", "must be later than since"));
                }
                Ok(vec![(**replay).clone().into()])
            }
            EndpointCommand::Delete { origin, now } => {
                self.live()?;
                Ok(vec![EndpointDeleted { origin: origin.clone(), at: *now }.into()])
            }
        }
    }

    fn evolve(&mut self, event: &EndpointEvent) {
        match event {
            EndpointEvent::Created(created) => {
                self.terms = Some(created.terms.clone());
                self.created = Some(created.terms.clone());
                self.secrets = HeldSecrets::of(Some(&created.secret));
                self.enabled_at = Some(created.at);
            }
            EndpointEvent::Updated(updated) => {
                if updated.after.enabled && !updated.before.enabled {
                    self.enabled_at = Some(updated.at);
                    self.disabled_for = None;
                }
                self.terms = Some(updated.after.clone());
            }
            EndpointEvent::SecretRotated(rotated) => self.secrets.rotate(rotated),
            EndpointEvent::Disabled(disabled) => {
                if let Some(terms) = &mut self.terms {
                    terms.enabled = false;
                }
                self.disabled_for = Some(disabled.reason);
            }
            EndpointEvent::ReplayRequested(replay) => self.last_replay = Some(replay.request),
            EndpointEvent::Deleted(_) => {
                self.deleted = true;
                self.secrets.clear();
            }
        }
    }
}
