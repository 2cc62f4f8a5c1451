//! Deliveries and attempts, as the API shows them.

use std::collections::BTreeMap;

use domain::envelope::Time;
use domain::ids::{DeliveryId, EndpointId, encode_type_id};
use domain::ports::deliveries::RecordedAttempt;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// An attempt to deliver. Every field is always present; what is not known is `null`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = WebhookAttempt)]
pub struct AttemptView {
    /// Id of the attempt: TypeID `att_…`.
    pub id: String,
    /// Endpoint that the attempt was sent to: TypeID `whe_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub webhook_id: EndpointId,
    /// Delivery that the attempt belongs to: TypeID `whd_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub delivery_id: DeliveryId,
    /// Type of the delivered event.
    #[schema(value_type = crate::words::DeliveredEventType)]
    pub event: String,
    /// Number of the attempt in its delivery, from 1.
    #[schema(minimum = 1)]
    pub attempt_number: u32,
    /// HTTP status of the answer; `null` without one.
    #[schema(required, minimum = 100, maximum = 599)]
    pub status_code: Option<u16>,
    /// The first 4 KiB of the answer's body.
    #[schema(required)]
    pub response_body: Option<String>,
    /// Headers of the answer that help to find errors.
    pub response_headers: BTreeMap<String, String>,
    /// What went wrong: `dns`, `connect`, `tls`, `timeout`, `status`, `blocked`, `protocol` or `secret`
    /// (it cannot be decrypted).
    #[schema(value_type = Option<crate::words::WebhookError>, required)]
    pub error: Option<String>,
    /// Description of what went wrong, for people.
    #[schema(required)]
    pub error_detail: Option<String>,
    /// Milliseconds until the head of the answer arrived, or until the attempt failed.
    pub latency_ms: u64,
    /// When the endpoint accepted the event; `null` when it did not.
    #[serde(with = "crate::edge::rfc3339_option")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub delivered_at: Option<Time>,
    /// When the attempt began.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
}

impl AttemptView {
    /// The view of a recorded attempt.
    #[must_use]
    pub fn of(recorded: &RecordedAttempt) -> Self {
        let (fact, attempt) = (&recorded.fact, &recorded.fact.attempt);
        let body = attempt.body.as_ref();
        Self {
            id: encode_type_id("att", recorded.id),
            webhook_id: fact.of.endpoint,
            delivery_id: recorded.delivery,
            event: fact.of.event_type.clone(),
            attempt_number: fact.number,
            status_code: attempt.status,
            response_body: body
                .and_then(|body| body.shown(|body| String::from_utf8_lossy(body).into_owned())),
            response_headers: attempt.headers.clone(),
            error: attempt.error.map(|error| error.as_str().to_owned()),
            error_detail: attempt.detail.clone(),
            latency_ms: attempt.latency_ms,
            delivered_at: attempt.succeeded().then_some(fact.at),
            created_at: attempt.began_at,
        }
    }
}

/// A delivery of an event to an endpoint. Every field is always present; what is not known is `null`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
pub struct DeliveryView {
    /// Id of the delivery: TypeID `whd_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub id: DeliveryId,
    /// Endpoint that the event is delivered to: TypeID `whe_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub endpoint_id: EndpointId,
    /// Type of the delivered event.
    #[schema(value_type = crate::words::DeliveredEventType)]
    pub event: String,
    /// Id of the event, `evt_…`: the `webhook-id` of every attempt.
    pub event_id: String,
    /// Status of the delivery: `pending`, `succeeded`, `failed` or `cancelled`.
    #[schema(value_type = crate::words::WebhookDeliveryStatus)]
    pub status: String,
    /// Number of attempts so far.
    pub attempt_count: u64,
    /// Earliest time of the next attempt; `null` when the delivery is over, or waits for an earlier one
    /// about the same subject.
    #[serde(with = "crate::edge::rfc3339_option")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub next_attempt_at: Option<Time>,
    /// When the event happened.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// Number of events in the delivery's own stream.
    pub version: u64,
    /// Attempts of the delivery, the first one first.
    #[schema(value_type = Vec<AttemptView>)]
    pub attempts: Vec<Box<RawValue>>,
    /// Body that is sent to the endpoint.
    #[schema(value_type = Option<Object>, required)]
    pub payload: Option<Box<RawValue>>,
}
