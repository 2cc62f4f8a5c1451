//! Telnyx webhooks as the carrier sends them, signed with a key of the tests'.

use std::time::{SystemTime, UNIX_EPOCH};

use adapters::telephony::telnyx::{SIGNATURE_HEADER, Signer, TIMESTAMP_HEADER};
use serde_json::{Value, json};
use uuid::Uuid;

/// The seed the tests sign with.
pub const SEED: [u8; 32] = *b"voxledger-tests-sign-with-this-1";

/// The number the tests own.
pub const OUR_NUMBER: &str = "+12025550188";

/// The public key nodes under test are given.
#[must_use]
pub fn public_key() -> String {
    Signer::from_seed(&SEED).public_key_base64()
}

/// Now, in Unix seconds.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the carrier has a clock of its own")]
pub fn unix_now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

/// The headers of a signed webhook, sent at `timestamp`.
#[must_use]
pub fn signed(body: &[u8], timestamp: i64) -> [(&'static str, String); 2] {
    let timestamp = timestamp.to_string();
    let signature = Signer::from_seed(&SEED).sign(&timestamp, body);
    [(SIGNATURE_HEADER, signature), (TIMESTAMP_HEADER, timestamp)]
}

/// The bytes of a signed request, as a load generator sends them.
#[must_use]
pub fn request(signer: &Signer, timestamp: &str, body: &[u8]) -> Vec<u8> {
    let signature = signer.sign(timestamp, body);
    let headers = [(SIGNATURE_HEADER, signature.as_str()), (TIMESTAMP_HEADER, timestamp)];
    crate::load::post("/api/v1/webhooks/telnyx", &headers, body)
}

/// A signer with the tests' key.
#[must_use]
pub fn signer() -> Signer {
    Signer::from_seed(&SEED)
}

/// The present, as webhooks write it.
#[must_use]
pub fn rfc3339(unix_seconds: i64) -> String {
    let time = chrono::DateTime::from_timestamp(unix_seconds, 0).unwrap_or_default();
    time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

/// A leg at the carrier. The same number always gives the same leg.
#[derive(Debug, Clone)]
pub struct Leg {
    number: u64,
    events: u64,
    pub from: String,
    pub to: String,
}

impl Leg {
    /// Leg `number`, calling [`OUR_NUMBER`].
    #[must_use]
    pub fn inbound(number: u64) -> Self {
        let from = format!("+1202555{:04}", 100 + number % 100);
        Self { number, events: 0, from, to: OUR_NUMBER.to_owned() }
    }

    /// The carrier's id of the leg.
    #[must_use]
    pub fn leg_id(&self) -> String {
        Uuid::from_u128(0x0c9f_1c52_f1f6_41f0_9a11_0000_0000_0000 + u128::from(self.number)).to_string()
    }

    /// What commands name the leg by.
    #[must_use]
    pub fn control_id(&self) -> String {
        format!("v3:test-leg-{}", self.number)
    }

    /// The next webhook of this leg, `at` in RFC 3339.
    pub fn event(&mut self, event_type: &str, at: &str, more: Value) -> Value {
        self.events += 1;
        let id = Uuid::from_u128(
            (u128::from(self.number) << 64) | 0x4000_8000_0000_0000_0000 | u128::from(self.events),
        );
        let mut payload = json!({
            "call_control_id": self.control_id(),
            "call_leg_id": self.leg_id(),
            "call_session_id": self.leg_id(),
            "connection_id": "1900000000000000001",
            "client_state": null,
            "from": self.from,
            "to": self.to,
        });
        if let (Some(payload), Value::Object(more)) = (payload.as_object_mut(), more) {
            payload.extend(more);
        }
        json!({
            "data": {
                "record_type": "event",
                "event_type": event_type,
                "id": id.to_string(),
                "occurred_at": at,
                "payload": payload,
            },
            "meta": { "attempt": 1, "delivered_to": "https://voice.example.test/hooks/telnyx" },
        })
    }

    pub fn initiated(&mut self, at: &str) -> Value {
        self.event("call.initiated", at, json!({"direction": "incoming", "state": "parked"}))
    }

    pub fn answered(&mut self, at: &str) -> Value {
        self.event("call.answered", at, json!({"state": "answered"}))
    }

    /// `call.hangup` by the caller.
    pub fn hangup(&mut self, at: &str) -> Value {
        let more = json!({
            "state": "hangup", "hangup_cause": "normal_clearing", "hangup_source": "caller",
            "sip_hangup_cause": "200", "start_time": at, "end_time": at,
        });
        self.event("call.hangup", at, more)
    }
}

/// A webhook about a leg that the fake carrier made, with `more` in its payload.
#[must_use]
pub fn about(control_id: &str, leg_id: &str, event_type: &str, more: Value) -> Value {
    let mut payload = json!({"call_control_id": control_id, "call_leg_id": leg_id, "client_state": null});
    if let (Some(payload), Value::Object(more)) = (payload.as_object_mut(), more) {
        payload.extend(more);
    }
    let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{leg_id} {event_type} {payload}").as_bytes());
    json!({"data": {
        "record_type": "event",
        "event_type": event_type,
        "id": id,
        "occurred_at": rfc3339(unix_now()),
        "payload": payload,
    }})
}
