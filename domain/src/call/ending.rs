//! What a carrier's hang-up means for the call.

use std::time::Duration;

use super::command::CallRefusal;
use super::decide::Decision;
use super::event::{EndCorrected, Ended, Merged};
use super::report::{HangUp, HangUpCause, HangUpSource, LegRole};
use super::state::{Call, HangUpAsked, Transfer};
use super::terms::{Direction, EndReason, EndedBy, Fault};
use crate::envelope::Time;
use crate::ids::CallId;

/// How far the carrier's clock may lag behind ours.
const CLOCKS_DIFFER: Duration = Duration::from_secs(30);

impl Call {
    /// Builds the call's end from the carrier's hang-up and from what we had asked of the carrier.
    ///
    /// The reason does not depend on whether the call was answered: the webhook about that may still
    /// be on its way.
    pub(super) fn ending(&self, hang_up: &HangUp, at: Time) -> Ended {
        let cause = meaning(hang_up);
        let conversation_ended =
            matches!(cause, HangUpCause::Normal | HangUpCause::TimeLimit | HangUpCause::AgentHungUp);
        let (reason, ended_by) = self.reason_and_side(cause, hang_up, at);
        Ended {
            reason,
            ended_by,
            fault: fault_of(reason),
            connected: self.answered_at.is_some() || (conversation_ended && !self.rejected),
            provider_code: Some(hang_up.provider_code.clone()),
            sip_code: hang_up.sip_code,
            at,
        }
    }

    /// End of a call whose leg the carrier no longer has, though no hang-up webhook came.
    pub(super) fn vanished(&self, at: Time) -> Ended {
        let (reason, ended_by) = match self.hang_up {
            Some(asked) => (withdrawn(asked.reason, self.answered_at.is_none()), asked.by),
            None if self.rejected => (self.refused(), EndedBy::System),
            None if self.transfer == Some(Transfer::Connected) => (EndReason::Transferred, EndedBy::Unknown),
            None => (EndReason::Unknown, EndedBy::Unknown),
        };
        Ended {
            reason,
            ended_by,
            fault: fault_of(reason),
            connected: self.answered_at.is_some(),
            provider_code: None,
            sip_code: None,
            at,
        }
    }

    /// Why we refused the call.
    pub(super) fn refused(&self) -> EndReason {
        if self.without_credit { EndReason::InsufficientCredits } else { EndReason::Rejected }
    }

    /// Whether the call ended only because its leg was found gone, and nothing of ours explains that. A hang-up
    /// webhook that comes later then corrects the end.
    pub(super) fn end_is_inferred(&self) -> bool {
        let guessed = |end: &Ended| {
            matches!(end.reason, EndReason::Unknown | EndReason::Transferred) && end.provider_code.is_none()
        };
        self.ended.as_deref().is_some_and(guessed)
    }

    /// The end as it reads once the transfer is known to have connected: the hang-up may overtake the webhook
    /// about that. `None` while the call goes on, and for an end that a transfer does not explain.
    pub(super) fn ended_transferred(&self) -> Option<EndCorrected> {
        let end = self.ended.as_deref()?;
        matches!(end.reason, EndReason::CallerHangup | EndReason::Unknown)
            .then(|| EndCorrected(Ended { reason: EndReason::Transferred, connected: true, ..end.clone() }))
    }

    /// Ends a call whose leg belongs to another one. It replaces an end that the carrier reported of that leg.
    pub(super) fn merge_into(&self, into: CallId, leg_role: LegRole, at: Time) -> Decision {
        if self.merged.is_some() {
            return Ok(vec![]);
        }
        if !self.foreign {
            return Err(CallRefusal::NotForeign);
        }
        let end = Ended {
            reason: EndReason::Merged,
            ended_by: EndedBy::System,
            fault: fault_of(EndReason::Merged),
            connected: self.answered_at.is_some() || self.ended.as_ref().is_some_and(|end| end.connected),
            provider_code: None,
            sip_code: None,
            at,
        };
        let end = if self.is_over() { EndCorrected(end).into() } else { end.into() };
        Ok(vec![Merged { into, leg_role, at }.into(), end])
    }

    /// End of a call that never reached the carrier.
    pub(super) fn never_placed(reason: EndReason, ended_by: EndedBy, at: Time) -> Ended {
        let reason = withdrawn(reason, true);
        let fault = fault_of(reason);
        Ended { reason, ended_by, fault, connected: false, provider_code: None, sip_code: None, at }
    }

    fn reason_and_side(&self, cause: HangUpCause, hang_up: &HangUp, at: Time) -> (EndReason, EndedBy) {
        let inbound = self.direction == Some(Direction::Inbound);
        let far_side = if inbound { HangUpSource::Caller } else { HangUpSource::Callee };
        // Whatever the carrier calls it, a leg that ends after we asked for it ended because we asked. Two
        // ends are not ours: one long before our request (a time limit that fired late after an outage, a
        // late hang-up webhook), and one by the far side of a call that we gave up for ringing too long:
        // it had been answered.
        let hung_up_by_them = cause == HangUpCause::Normal && hang_up.source == far_side;
        let ours = |asked: &HangUpAsked| {
            asked.at <= at + CLOCKS_DIFFER && !(asked.reason == EndReason::NoAnswer && hung_up_by_them)
        };
        if let Some(HangUpAsked { reason, by, .. }) = self.hang_up.filter(ours) {
            match cause {
                HangUpCause::Normal | HangUpCause::AgentHungUp | HangUpCause::Unspecified => {
                    return (reason, by);
                }
                // it went unanswered while our hang-up waited for somebody to be there
                HangUpCause::NoAnswer if self.is_hosted() => return (withdrawn(reason, true), by),
                HangUpCause::Cancelled => return (withdrawn(reason, true), by),
                HangUpCause::Rejected if inbound => return (withdrawn(reason, true), by),
                _ => {}
            }
        }
        let refusals =
            [HangUpCause::Rejected, HangUpCause::Busy, HangUpCause::Normal, HangUpCause::Unspecified];
        if self.rejected && refusals.contains(&cause) {
            return (self.refused(), EndedBy::System);
        }
        let called_side = if inbound { EndedBy::System } else { EndedBy::Caller };
        match cause {
            HangUpCause::Normal => {
                let by = if hang_up.source == far_side { EndedBy::Caller } else { EndedBy::Unknown };
                match (self.transfer, by) {
                    (Some(Transfer::Connected), _) => (EndReason::Transferred, by),
                    (_, EndedBy::Caller) => (EndReason::CallerHangup, by),
                    _ => (EndReason::Unknown, by),
                }
            }
            HangUpCause::Cancelled if inbound => (EndReason::Cancelled, EndedBy::Caller),
            HangUpCause::Cancelled => (EndReason::Cancelled, EndedBy::Unknown),
            HangUpCause::Busy => (EndReason::Busy, called_side),
            HangUpCause::NoAnswer => (EndReason::NoAnswer, EndedBy::System),
            HangUpCause::TimeLimit => (EndReason::MaxDuration, EndedBy::System),
            HangUpCause::NotFound => (EndReason::InvalidNumber, EndedBy::Provider),
            HangUpCause::AgentHungUp => (EndReason::AgentHangup, EndedBy::Agent),
            HangUpCause::Broken => (EndReason::ProviderError, EndedBy::Provider),
            HangUpCause::Rejected => match hang_up.sip_code {
                Some(500..=599) => (EndReason::ProviderError, EndedBy::Provider),
                // these come from a network on the way, not from the called person
                Some(401 | 403 | 407) => (EndReason::Rejected, EndedBy::Provider),
                _ => (EndReason::Rejected, called_side),
            },
            HangUpCause::Unspecified => match hang_up.sip_code {
                Some(500..=599) => (EndReason::ProviderError, EndedBy::Provider),
                _ if self.transfer == Some(Transfer::Connected) => (EndReason::Transferred, EndedBy::Unknown),
                _ => (EndReason::Unknown, EndedBy::Unknown),
            },
        }
    }
}

/// The cause, refined by the SIP status where the carrier's own word leaves it open (RFC 3261 §21; 607 is RFC
/// 8197, 608 is RFC 8688).
fn meaning(hang_up: &HangUp) -> HangUpCause {
    match (hang_up.cause, hang_up.sip_code) {
        (HangUpCause::Normal | HangUpCause::Unspecified, Some(487)) => HangUpCause::Cancelled,
        (HangUpCause::Unspecified, Some(404 | 410 | 484 | 604)) => HangUpCause::NotFound,
        (HangUpCause::Unspecified, Some(486 | 600)) => HangUpCause::Busy,
        (HangUpCause::Unspecified, Some(408 | 480)) => HangUpCause::NoAnswer,
        (HangUpCause::Unspecified, Some(401 | 403 | 407 | 603 | 607 | 608)) => HangUpCause::Rejected,
        (cause, _) => cause,
    }
}

/// Turns `api_hangup` into `cancelled` for a call that never connected; other reasons stay.
fn withdrawn(reason: EndReason, never_connected: bool) -> EndReason {
    if reason == EndReason::ApiHangup && never_connected { EndReason::Cancelled } else { reason }
}

/// Whose fault an end for this reason is.
#[must_use]
pub const fn fault_of(reason: EndReason) -> Fault {
    match reason {
        EndReason::InvalidNumber | EndReason::InsufficientCredits | EndReason::ConcurrencyLimit => {
            Fault::CallerConfig
        }
        EndReason::ProviderError | EndReason::DialTimeout => Fault::Provider,
        EndReason::MediaLost | EndReason::PlatformError => Fault::Platform,
        _ => Fault::None,
    }
}
