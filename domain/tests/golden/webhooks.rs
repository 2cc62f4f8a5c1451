//! Specimens of webhooks to clients; see `samples`.

use domain::envelope::Position;
use domain::ids::{AgentId, EndpointId};
use domain::webhook::delivery::{
    Attempt, Cause, DeliveryAttempted, DeliveryCancelled, DeliveryEvent, DeliveryOf, ErrorClass,
    RedeliveryRequested, Then,
};
use domain::webhook::endpoint::{
    CustomHeaders, DisabledFor, EndpointCreated, EndpointDeleted, EndpointDisabled, EndpointEvent,
    EndpointTerms, EndpointUpdated, Ordering, ReplayRequested,
};
use domain::webhook::secrets::SecretRotated;
use serde_bytes::ByteBuf;

use super::samples::{at, id, origin, sealed};

pub fn endpoint() -> Vec<EndpointEvent> {
    let terms = |enabled| EndpointTerms {
        url: "https://hooks.example.com/voxledger?x=1".to_owned(),
        events: vec!["call.*".to_owned(), "credits.low".to_owned()],
        agent_id: Some(AgentId(id(2))),
        description: Some("back office".to_owned()),
        enabled,
        headers: CustomHeaders {
            shown: [("x-tenant".to_owned(), "7".to_owned())].into(),
            sealed: Some(sealed()),
        },
        ordering: Ordering::PerSubject,
        rate_limit_per_second: Some(20),
    };
    vec![
        EndpointCreated { terms: terms(true), secret: sealed(), origin: origin(), at: at(0) }.into(),
        EndpointUpdated { before: terms(true), after: terms(false), origin: origin(), at: at(1) }.into(),
        SecretRotated { secret: sealed(), old_valid_until: at(9), origin: origin(), at: at(2) }.into(),
        EndpointDisabled { reason: DisabledFor::Gone, at: at(3) }.into(),
        ReplayRequested {
            since: at(0),
            until: Some(at(4)),
            events: vec!["call.ended".to_owned()],
            only_failed: true,
            request: id(31),
            origin: origin(),
            at: at(5),
        }
        .into(),
        EndpointDeleted { origin: origin(), at: at(6) }.into(),
    ]
}

pub fn delivery() -> Vec<DeliveryEvent> {
    vec![
        DeliveryAttempted {
            of: DeliveryOf {
                endpoint: EndpointId(id(32)),
                event: id(33),
                event_type: "call.ended".to_owned(),
                source: Position(4711),
                subject: id(34),
            },
            number: 11,
            round: 2,
            cause: Cause::Test,
            attempt: Attempt {
                began_at: at(0),
                latency_ms: 1_234,
                status: Some(503),
                error: Some(ErrorClass::Status),
                detail: Some("the answer is 503".to_owned()),
                address: Some("203.0.113.7:443".to_owned()),
                headers: [("retry-after".to_owned(), "120".to_owned())].into(),
                body: Some(ByteBuf::from(b"come back later".to_vec()).into()),
            },
            then: Then::Again { due: at(120_000_000) },
            sent: Some(ByteBuf::from(b"{}".to_vec()).into()),
            at: at(1_234_000),
        }
        .into(),
        RedeliveryRequested { origin: origin(), at: at(1) }.into(),
        DeliveryCancelled { origin: origin(), at: at(2) }.into(),
    ]
}
