//! The ringing phase of a leg, which ends with an answer or without one.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::json;

use super::{LegTask, Side};
use crate::fake_telnyx::ending::Ending;
use crate::fake_telnyx::leg::{Input, Phase};
use crate::fake_telnyx::notice::timestamp;
use crate::fake_telnyx::script::{CalleeScript, Step};

impl LegTask {
    pub(super) async fn ring(&mut self) {
        let now = self.now();
        let (direction, state) =
            if self.leg.incoming { ("incoming", "parked") } else { ("outgoing", "bridging") };
        let mut extra = json!({
            "direction": direction, "state": state, "start_time": timestamp(self.leg.started_at),
            "caller_id_name": self.leg.from, "connection_codecs": "PCMU,PCMA,G729", "offered_codecs": "PCMU,G729",
            "calling_party_type": "pstn",
        });
        if self.leg.incoming {
            extra["from_sip_uri"] = format!("{}@198.51.100.7:5060", self.leg.from).into();
            extra["to_sip_uri"] = format!("{}@203.0.113.9:5060", self.leg.to).into();
        }
        let plan = match &self.side {
            Side::Caller(script) => script.give_up_after,
            Side::Callee { script, placing, .. } => Some(match script {
                CalleeScript::Answers { ring, .. } | CalleeScript::Machine { ring } => {
                    (*ring).min(placing.ring_timeout)
                }
                CalleeScript::NoAnswer => placing.ring_timeout,
                CalleeScript::Busy | CalleeScript::Rejects => Duration::from_secs(2),
                CalleeScript::NotFound => Duration::from_secs(1),
            }),
        };
        self.ringing_until = plan.map(|plan| now + self.paced(plan));
        self.tell("call.initiated", true, extra).await;
    }

    pub(super) async fn ringing_is_over(&mut self) {
        match &self.side {
            Side::Caller(script) => {
                if script.give_up_after.is_none() {
                    self.unmet.push("the call was never answered");
                }
                self.over = Some(Ending::GaveUp);
            }
            Side::Callee {
                script: CalleeScript::Answers { ring, .. } | CalleeScript::Machine { ring },
                placing,
                ..
            } if *ring > placing.ring_timeout => {
                self.over = Some(Ending::NoAnswer);
            }
            Side::Callee { script: CalleeScript::Answers { .. } | CalleeScript::Machine { .. }, .. } => {
                self.pick_up().await;
            }
            Side::Callee { script: CalleeScript::Busy, .. } => self.over = Some(Ending::Busy),
            Side::Callee { script: CalleeScript::NoAnswer, .. } => self.over = Some(Ending::NoAnswer),
            Side::Callee { script: CalleeScript::Rejects, .. } => self.over = Some(Ending::Declined),
            Side::Callee { script: CalleeScript::NotFound, .. } => self.over = Some(Ending::NotFound),
        }
    }

    /// Answers the leg, for its callee or for the server.
    pub(super) async fn pick_up(&mut self) {
        let now = self.now();
        {
            let mut state = self.leg.lock();
            state.phase = Phase::Answered;
            state.answered_at = Some(now);
        }
        self.begin_step(now);
        self.activity = now;
        self.tell(
            "call.answered",
            true,
            json!({ "start_time": timestamp(self.leg.started_at), "state": "answered" }),
        )
        .await;
        let (steps, record, detection, machine) = match &self.side {
            Side::Caller(script) => (script.steps.clone(), None, None, false),
            Side::Callee { script, placing, .. } => {
                let (steps, machine) = match script {
                    CalleeScript::Answers { steps, .. } => (steps.clone(), false),
                    _ => (vec![Step::Pause(Duration::from_secs(20)), Step::HangUp], true),
                };
                (steps, placing.extras.record.clone(), placing.detection.clone(), machine)
            }
        };
        self.steps = steps.into();
        if let Some(format) = record {
            self.start_recording(format, "dual".to_owned());
        }
        if let Some(mode) = detection {
            self.tell_detection(&mode, machine).await;
        }
        if let Some(partner) = &self.partner {
            let partner = partner.clone();
            self.bridged = true;
            self.tell("call.bridged", true, json!({ "state": "bridged" })).await;
            let _ = partner.inbox.send(Input::Bridged(None)).await;
            self.steps = VecDeque::from([Step::Stay]);
        }
    }

    pub(super) async fn tell_detection(&mut self, mode: &str, machine: bool) {
        let premium = mode == "premium";
        let infix = if premium { "premium." } else { "" };
        let result = match (machine, premium) {
            (true, _) => "machine",
            (false, true) => "human_residence",
            (false, false) => "human",
        };
        self.tell(&format!("call.machine.{infix}detection.ended"), true, json!({ "result": result })).await;
        if machine && mode != "detect" {
            let event = format!("call.machine.{infix}greeting.ended");
            self.tell(&event, true, json!({ "result": "beep_detected" })).await;
        }
    }
}
