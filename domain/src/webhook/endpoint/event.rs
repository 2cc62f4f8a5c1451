//! Events of a webhook endpoint and their payloads.

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
    pub enum EndpointEvent {
        Created(EndpointCreated) = "webhook.created" v 1,
        Updated(EndpointUpdated) = "webhook.updated" v 1,
        SecretRotated(SecretRotated) = "webhook.secret_rotated" v 1,
        /// The node stopped delivering to the endpoint.
        Disabled(EndpointDisabled) = "webhook.disabled" v 1,
        /// The client asked to deliver what happened in a period, again or for the first time.
        ReplayRequested(ReplayRequested) = "webhook.replay_requested" v 1,
        Deleted(EndpointDeleted) = "webhook.deleted" v 1,
    }
}

/// Order in which deliveries to an endpoint are attempted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ordering {
    /// Deliveries go out in any order.
    #[default]
    Parallel,
    /// Deliveries about one subject go out one after the other.
    PerSubject,
}

impl Ordering {
    pub const ALL: [Ordering; 2] = [Self::Parallel, Self::PerSubject];

    /// Name on the wire, for example `per_subject`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Parallel => "parallel",
            Self::PerSubject => "per_subject",
        }
    }
}

/// Headers a client adds to requests. All values are sealed; those that are no credentials may also be shown.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CustomHeaders {
    /// The headers as they may be shown, credentials hidden.
    pub shown: BTreeMap<String, String>,
    /// All headers as a sealed JSON object; `None` when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Sealed>,
}

/// Settings of an endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndpointTerms {
    pub url: String,
    /// Names of public events, and wildcards such as `call.*`.
    pub events: Vec<String>,
    /// `Some`: only events that have to do with this agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether anything is delivered to it.
    pub enabled: bool,
    /// Headers the client adds to every delivery.
    #[serde(default)]
    pub headers: CustomHeaders,
    #[serde(default)]
    pub ordering: Ordering,
    /// Most attempts a second; `None` is unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit_per_second: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndpointCreated {
    pub terms: EndpointTerms,
    /// The signing secret's bytes, sealed.
    pub secret: Sealed,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndpointUpdated {
    pub before: EndpointTerms,
    pub after: EndpointTerms,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

/// Why the node stopped delivering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisabledFor {
    /// The endpoint answered 410, Gone.
    Gone,
    /// All attempts failed for days.
    Failing,
}

impl DisabledFor {
    pub const ALL: [DisabledFor; 2] = [Self::Gone, Self::Failing];

    /// Name on the wire, for example `failing`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EndpointDisabled {
    pub reason: DisabledFor,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplayRequested {
    /// Start of the period, inclusive.
    #[serde(with = "micros")]
    pub since: Time,
    /// End of the period, exclusive; `None` is the time of the request.
    #[serde(with = "micros_option", default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// Types of public events that are meant: names, no wildcards.
    pub events: Vec<String>,
    /// Only deliveries that failed for good or were cancelled.
    pub only_failed: bool,
    /// Id of the request: a repeat with the same one changes nothing.
    pub request: uuid::Uuid,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndpointDeleted {
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}
