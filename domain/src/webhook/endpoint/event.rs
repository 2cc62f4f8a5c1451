//! What happens to an endpoint.

use std::collections::BTreeMap;

use chrono::serde::{ts_microseconds as micros, ts_microseconds_option as micros_option};
use serde::{Deserialize, Serialize};

use crate::envelope::Time;
use crate::ids::AgentId;
use crate::origin::Origin;
use crate::ports::vault::Sealed;
use crate::webhook::secrets::SecretRotated;
use crate::wire::events;

events! {
    /// A fact of an endpoint.
    pub enum EndpointEvent {
        /// It came to be.
        Created(EndpointCreated) = "webhook.created" v 1,
        /// Its terms changed.
        Updated(EndpointUpdated) = "webhook.updated" v 1,
        /// It got another secret.
        SecretRotated(SecretRotated) = "webhook.secret_rotated" v 1,
        /// The node stopped delivering to it.
        Disabled(EndpointDisabled) = "webhook.disabled" v 1,
        /// What happened in a while is to be delivered (again).
        ReplayRequested(ReplayRequested) = "webhook.replay_requested" v 1,
        /// It is gone.
        Deleted(EndpointDeleted) = "webhook.deleted" v 1,
    }
}

/// In which order deliveries are attempted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ordering {
    /// In any.
    #[default]
    Parallel,
    /// Those about one subject one after the other.
    PerSubject,
}

impl Ordering {
    /// Every one.
    pub const ALL: [Ordering; 2] = [Self::Parallel, Self::PerSubject];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Parallel => "parallel",
            Self::PerSubject => "per_subject",
        }
    }
}

/// A client's own headers. All values are sealed; those that open nothing may be shown as well.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CustomHeaders {
    /// As they may be shown.
    pub shown: BTreeMap<String, String>,
    /// All of them: a JSON object. Nothing when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Sealed>,
}

/// What holds for an endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndpointTerms {
    /// Where to.
    pub url: String,
    /// Which events: names and wildcards.
    pub events: Vec<String>,
    /// Only those that have to do with this agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// What the client says about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether anything is delivered.
    pub enabled: bool,
    /// The client's own headers.
    #[serde(default)]
    pub headers: CustomHeaders,
    /// In which order.
    #[serde(default)]
    pub ordering: Ordering,
    /// The most attempts a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit_per_second: Option<u32>,
}

/// See [`EndpointEvent::Created`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndpointCreated {
    /// What holds.
    pub terms: EndpointTerms,
    /// The signing secret's bytes, sealed.
    pub secret: Sealed,
    /// From where.
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`EndpointEvent::Updated`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndpointUpdated {
    /// What held.
    pub before: EndpointTerms,
    /// What holds.
    pub after: EndpointTerms,
    /// From where.
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// Why the node stopped delivering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisabledFor {
    /// It answered 410: it is not there any more.
    Gone,
    /// Nothing but failure for days.
    Failing,
}

impl DisabledFor {
    /// Every one.
    pub const ALL: [DisabledFor; 2] = [Self::Gone, Self::Failing];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }
}

/// See [`EndpointEvent::Disabled`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EndpointDisabled {
    /// Why.
    pub reason: DisabledFor,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`EndpointEvent::ReplayRequested`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplayRequested {
    /// What happened at this moment or later.
    #[serde(with = "micros")]
    pub since: Time,
    /// And before this one.
    #[serde(with = "micros_option", default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// Of these types: names, no wildcards.
    pub events: Vec<String>,
    /// Only what failed for good, or was cancelled.
    pub only_failed: bool,
    /// Names the request: the same one again is no news.
    pub request: uuid::Uuid,
    /// From where.
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`EndpointEvent::Deleted`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndpointDeleted {
    /// From where.
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}
