//! The end of a leg: the last webhooks, and the outcome that the server should report.

use std::time::Duration;

use domain::call::terms::Direction;
use domain::envelope::Time;
use serde_json::{Value, json};

use super::{LegTask, Side};
use crate::fake_telnyx::detail_records::ChargedLeg;
use crate::fake_telnyx::ending::Ending;
use crate::fake_telnyx::ledger::CallRecord;
use crate::fake_telnyx::leg::{Input, Phase};
use crate::fake_telnyx::notice::timestamp;
use crate::fake_telnyx::speech::Piece;

/// How long a recording takes to be ready.
const RECORDING_READY: Duration = Duration::from_secs(2);

impl LegTask {
    pub(super) async fn wind_up(mut self) {
        let Some(ending) = self.over else { return };
        let answered = self.answered();
        let ended_at = self.now();
        {
            let mut state = self.leg.lock();
            state.phase = Phase::Over;
            state.ended_at = Some(ended_at);
        }
        if let (Some(partner), false) = (&self.partner, ending == Ending::Partner) {
            let park = matches!(&self.side, Side::Callee { placing, .. } if placing.park);
            let _ = partner
                .inbox
                .try_send(Input::PartnerOver { bridged: self.bridged && !park || !self.leg.transfer_target });
        }
        let words = ending.words(self.leg.incoming, answered);
        let quality =
            json!({"inbound": {"mos": "4.50", "packet_count": "1480"}, "outbound": {"packet_count": "900"}});
        let hangup = json!({
            "start_time": timestamp(self.leg.started_at), "end_time": timestamp(ended_at), "state": "hangup",
            "hangup_cause": words.cause, "hangup_source": words.source, "sip_hangup_cause": words.sip,
            "call_quality_stats": if answered { quality } else { Value::Null },
        });
        self.tell("call.hangup", true, hangup).await;
        if let Some(Piece { kind, mut extra, .. }) = self.speech.end() {
            extra.insert("status".to_owned(), "call_hangup".into());
            self.tell(kind.events().1, false, Value::Object(extra)).await;
        }
        self.finish_gather("call_hangup").await;
        self.switch.retire(&self.leg);
        let clock = self.switch.clock.clone();
        if self.recording.is_some() {
            let ready = self.paced(RECORDING_READY);
            clock.sleep_until(ended_at + ready).await;
            self.save_recording().await;
        }
        if self.switch.config.cost {
            self.tell_cost(ended_at).await;
        }
        let record = self.outcome(ending, ended_at, words.cause);
        self.close(record).await;
    }

    pub(super) async fn tell_cost(&mut self, ended_at: Time) {
        let answered_at = self.leg.lock().answered_at;
        let seconds = answered_at.map_or(0, |at| (ended_at - at).num_seconds().max(0));
        let minutes = if answered_at.is_some() { seconds / 60 + 1 } else { 0 };
        let cost =
            |tenths_of_mills: i64| format!("{}.{:04}", tenths_of_mills / 10_000, tenths_of_mills % 10_000);
        let part = |name: &str, rate: i64| {
            json!({"call_part": name, "cost": cost(rate * minutes), "rate": cost(rate), "currency": "USD",
                "billed_duration_secs": minutes * 60})
        };
        let extra = json!({
            "status": "success", "total_cost": cost(48 * minutes), "billed_duration_secs": minutes * 60,
            "billing_group_id": null, "cost_parts": [part("call-control", 20), part("sip-trunking", 28)],
            "occurred_at": timestamp(self.now()),
        });
        let leg = &self.leg;
        let charged = ChargedLeg {
            leg_id: leg.leg_id.to_string(),
            session_id: leg.session_id.clone(),
            from: leg.from.clone(),
            to: leg.to.clone(),
            connection_id: leg.connection_id.clone(),
            started_at: leg.started_at,
            answered_at,
            ended_at,
            billed_seconds: minutes * 60,
            micros: [20, 28].map(|tenths_of_mills| tenths_of_mills * minutes * 100),
            shown: true,
        };
        self.switch.detail_records().keep(charged);
        self.tell("call.cost", false, extra).await;
    }

    pub(super) fn outcome(&mut self, ending: Ending, ended_at: Time, cause: &'static str) -> CallRecord {
        let state = self.leg.lock();
        CallRecord {
            control_id: self.leg.control_id.clone(),
            leg_id: self.leg.leg_id.to_string(),
            session_id: self.leg.session_id.clone(),
            direction: if self.leg.incoming { Direction::Inbound } else { Direction::Outbound },
            transfer_target: self.leg.transfer_target,
            from: self.leg.from.clone(),
            to: self.leg.to.clone(),
            client_state: state.client_state.clone(),
            started_at: self.leg.started_at,
            answered_at: state.answered_at,
            ended_at,
            hangup_cause: cause,
            expected: ending.expected(state.answered_at.is_some(), self.bridged, true),
            unmet: std::mem::take(&mut self.unmet),
            spoken: std::mem::take(&mut self.spoken),
            webhooks: 0,
            lost: 0,
            given_up: 0,
        }
    }

    pub(super) async fn close(self, mut record: CallRecord) {
        use std::sync::atomic::Ordering::Relaxed;
        self.outbox.close().await;
        let fate = &self.leg.fate;
        record.webhooks = fate.webhooks.load(Relaxed);
        record.lost = fate.lost.load(Relaxed);
        record.given_up = fate.given_up.load(Relaxed);
        record.expected.certain = record.lost == 0 && record.given_up == 0;
        self.switch.courier.lock().call(record.clone());
        let _ = self.done.send(record);
    }
}
