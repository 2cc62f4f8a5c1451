//! Stripe's events, as far as they concern purchases of credit.

use domain::billing::checkout::SessionReport;
use serde::Deserialize;
use serde_json::Value;

/// Longest id of Stripe's that is taken, in bytes.
const MAX_ID: usize = 255;

/// An event of a webhook.
#[derive(Debug, Clone, PartialEq)]
pub struct StripeEvent {
    /// Stripe's id of it.
    pub id: String,
    /// Stripe's name of its type, cut to 100 characters.
    pub event_type: String,
    /// When it happened, in Unix seconds by Stripe's clock.
    pub created: i64,
    /// Whether it is of real money.
    pub live: bool,
    pub fact: StripeFact,
}

/// What an event means here.
#[derive(Debug, Clone, PartialEq)]
pub enum StripeFact {
    /// A session was completed, and paid.
    Paid {
        checkout: Option<String>,
        client: Option<String>,
        report: SessionReport,
    },
    /// A session was completed, and its payment takes time.
    Pending,
    /// The payment of a session failed.
    PaymentFailed {
        checkout: Option<String>,
    },
    /// Nobody paid in time.
    Expired {
        checkout: Option<String>,
    },
    /// So much of a payment was refunded in all, in the smallest units of the currency.
    Refunded {
        payment: String,
        minor_units: i64,
        currency: Option<String>,
    },
    Disputed {
        payment: String,
        dispute: String,
        minor_units: i64,
        currency: Option<String>,
    },
    DisputeClosed {
        payment: String,
        dispute: String,
        minor_units: i64,
        currency: Option<String>,
        won: bool,
    },
    /// It means nothing here.
    Unused,
}

/// The body is not an event: the reason, without any content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadEvent {
    #[error("the body is not JSON: line {line}, column {column}")]
    NotJson { line: usize, column: usize },
    #[error("the body is not an event of the API v1")]
    NotAnEvent,
    /// An event of a known type without a field that it must have.
    #[error("the event has no {0}")]
    Missing(&'static str),
}

#[derive(Deserialize)]
struct Raw {
    id: String,
    object: String,
    #[serde(rename = "type")]
    event_type: String,
    #[serde(default)]
    created: i64,
    #[serde(default)]
    livemode: bool,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    object: Value,
}

/// Reads an event. Types and values that are not known are no error.
pub fn parse(body: &[u8]) -> Result<StripeEvent, BadEvent> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| BadEvent::NotJson { line: error.line(), column: error.column() })?;
    let raw: Raw = serde_json::from_value(value).map_err(|_| BadEvent::NotAnEvent)?;
    if raw.object != "event" || raw.id.is_empty() || raw.id.len() > MAX_ID {
        return Err(BadEvent::NotAnEvent);
    }
    let object = raw.data.map(|data| data.object).unwrap_or_default();
    let fact = match raw.event_type.as_str() {
        "checkout.session.completed" | "checkout.session.async_payment_succeeded" => {
            paid(&object, raw.livemode)?
        }
        "checkout.session.async_payment_failed" => StripeFact::PaymentFailed { checkout: checkout(&object) },
        "checkout.session.expired" => StripeFact::Expired { checkout: checkout(&object) },
        "charge.refunded" => {
            let minor_units =
                object["amount_refunded"].as_i64().ok_or(BadEvent::Missing("amount_refunded"))?;
            match id_of(&object["payment_intent"]) {
                Some(payment) => StripeFact::Refunded { payment, minor_units, currency: currency(&object) },
                None => StripeFact::Unused,
            }
        }
        "charge.dispute.created"
        | "charge.dispute.updated"
        | "charge.dispute.funds_withdrawn"
        | "charge.dispute.closed" => dispute(&object, &raw.event_type)?,
        _ => StripeFact::Unused,
    };
    let event_type = raw.event_type.chars().take(100).collect();
    Ok(StripeEvent { id: raw.id, event_type, created: raw.created, live: raw.livemode, fact })
}

fn paid(object: &Value, live: bool) -> Result<StripeFact, BadEvent> {
    match object["payment_status"].as_str().ok_or(BadEvent::Missing("payment_status"))? {
        "paid" => {}
        // nothing was paid, or not yet
        _ => return Ok(StripeFact::Pending),
    }
    let session = id_of(&object["id"]).ok_or(BadEvent::Missing("id"))?;
    let report = SessionReport {
        session,
        other_client: false,
        payment: id_of(&object["payment_intent"]),
        minor_units: object["amount_total"].as_i64(),
        currency: currency(object),
        live,
    };
    Ok(StripeFact::Paid { checkout: checkout(object), client: text(&object["client_reference_id"]), report })
}

fn dispute(object: &Value, event_type: &str) -> Result<StripeFact, BadEvent> {
    let Some(payment) = id_of(&object["payment_intent"]) else { return Ok(StripeFact::Unused) };
    let dispute = id_of(&object["id"]).ok_or(BadEvent::Missing("id"))?;
    let minor_units = object["amount"].as_i64().ok_or(BadEvent::Missing("amount"))?;
    let currency = currency(object);
    Ok(match event_type {
        // the bank asks, and has taken nothing
        _ if matches!(object["status"].as_str(), Some("warning_needs_response" | "warning_under_review")) => {
            StripeFact::Unused
        }
        // an inquiry that was closed took nothing
        "charge.dispute.closed" => {
            let won = matches!(object["status"].as_str(), Some("won" | "warning_closed" | "prevented"));
            StripeFact::DisputeClosed { payment, dispute, minor_units, currency, won }
        }
        _ => StripeFact::Disputed { payment, dispute, minor_units, currency },
    })
}

/// Our own id of the purchase, from the session's metadata.
fn checkout(object: &Value) -> Option<String> {
    text(&object["metadata"]["checkout_id"])
}

/// The name of a currency, cut to 8 characters.
fn currency(object: &Value) -> Option<String> {
    object["currency"].as_str().map(|text| text.chars().take(8).collect())
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty() && text.len() <= MAX_ID).map(str::to_owned)
}

/// An id, or that of an object in its place.
fn id_of(value: &Value) -> Option<String> {
    text(value).or_else(|| text(&value["id"]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(event_type: &str, object: Value) -> Vec<u8> {
        let event = json!({
            "id": "evt_1", "object": "event", "api_version": "2026-07-29.dahlia", "created": 1_780_000_000,
            "livemode": false, "pending_webhooks": 1, "type": event_type, "data": {"object": object},
        });
        event.to_string().into_bytes()
    }

    fn session(status: &str) -> Value {
        json!({
            "id": "cs_test_1", "object": "checkout.session", "mode": "payment", "status": "complete",
            "payment_status": status, "amount_total": 5000, "currency": "eur", "client_reference_id": "cli_1",
            "metadata": {"checkout_id": "chk_1"}, "payment_intent": "pi_1",
        })
    }

    fn fact(event_type: &str, object: Value) -> Result<StripeFact, BadEvent> {
        parse(&event(event_type, object)).map(|event| event.fact)
    }

    #[test]
    fn a_completed_session_is_paid_only_when_it_says_so() {
        let report = SessionReport {
            session: "cs_test_1".to_owned(),
            other_client: false,
            payment: Some("pi_1".to_owned()),
            minor_units: Some(5_000),
            currency: Some("eur".to_owned()),
            live: false,
        };
        let (checkout, client) = (Some("chk_1".to_owned()), Some("cli_1".to_owned()));
        let paid = StripeFact::Paid { checkout, client, report };
        for event_type in ["checkout.session.completed", "checkout.session.async_payment_succeeded"] {
            assert_eq!(fact(event_type, session("paid")), Ok(paid.clone()));
            assert_eq!(fact(event_type, session("unpaid")), Ok(StripeFact::Pending));
        }
        let mut expanded = session("paid");
        expanded["payment_intent"] = json!({"id": "pi_1", "object": "payment_intent"});
        assert_eq!(fact("checkout.session.completed", expanded), Ok(paid));
        let failed = StripeFact::PaymentFailed { checkout: Some("chk_1".to_owned()) };
        assert_eq!(fact("checkout.session.async_payment_failed", session("unpaid")), Ok(failed));
    }

    #[test]
    fn refunds_and_disputes_name_their_payment() {
        let (payment, dispute) = ("pi_1".to_owned(), "dp_1".to_owned());
        let charge = json!({"id": "ch_1", "amount": 5000, "amount_refunded": 700, "currency": "eur",
            "payment_intent": "pi_1"});
        let euros = Some("eur".to_owned());
        let refunded =
            StripeFact::Refunded { payment: payment.clone(), minor_units: 700, currency: euros.clone() };
        assert_eq!(fact("charge.refunded", charge), Ok(refunded));
        let claim = |status: &str| json!({"id": "dp_1", "amount": 5000, "currency": "eur", "status": status, "payment_intent": "pi_1"});
        let disputed = StripeFact::Disputed {
            payment: payment.clone(),
            dispute: dispute.clone(),
            minor_units: 5_000,
            currency: euros.clone(),
        };
        assert_eq!(fact("charge.dispute.created", claim("needs_response")), Ok(disputed));
        for (status, won) in [("won", true), ("lost", false), ("warning_closed", true)] {
            let (payment, dispute, currency) = (payment.clone(), dispute.clone(), euros.clone());
            let closed = StripeFact::DisputeClosed { payment, dispute, minor_units: 5_000, currency, won };
            assert_eq!(fact("charge.dispute.closed", claim(status)), Ok(closed));
        }
        assert_eq!(fact("charge.refunded", json!({"amount_refunded": 1})), Ok(StripeFact::Unused));
        let inquiry = claim("warning_needs_response");
        assert_eq!(fact("charge.dispute.created", inquiry), Ok(StripeFact::Unused));
    }

    #[test]
    fn what_is_no_event_is_refused_and_what_is_unknown_is_not_used() {
        assert_eq!(fact("invoice.paid", json!({})), Ok(StripeFact::Unused));
        for bad in [&b""[..], b"{", b"[1]"] {
            assert!(parse(bad).is_err());
        }
        let thin = json!({"id": "evt_1", "object": "v2.core.event", "type": "x", "data": {"object": {}}});
        assert_eq!(parse(thin.to_string().as_bytes()), Err(BadEvent::NotAnEvent));
        assert_eq!(fact("charge.refunded", json!({})), Err(BadEvent::Missing("amount_refunded")));
        assert_eq!(fact("checkout.session.completed", json!({})), Err(BadEvent::Missing("payment_status")));
    }
}
