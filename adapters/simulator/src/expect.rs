//! Compares the node's records of calls with what happened on the line.

use crate::fake_telnyx::CallRecord;
use domain::call::terms::{EndReason, Status};
use domain::ids::CallId;
use projections::calls::CallView;

use super::plan::Kind;

/// A call of the simulation.
#[derive(Debug, Clone)]
pub struct SimulatedCall {
    /// Number of the call, from 1, in the order of placing.
    pub number: u32,
    pub kind: Kind,
    /// The node's id of the call, for calls that the node placed.
    pub id: Option<CallId>,
    /// What happened on the line; `None` when the call never reached it.
    pub line: Option<CallRecord>,
    /// Whether the carrier answered the dial with a server error, and did not dial. The node cannot know that.
    pub dial_broken: bool,
    /// Why the call could not be placed, or not be led as planned.
    pub trouble: Option<String>,
}

/// Result of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// The node shows what happened.
    Right,
    /// The node cannot know: something that mattered never reached it, on purpose.
    Unknowable,
    /// The node shows something else.
    Wrong {
        /// What the node should show.
        expected: String,
        /// What the node shows instead.
        shown: String,
        /// Whether it can still become right.
        open: bool,
    },
}

impl SimulatedCall {
    /// Compares with `shown`, the node's calls on the same line.
    pub fn judge(&self, shown: &[&CallView]) -> Comparison {
        let over = !shown.is_empty() && shown.iter().all(|call| call.status.is_terminal());
        let wrong = |expected: String, shown: String| Comparison::Wrong { expected, shown, open: !over };
        if let Some(trouble) = &self.trouble {
            let (expected, shown) = ("goes as planned".to_owned(), trouble.clone());
            return Comparison::Wrong { expected, shown, open: false };
        }
        let (status, reason) = match &self.line {
            Some(line) if !line.expected.certain => return Comparison::Unknowable,
            Some(line) => (line.expected.status, self.end_reason()),
            // a lost dial is never repeated: the first one may have reached the carrier
            None if self.dial_broken => (Status::Failed, Some(EndReason::DialTimeout)),
            None => {
                let shown =
                    shown.first().map_or("the node does not know it".to_owned(), |call| said_of(call));
                return wrong("reaches the carrier".to_owned(), shown);
            }
        };
        let expected = words(status, reason);
        let call = match shown {
            [] => return wrong(expected, "the node does not know it".to_owned()),
            [call] => call,
            several => return wrong("is one call".to_owned(), format!("is {} calls", several.len())),
        };
        if call.status != status || reason.is_some_and(|reason| call.end_reason != Some(reason)) {
            return wrong(expected, said_of(call));
        }
        match self.line.as_ref().and_then(|line| line.unmet.first()) {
            Some(unmet) => wrong(expected, (*unmet).to_owned()),
            None => Comparison::Right,
        }
    }

    /// Why the call ended. Where the carrier leaves that to the server, the plan says what the server was to do.
    pub fn end_reason(&self) -> Option<EndReason> {
        self.line.as_ref().and_then(|line| line.expected.end_reason).or(match self.kind {
            Kind::Misdials | Kind::IsRefused => Some(EndReason::Rejected),
            Kind::IsHungUpOn => Some(EndReason::ApiHangup),
            Kind::Mistypes => Some(EndReason::IvrTooManyInvalid),
            Kind::StaysSilent => Some(EndReason::IvrNoInput),
            _ => None,
        })
    }
}

/// Status and end reason of a call as text.
pub fn words(status: Status, reason: Option<EndReason>) -> String {
    match reason {
        Some(reason) => format!("{status}, {reason}"),
        None => status.to_string(),
    }
}

fn said_of(call: &CallView) -> String {
    words(call.status, call.end_reason)
}

#[cfg(test)]
pub mod tests {
    use crate::fake_telnyx::Expected;
    use domain::call::terms::Direction;
    use serde_json::json;

    use super::*;

    pub fn story(kind: Kind, status: Status, end_reason: Option<EndReason>) -> SimulatedCall {
        let line = CallRecord {
            control_id: "v3:one".to_owned(),
            leg_id: "one".to_owned(),
            session_id: "one".to_owned(),
            direction: Direction::Inbound,
            transfer_target: false,
            from: "+12025550100".to_owned(),
            to: "+14155550110".to_owned(),
            client_state: None,
            started_at: chrono::DateTime::UNIX_EPOCH,
            answered_at: None,
            ended_at: chrono::DateTime::UNIX_EPOCH,
            hangup_cause: "normal_clearing",
            expected: Expected { status, end_reason, certain: true },
            unmet: Vec::new(),
            spoken: Vec::new(),
            webhooks: 3,
            lost: 0,
            given_up: 0,
        };
        SimulatedCall { number: 1, kind, id: None, line: Some(line), dial_broken: false, trouble: None }
    }

    fn view(status: &str, reason: &str) -> CallView {
        serde_json::from_value(json!({
            "id": "call_00000000000000000000000001", "direction": "inbound", "status": status,
            "from": null, "to": null, "agent_id": null, "ivr_session_id": null, "conversation_id": null,
            "provider": "telnyx", "provider_call_id": "v3:one", "created_at": "2026-01-01T00:00:00Z",
            "ringing_at": null, "answered_at": null, "ended_at": null, "duration_ms": null,
            "end_reason": reason, "ended_by": "caller", "fault": "none", "provider_code": null,
            "sip_code": null, "answered_by": null, "recording_status": "none", "cost": null,
            "metadata": {}, "version": 4,
        }))
        .unwrap()
    }

    fn is_wrong(verdict: Comparison) -> bool {
        matches!(verdict, Comparison::Wrong { .. })
    }

    #[test]
    fn a_call_is_right_when_status_and_reason_are_those_of_the_line() {
        let talked = story(Kind::ConversationService, Status::Ended, Some(EndReason::CallerHangup));
        assert_eq!(talked.judge(&[&view("ended", "caller_hangup")]), Comparison::Right);
        assert!(is_wrong(talked.judge(&[&view("ended", "unknown")])));
        assert!(is_wrong(talked.judge(&[&view("failed", "caller_hangup")])));
        assert!(is_wrong(talked.judge(&[])));
        let call = view("ended", "caller_hangup");
        assert!(is_wrong(talked.judge(&[&call, &call])), "one line, two calls");
    }

    #[test]
    fn a_refusal_has_a_reason_although_the_carrier_names_none() {
        let refused = story(Kind::IsRefused, Status::Failed, None);
        assert_eq!(refused.judge(&[&view("failed", "rejected")]), Comparison::Right);
        assert!(is_wrong(refused.judge(&[&view("failed", "cancelled")])));
    }

    #[test]
    fn what_the_node_cannot_know_is_not_held_against_it() {
        let mut lost = story(Kind::ConversationService, Status::Ended, Some(EndReason::CallerHangup));
        lost.line.as_mut().unwrap().expected.certain = false;
        assert_eq!(lost.judge(&[]), Comparison::Unknowable);
    }

    #[test]
    fn what_the_caller_waited_for_in_vain_counts_even_if_the_end_is_right() {
        let mut waited = story(Kind::ConversationService, Status::Ended, Some(EndReason::CallerHangup));
        waited.line.as_mut().unwrap().unmet.push("the call was never answered");
        let Comparison::Wrong { shown, .. } = waited.judge(&[&view("ended", "caller_hangup")]) else {
            panic!()
        };
        assert_eq!(shown, "the call was never answered");
    }

    #[test]
    fn a_dial_that_failed_at_the_carrier_is_over_once_the_node_gave_it_up() {
        let mut broken = story(Kind::Busy, Status::Failed, None);
        (broken.line, broken.dial_broken) = (None, true);
        assert_eq!(broken.judge(&[&view("failed", "dial_timeout")]), Comparison::Right);
        let open = |verdict| matches!(verdict, Comparison::Wrong { open: true, .. });
        assert!(open(broken.judge(&[&view("dial_unknown", "unknown")])));
        assert!(!open(broken.judge(&[&view("failed", "busy")])), "what is over does not change");
    }

    #[test]
    fn a_call_that_never_reached_the_line_is_wrong() {
        let mut never = story(Kind::Busy, Status::Failed, None);
        never.line = None;
        assert!(is_wrong(never.judge(&[&view("failed", "provider_error")])));
    }
}
