//! What clients receive, and that it matches the catalogue.

use std::sync::Arc;

use adapters_free::*;
use domain::billing::Currency;
use domain::billing::checkout::{CheckoutEvent, CheckoutMismatched, CheckoutRequested, Mismatch};
use domain::call::terms::{CommandKind, EndReason, EndedBy, Fault};
use domain::call::{CallEvent, CommandFailed, Ended, RecordingLost, TransferFailed};
use domain::ids::{CallId, CheckoutId, EndpointId, IvrSessionId, MenuId};
use domain::ivr::session::{
    EndCause, SessionEnded, SessionEvent, SessionStarted, SessionStatus, WebhookAnswered, WebhookOutcome,
};
use domain::ports::vault::Sealed;
use domain::ports::webhooks::PublicEvents;
use domain::testing::ids::sequential;
use domain::webhook::delivery::DeliveryOf;
use domain::webhook::endpoint::{
    DisabledFor, EndpointCreated, EndpointDeleted, EndpointDisabled, EndpointEvent, EndpointTerms,
};
use domain::webhook::public::PUBLIC_TYPES;
use serde_json::{Value, json};

use super::{Publisher, delivery_entries, event_types};

/// A log in memory, as far as the publisher needs one: this crate must not depend on adapters.
mod adapters_free {
    use std::time::Duration;

    use async_trait::async_trait;
    use domain::call::report::LegRef;
    use domain::call::terms::Direction;
    use domain::call::{Answered, CallEvent, Received};
    use domain::envelope::{NewEvent, Position, Recorded, StreamId, Time, Version};
    use domain::ids::{CallId, ClientId};
    use domain::ports::event_store::{
        AppendError, Appended, Direction as Way, EventStore, Expected, ReadError,
    };
    use domain::testing::ids::sequential;
    use domain::wire::DomainEvent;

    #[derive(Debug)]
    pub struct Log(pub Vec<Recorded>);

    #[async_trait]
    impl EventStore for Log {
        async fn append(&self, _: &StreamId, _: Expected, _: Vec<NewEvent>) -> Result<Appended, AppendError> {
            Err(AppendError::Refused("read only"))
        }

        async fn read_stream(
            &self,
            stream: &StreamId,
            from: Version,
            _: Way,
            limit: usize,
        ) -> Result<Vec<Recorded>, ReadError> {
            let wanted = |event: &&Recorded| event.stream == *stream && event.version > from;
            Ok(self.0.iter().filter(wanted).take(limit.min(2)).cloned().collect())
        }

        async fn read_all(&self, _: Position, _: usize) -> Result<Vec<Recorded>, ReadError> {
            Ok(self.0.clone())
        }

        async fn head(&self) -> Result<Position, ReadError> {
            Ok(Position(self.0.len() as u64))
        }

        async fn wait_past(&self, _: Position) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }

        fn engine(&self) -> &'static str {
            "test"
        }
    }

    pub fn at(seconds: i64) -> Time {
        Time::from_timestamp_micros(1_767_225_600_000_000 + seconds * 1_000_000).unwrap()
    }

    pub fn received() -> CallEvent {
        let leg = LegRef { control_id: None, leg_id: "leg".into(), session_id: None, connection_id: None };
        Received {
            foreign: false,
            provider: "telnyx".into(),
            leg,
            direction: Direction::Inbound,
            from: None,
            to: None,
            number_id: None,
            route: None,
            ring_until: at(60),
            at: at(0),
        }
        .into()
    }

    pub fn answered() -> CallEvent {
        Answered { at: at(4), ends_by: at(3_600) }.into()
    }

    /// One stream, from its first event on.
    pub fn history<E: DomainEvent>(stream: &StreamId, events: &[E]) -> Vec<Recorded> {
        let recorded = |(n, event): (u64, &E)| Recorded {
            position: Position(n),
            stream: stream.clone(),
            version: Version(n),
            id: sequential(500 + n),
            event_type: event.event_type().to_owned(),
            schema: event.schema(),
            client_id: ClientId(sequential(9)),
            payload: event.encode().into(),
            metadata: Vec::new().into(),
            recorded_at: at(n as i64),
        };
        (1..).zip(events).map(recorded).collect()
    }

    /// Two calls, whose events alternate.
    pub fn log(events: &[CallEvent]) -> Vec<Recorded> {
        let mut all = Vec::new();
        for (n, event) in events.iter().enumerate() {
            for call in [1, 2] {
                all.push(Recorded {
                    position: Position(all.len() as u64 + 1),
                    stream: CallId(sequential(call)).stream(),
                    version: Version(n as u64 + 1),
                    id: sequential(100 * call + n as u64),
                    event_type: event.event_type().to_owned(),
                    schema: event.schema(),
                    client_id: ClientId(sequential(9)),
                    payload: event.encode().into(),
                    metadata: Vec::new().into(),
                    recorded_at: at(n as i64),
                });
            }
        }
        all
    }
}

fn ended(connected: bool, reason: EndReason, fault: Fault) -> CallEvent {
    let (provider_code, sip_code) = (None, None);
    Ended { reason, ended_by: EndedBy::Caller, fault, connected, provider_code, sip_code, at: at(40) }.into()
}

#[tokio::test]
async fn facts_are_told_with_the_resource_as_it_was_with_them() {
    let log = log(&[received(), answered(), ended(true, EndReason::CallerHangup, Fault::None)]);
    let told = Publisher::new(Arc::new(Log(log.clone()))).of(&log).await.unwrap();
    let names: Vec<_> = told.iter().map(|event| event.event_type.as_str()).collect();
    let expected = ["call.started", "call.answered", "call.ended"];
    assert_eq!(names, expected.iter().flat_map(|name| [*name; 2]).collect::<Vec<_>>());
    let body: Value = serde_json::from_slice(&told[2].body).unwrap();
    assert_eq!(
        (&body["data"]["status"], &body["sequence"], &body["type"]),
        (&"in_progress".into(), &2.into(), &"call.answered".into())
    );
    assert_eq!(body["data"]["ended_at"], Value::Null);
    assert_eq!(body["subject"]["id"], body["data"]["id"]);
    assert!(body["id"].as_str().unwrap().starts_with("evt_"));
}

#[tokio::test]
async fn the_same_facts_give_the_same_bytes_wherever_reading_begins() {
    let log = log(&[received(), answered(), ended(true, EndReason::CallerHangup, Fault::None)]);
    let store = Arc::new(Log(log.clone()));
    let whole = Publisher::new(store.clone()).of(&log).await.unwrap();
    for from in 0..log.len() {
        let again = Publisher::new(store.clone()).of(&log[from..]).await.unwrap();
        assert_eq!(again, whole[whole.len() - again.len()..], "from {from}");
    }
    // also when the same publisher reads it twice
    let publisher = Publisher::new(store);
    publisher.of(&log).await.unwrap();
    assert_eq!(publisher.of(&log).await.unwrap(), whole);
}

#[tokio::test]
async fn a_call_that_never_connected_has_failed() {
    let log = log(&[received(), ended(false, EndReason::NoAnswer, Fault::None)]);
    let told = Publisher::new(Arc::new(Log(log.clone()))).of(&log).await.unwrap();
    assert_eq!(told.last().unwrap().event_type, "call.failed");
}

#[tokio::test]
async fn a_way_through_the_menus_is_told_when_it_is_over() {
    let session = IvrSessionId(sequential(7));
    let (menu, call) = (MenuId(sequential(8)), Some(CallId(sequential(1))));
    let started = SessionStarted { session, menu, call, external_id: None, cause: sequential(6), at: at(0) };
    let ended = SessionEnded {
        status: SessionStatus::Abandoned,
        cause: EndCause::HangUp,
        outcome: None,
        menu: Some(menu),
        farewell: None,
        order: None,
        end_reason: None,
        told_by: None,
        at: at(9),
    };
    let log = history(&session.stream(), &[SessionEvent::from(started), ended.into()]);
    let store = Arc::new(Log(log.clone()));
    let whole = Publisher::new(store.clone()).of(&log).await.unwrap();
    assert_eq!(whole.iter().map(|told| told.event_type.as_str()).collect::<Vec<_>>(), ["ivr.completed"]);
    let body: Value = serde_json::from_slice(&whole[0].body).unwrap();
    assert_eq!(body["subject"], json!({"type": "ivr_session", "id": session.to_string()}));
    assert_eq!((&body["data"]["status"], &body["sequence"]), (&json!("abandoned"), &json!(2)));
    assert_eq!(Publisher::new(store).of(&log[1..]).await.unwrap(), whole, "wherever reading begins");
}

#[tokio::test]
async fn a_payment_that_does_not_fit_its_checkout_is_told() {
    let checkout = CheckoutId(sequential(4));
    let asked = CheckoutRequested { amount: 5_000_000, currency: Currency::USD, at: at(1) };
    let (minor_units, currency) = (Some(4), Some("usd".to_owned()));
    let other = CheckoutMismatched { mismatch: Mismatch::Amount, minor_units, currency, at: at(2) };
    let log = history(&checkout.stream(), &[CheckoutEvent::from(asked), other.into()]);
    let told = Publisher::new(Arc::new(Log(log.clone()))).of(&log).await.unwrap();
    let [told] = &told[..] else { panic!("{told:?}") };
    let body: Value = serde_json::from_slice(&told.body).unwrap();
    assert_eq!(
        (&body["type"], &body["data"]["code"]),
        (&json!("error.occurred"), &json!("payment_mismatched"))
    );
    assert_eq!((&body["data"]["mismatch"], &body["sequence"]), (&json!("amount"), &json!(2)));
    assert_eq!(body["subject"], json!({"type": "checkout", "id": checkout.to_string()}));
    assert_eq!(body["data"]["checkout_id"], body["subject"]["id"]);
}

#[tokio::test]
async fn a_failure_of_a_call_is_told_and_what_was_asked_after_its_end_is_none() {
    let failed = |gone| {
        let (command, code) = (CommandKind::Speak, "90018".to_owned());
        CommandFailed { effect_id: sequential(1), command, code, gone, attempts: 3, at: at(5) }.into()
    };
    let lost = RecordingLost { reason: "storage".to_owned(), at: at(6) }.into();
    let missed = TransferFailed { provider_code: "user_busy".to_owned(), at: at(7) }.into();
    let log = history(
        &CallId(sequential(1)).stream(),
        &[received(), answered(), failed(false), lost, missed, failed(true)],
    );
    let told = Publisher::new(Arc::new(Log(log.clone()))).of(&log).await.unwrap();
    let errors = told.iter().filter(|event| event.event_type == "error.occurred");
    let bodies: Vec<Value> = errors.map(|event| serde_json::from_slice(&event.body).unwrap()).collect();
    let said: Vec<_> = bodies
        .iter()
        .map(|body| (body["data"]["code"].as_str(), body["data"]["provider_code"].as_str()))
        .collect();
    let expected = [
        (Some("carrier_command_failed"), Some("90018")),
        (Some("recording_failed"), Some("storage")),
        (Some("transfer_failed"), Some("user_busy")),
    ];
    assert_eq!(said, expected);
    assert_eq!(bodies[0]["data"]["command"], "speak");
    assert_eq!(bodies[0]["data"]["call_id"], bodies[0]["subject"]["id"]);
}

#[tokio::test]
async fn a_system_that_does_not_answer_a_menu_and_an_endpoint_that_is_disabled_are_told() {
    let session = IvrSessionId(sequential(7));
    let (menu, call) = (MenuId(sequential(8)), Some(CallId(sequential(1))));
    let started = SessionStarted { session, menu, call, external_id: None, cause: sequential(6), at: at(0) };
    let answered = |outcome, status| WebhookAnswered {
        ask: sequential(5),
        turn: 1,
        outcome,
        status,
        action: None,
        elapsed_ms: 9,
        at: at(2),
    };
    let facts: Vec<SessionEvent> = vec![
        started.into(),
        answered(WebhookOutcome::Answered, Some(200)).into(),
        answered(WebhookOutcome::Failed, Some(503)).into(),
        answered(WebhookOutcome::TimedOut, None).into(),
    ];
    let log = history(&session.stream(), &facts);
    let told = Publisher::new(Arc::new(Log(log.clone()))).of(&log).await.unwrap();
    let said: Vec<_> =
        told.iter().map(|event| serde_json::from_slice::<Value>(&event.body).unwrap()).collect();
    let said: Vec<_> =
        said.iter().map(|body| (&body["data"]["code"], &body["data"]["status_code"])).collect();
    let expected =
        [(json!("menu_webhook_failed"), json!(503)), (json!("menu_webhook_timed_out"), Value::Null)];
    assert_eq!(said, expected.iter().map(|(code, status)| (code, status)).collect::<Vec<_>>());

    let created = endpoint_created();
    let disabled = EndpointDisabled { reason: DisabledFor::Failing, at: at(3) };
    let endpoint = EndpointId(sequential(3));
    let log = history(&endpoint.stream(), &[EndpointEvent::from(created), disabled.into()]);
    let told = Publisher::new(Arc::new(Log(log.clone()))).of(&log).await.unwrap();
    let body: Value = serde_json::from_slice(&told[0].body).unwrap();
    let data = &body["data"];
    assert_eq!((&data["code"], &data["reason"]), (&json!("webhook_disabled"), &json!("failing")));
    assert_eq!(data["webhook_id"], endpoint.to_string());
}

fn endpoint_created() -> EndpointCreated {
    let terms = EndpointTerms {
        url: "https://example.com".into(),
        events: vec!["*".into()],
        agent_id: None,
        description: None,
        enabled: true,
        headers: Default::default(),
        ordering: Default::default(),
        rate_limit_per_second: None,
    };
    let secret = Sealed { key: sequential(2), bytes: vec![1].into() };
    EndpointCreated { terms, secret, origin: Default::default(), at: at(1) }
}

#[test]
fn a_delivery_of_its_own_endpoints_end_begins_with_it() {
    let created = endpoint_created();
    let disabled = EndpointDisabled { reason: DisabledFor::Failing, at: at(2) };
    let deleted = EndpointDeleted { origin: Default::default(), at: at(3) };
    let endpoint = EndpointId(sequential(3));
    let log = history(&endpoint.stream(), &[EndpointEvent::from(created), disabled.into(), deleted.into()]);
    let of = DeliveryOf {
        endpoint,
        event: log[1].id,
        event_type: "error.occurred".into(),
        source: log[1].position,
        subject: endpoint.0,
    };
    // it was scheduled while the endpoint still was enabled, and never attempted
    let entries = delivery_entries(&of, Some(&log[1]), &log, &[]).unwrap();
    let names: Vec<_> = entries.iter().map(|entry| (entry.happened.name(), entry.status.as_str())).collect();
    let expected = [("delivery.scheduled", "pending"), ("delivery.endpoint_deleted", "cancelled")];
    assert_eq!(names, expected);
}

/// As much of JSON Schema as the catalogue uses.
fn fits(schema: &Value, value: &Value, root: &Value, at: &str) {
    if let Some(name) = schema["$ref"].as_str().and_then(|text| text.strip_prefix("#/$defs/")) {
        let definition = &root["$defs"][name];
        assert!(definition.is_object(), "{at}: no definition of {name}");
        return fits(definition, value, root, at);
    }
    if let Some(wanted) = schema.get("const") {
        assert_eq!(value, wanted, "{at}");
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let null = choices.iter().any(|choice| choice["type"] == "null");
        assert!(!value.is_null() || null, "{at}");
        return;
    }
    let types: Vec<_> = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        Value::String(one) => vec![one],
        _ => return,
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let numeric = kind == "integer" && types.contains(&"number");
    assert!(types.contains(&kind) || numeric, "{at}: {value} is none of {types:?}");
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(value), "{at}: {value}");
    }
    let Value::Object(fields) = value else { return };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        assert!(fields.contains_key(name), "{at}.{name} is missing");
    }
    if let Some(properties) = schema["properties"].as_object() {
        for (name, value) in fields {
            let known = properties.get(name).unwrap_or_else(|| panic!("{at}.{name} is not in the schema"));
            fits(known, value, root, &format!("{at}.{name}"));
        }
    }
}

#[test]
fn every_example_fits_its_schema_and_every_event_has_both() {
    let types = event_types();
    assert_eq!(types.len(), PUBLIC_TYPES.len());
    for kind in types {
        assert!(kind.schema["properties"]["data"].is_object(), "{}", kind.name);
        assert_eq!(kind.example["type"], kind.name);
        fits(&kind.schema, &kind.example, &kind.schema, kind.name);
        if kind.available {
            let data = &kind.example["data"];
            assert!(data["id"].is_string() || data["message_id"].is_string(), "{}", kind.name);
            let text = kind.schema.to_string();
            assert!(!text.contains("#/components"), "{}", kind.name);
        }
    }
}
