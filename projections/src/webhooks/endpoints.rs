//! The view of webhook endpoints.

use std::borrow::Cow;
use std::collections::BTreeMap;

use domain::aggregate::Aggregate;
use domain::envelope::{Recorded, Time, Version};
use domain::ids::{AgentId, EndpointId};
use domain::webhook::delivery::{Cause, Delivery, DeliveryEvent, ErrorClass};
use domain::webhook::endpoint::{DisabledFor, Endpoint, EndpointEvent, EndpointTerms, Ordering};
use domain::wire::{DecodeError, DomainEvent};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::document::{Document, Resource};
use crate::numbers::knows;
use crate::rollup::{Contribution, Counted, Counts};
use crate::view::{At, View};

/// A webhook endpoint. Every field is always present; what is not known is `null`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = WebhookEndpoint)]
pub struct EndpointView {
    /// Id of the endpoint: TypeID `whe_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String, example = "whe_01jd0xq8v4e5vsknk084sn02q7")]
    pub id: EndpointId,
    /// Address that events are sent to.
    #[schema(example = "https://example.com/hooks", format = "uri")]
    pub url: String,
    /// Event types to deliver: names, and wildcards such as `call.*`.
    #[schema(value_type = Vec<crate::words::WebhookEventFilter>, example = json!(["call.*"]))]
    pub events: Vec<String>,
    /// Only deliver events about this agent: TypeID `agt_…`; `null`: about all.
    #[serde(with = "crate::edge::type_id_option")]
    #[schema(value_type = Option<String>, required)]
    pub agent_id: Option<AgentId>,
    /// Description of the endpoint, in your own words.
    #[schema(required)]
    pub description: Option<String>,
    /// Whether events are delivered to the endpoint.
    pub enabled: bool,
    /// Why the node disabled the endpoint: `gone` (it answered 410) or `failing` (every attempt failed for days).
    #[schema(value_type = Option<crate::words::WebhookDisabledReason>, required)]
    pub disabled_reason: Option<DisabledFor>,
    /// Your own headers. Values that look like credentials are shown as `***`.
    pub headers: BTreeMap<String, String>,
    /// Order of deliveries: `parallel`, or `per_subject` (events about one subject one after the other).
    #[schema(value_type = crate::words::WebhookOrdering)]
    pub ordering: Ordering,
    /// Most attempts a second; `null`: no limit of its own.
    #[schema(required)]
    pub rate_limit_per_second: Option<u32>,
    /// When the endpoint was created.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When the endpoint was last changed.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
    /// Version of the endpoint's stream, which is also its `ETag`.
    #[schema(minimum = 1)]
    pub version: u64,
}

impl EndpointView {
    fn take(&mut self, terms: &EndpointTerms) {
        self.url.clone_from(&terms.url);
        self.events.clone_from(&terms.events);
        self.agent_id = terms.agent_id;
        self.description.clone_from(&terms.description);
        if terms.enabled {
            self.disabled_reason = None;
        }
        self.enabled = terms.enabled;
        self.headers.clone_from(&terms.headers.shown);
        self.ordering = terms.ordering;
        self.rate_limit_per_second = terms.rate_limit_per_second;
    }
}

pub type EndpointRow = Document<EndpointView>;

impl Resource for EndpointView {
    const TABLE: &'static str = "webhook_endpoints";

    fn id(&self) -> Uuid {
        self.id.0
    }

    fn created_at(&self) -> Time {
        self.created_at
    }

    fn version(&self) -> Version {
        Version(self.version)
    }
}

/// What an event means to an endpoint.
#[derive(Debug)]
pub enum EndpointFact {
    /// A change of the endpoint.
    Own(Box<EndpointEvent>),
    /// An attempt was sent to the endpoint. It is only counted.
    Attempted(Attempted),
}

/// The result of an attempt.
#[derive(Debug)]
pub struct Attempted {
    endpoint: Uuid,
    error: Option<ErrorClass>,
    latency_ms: u64,
    at: Time,
}

/// The view of webhook endpoints: one row an endpoint.
#[derive(Debug)]
pub struct Endpoints;

impl View for Endpoints {
    const NAME: &'static str = "webhook_endpoints";
    const FOLDS: bool = true;
    const PERSONAL: Option<&'static [&'static str]> = Some(&[]);
    type Row = EndpointRow;
    type Fact = EndpointFact;

    fn read(event: &Recorded) -> Result<Option<(Uuid, EndpointFact)>, DecodeError> {
        match event.stream.category() {
            Endpoint::CATEGORY if knows::<EndpointEvent>(&event.event_type) => {
                let fact = EndpointEvent::decode(&event.event_type, event.schema, &event.payload)?;
                Ok(Some((event.stream.id(), EndpointFact::Own(Box::new(fact)))))
            }
            Delivery::CATEGORY if event.event_type == "delivery.attempted" => {
                match DeliveryEvent::decode(&event.event_type, event.schema, &event.payload)? {
                    DeliveryEvent::Attempted(fact) if fact.cause != Cause::Test => {
                        let attempt = fact.attempt;
                        let made = Attempted {
                            endpoint: fact.of.endpoint.0,
                            error: attempt.error,
                            latency_ms: attempt.latency_ms,
                            at: attempt.began_at,
                        };
                        Ok(Some((fact.of.endpoint.0, EndpointFact::Attempted(made))))
                    }
                    _ => Ok(None),
                }
            }
            _ => Ok(None),
        }
    }

    const COUNTED: Option<Counted> = Some(Counted::Webhooks);

    fn counts(at: &At, fact: &EndpointFact) -> Option<Contribution> {
        let EndpointFact::Attempted(attempt) = fact else { return None };
        let mut counts = Counts::default();
        counts.one("attempts");
        counts.one(match attempt.error {
            None => Cow::Borrowed("succeeded"),
            Some(error) => Cow::Owned(format!("failed:{}", error.as_str())),
        });
        counts.value("latency_ms", attempt.latency_ms);
        Some(Contribution { client: at.client, at: attempt.at, subject: Some(attempt.endpoint), counts })
    }

    fn touches(fact: &EndpointFact) -> bool {
        matches!(fact, EndpointFact::Own(_))
    }

    fn apply(row: &mut Option<EndpointRow>, at: &At, fact: EndpointFact) {
        let EndpointFact::Own(event) = fact else { return };
        match (row.as_mut(), *event) {
            (None, EndpointEvent::Created(created)) => {
                let mut view = EndpointView {
                    id: EndpointId(at.id),
                    url: String::new(),
                    events: Vec::new(),
                    agent_id: None,
                    description: None,
                    enabled: false,
                    disabled_reason: None,
                    headers: BTreeMap::new(),
                    ordering: Ordering::default(),
                    rate_limit_per_second: None,
                    created_at: created.at,
                    updated_at: created.at,
                    version: 0,
                };
                view.take(&created.terms);
                *row = Some(EndpointRow { client: at.client, position: at.position, removed: false, view });
            }
            (Some(row), EndpointEvent::Updated(updated)) => {
                row.view.take(&updated.after);
                row.view.updated_at = updated.at;
            }
            (Some(row), EndpointEvent::SecretRotated(rotated)) => row.view.updated_at = rotated.at,
            (Some(row), EndpointEvent::Disabled(disabled)) => {
                row.view.enabled = false;
                row.view.disabled_reason = Some(disabled.reason);
                row.view.updated_at = disabled.at;
            }
            (Some(row), EndpointEvent::Deleted(deleted)) => {
                row.removed = true;
                row.view.headers.clear();
                row.view.updated_at = deleted.at;
            }
            (Some(_), EndpointEvent::Created(_) | EndpointEvent::ReplayRequested(_)) | (None, _) => {}
        }
        if let Some(row) = row {
            row.position = at.position;
            row.view.version = at.version.0;
        }
    }
}
