//! Sends a leg's events, with the faults that change their fields.

use serde_json::{Map, Value, json};

use super::LegTask;
use crate::fake_telnyx::notice::Notice;

impl LegTask {
    pub(super) async fn tell(&mut self, event_type: &str, parties: bool, extra: Value) {
        let mischief = self.switch.config.mischief;
        let mut payload = self.leg.payload(parties);
        if let Value::Object(extra) = extra {
            payload.extend(extra);
        }
        if self.random.roll(mischief.unknown_field) {
            payload.insert(
                "x_preview".to_owned(),
                json!({ "since": 2027, "list": [1, null, { "deep": "er" }] }),
            );
        }
        let stateless = payload["client_state"].is_null();
        if self.random.roll(mischief.missing_client_state) || stateless && self.random.roll(0.5) {
            payload.remove("client_state");
        } else if self.random.roll(mischief.null_client_state) {
            payload.insert("client_state".to_owned(), Value::Null);
        }
        if self.random.roll(mischief.one_name) {
            // the first webhook always carries the id that commands use
            let by_control_id = event_type == "call.initiated" || self.random.roll(0.5);
            payload.remove(if by_control_id { "call_leg_id" } else { "call_control_id" });
        }
        self.send(event_type, payload).await;
        if self.random.roll(mischief.unknown_event) {
            let payload = if self.random.roll(0.5) { self.leg.payload(true) } else { Map::new() };
            self.send("call.preview.of_tomorrow", payload).await;
        }
    }

    pub(super) async fn send(&mut self, event_type: &str, payload: Map<String, Value>) {
        let step = chrono::TimeDelta::microseconds(1);
        let at = self.last_event.map_or_else(|| self.now(), |last| self.now().max(last + step));
        self.last_event = Some(at);
        let mut notice = Notice::new(self.switch.names.uuid().to_string(), event_type, at, payload);
        notice.leg_id = Some(self.leg.leg_id.clone());
        notice.url = self.leg.lock().webhook_url.clone();
        self.outbox.put(notice).await;
    }
}
