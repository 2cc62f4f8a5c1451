//! The ways a leg ends: in the carrier's words, and as a server should report them.

use domain::call::terms::{EndReason, Status};

use super::ledger::Expected;

/// Why a leg ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The person at the other end hung up.
    Person,
    /// The server sent the command `hangup`.
    Server,
    /// The server sent the command `reject`, with this cause.
    Refused { busy: bool },
    /// The caller hung up before the answer.
    GaveUp,
    /// The callee's line was busy.
    Busy,
    /// The callee did not answer.
    NoAnswer,
    /// The callee rejected the call.
    Declined,
    /// The called number does not exist.
    NotFound,
    /// The carrier's time limit was reached.
    TimeLimit,
    /// The leg at the other end of a transfer ended.
    Partner,
}

/// The values of `hangup_cause`, `hangup_source` and `sip_hangup_cause`.
pub(super) struct Words {
    pub cause: &'static str,
    pub source: &'static str,
    pub sip: &'static str,
}

impl Ending {
    pub fn words(self, incoming: bool, answered: bool) -> Words {
        let (near, far) = if incoming { ("callee", "caller") } else { ("caller", "callee") };
        let (cause, source, sip) = match self {
            Ending::Person => ("normal_clearing", far, "200"),
            Ending::Server | Ending::Partner if answered => ("normal_clearing", near, "200"),
            Ending::Server | Ending::Partner if incoming => ("call_rejected", near, "603"),
            Ending::Server | Ending::Partner => ("originator_cancel", near, "487"),
            Ending::Refused { busy: true } => ("user_busy", near, "486"),
            Ending::Refused { busy: false } => ("call_rejected", near, "603"),
            Ending::GaveUp => ("originator_cancel", far, "487"),
            Ending::Busy => ("user_busy", far, "486"),
            Ending::NoAnswer => ("timeout", "unknown", "408"),
            Ending::Declined => ("call_rejected", far, "603"),
            Ending::NotFound => ("not_found", "unknown", "404"),
            Ending::TimeLimit => ("time_limit", "unknown", "unspecified"),
        };
        Words { cause, source, sip }
    }

    /// What the server should report; `bridged` says that a transfer had connected the leg to another one.
    pub fn expected(self, answered: bool, bridged: bool, certain: bool) -> Expected {
        let end_reason = match self {
            _ if bridged => Some(EndReason::Transferred),
            Ending::Person => Some(EndReason::CallerHangup),
            Ending::Server | Ending::Refused { .. } => None,
            Ending::GaveUp => Some(EndReason::Cancelled),
            Ending::Busy => Some(EndReason::Busy),
            Ending::NoAnswer => Some(EndReason::NoAnswer),
            Ending::Declined => Some(EndReason::Rejected),
            Ending::NotFound => Some(EndReason::InvalidNumber),
            Ending::TimeLimit => Some(EndReason::MaxDuration),
            Ending::Partner => Some(EndReason::Transferred),
        };
        let status = if answered { Status::Ended } else { Status::Failed };
        Expected { status, end_reason, certain }
    }
}
