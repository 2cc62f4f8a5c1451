//! What a carrier's hang-up means for the call.

use std::time::Duration;

use super::event::Ended;
use super::report::{HangUp, HangUpCause, HangUpSource};
use super::state::{Call, HangUpAsked, Transfer};
use super::terms::{Direction, EndReason, EndedBy, Fault};
use crate::envelope::Time;

/// How far the carrier's clock may be behind ours.
const CLOCKS_DIFFER: Duration = Duration::from_secs(30);

impl Call {
    /// Reads the carrier's words in the light of what we asked for.
    ///
    /// Whether the call was answered is no part of it: the webhook about that may still be on its way.
    pub(super) fn ending(&self, hang_up: &HangUp, at: Time) -> Ended {
        let cause = meaning(hang_up);
        let conversation_ended = matches!(cause, HangUpCause::Normal | HangUpCause::TimeLimit);
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

    /// The end of a call whose leg is gone without a word.
    pub(super) fn vanished(&self, at: Time) -> Ended {
        let (reason, ended_by) = match self.hang_up {
            Some(asked) => (withdrawn(asked.reason, self.answered_at.is_none()), asked.by),
            None if self.rejected => (EndReason::Rejected, EndedBy::System),
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

    /// Whether the call is over and nobody has told why yet: its leg was found gone, and we had not asked for that. The
    /// carrier's word, should it still come, is better.
    pub(super) fn end_is_a_guess(&self) -> bool {
        let guessed = |end: &Ended| end.reason == EndReason::Unknown && end.provider_code.is_none();
        self.ended.as_deref().is_some_and(guessed)
    }

    /// The end of a call that was never placed: nobody has heard of it.
    pub(super) fn never_placed(reason: EndReason, ended_by: EndedBy, at: Time) -> Ended {
        let reason = withdrawn(reason, true);
        let fault = fault_of(reason);
        Ended { reason, ended_by, fault, connected: false, provider_code: None, sip_code: None, at }
    }

    fn reason_and_side(&self, cause: HangUpCause, hang_up: &HangUp, at: Time) -> (EndReason, EndedBy) {
        let inbound = self.direction == Some(Direction::Inbound);
        let far_side = if inbound { HangUpSource::Caller } else { HangUpSource::Callee };
        // whatever the carrier calls it, a leg that ends after we asked for it ended because we asked. One that was
        // over long before (a time limit found overdue after an outage, a hang-up told of late) did not; nor did one
        // that was given up for ringing too long when the far side says it hung up: that had been answered
        let hung_up_by_them = cause == HangUpCause::Normal && hang_up.source == far_side;
        let ours = |asked: &HangUpAsked| {
            asked.at <= at + CLOCKS_DIFFER && !(asked.reason == EndReason::NoAnswer && hung_up_by_them)
        };
        if let Some(HangUpAsked { reason, by, .. }) = self.hang_up.filter(ours) {
            match cause {
                HangUpCause::Normal | HangUpCause::Unspecified => return (reason, by),
                HangUpCause::Cancelled => return (withdrawn(reason, true), by),
                HangUpCause::Rejected if inbound => return (withdrawn(reason, true), by),
                _ => {}
            }
        }
        let refusals =
            [HangUpCause::Rejected, HangUpCause::Busy, HangUpCause::Normal, HangUpCause::Unspecified];
        if self.rejected && refusals.contains(&cause) {
            return (EndReason::Rejected, EndedBy::System);
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
            HangUpCause::Rejected => match hang_up.sip_code {
                Some(500..=599) => (EndReason::ProviderError, EndedBy::Provider),
                // not the called person but a network on the way says these
                Some(401 | 403 | 407) => (EndReason::Rejected, EndedBy::Provider),
                _ => (EndReason::Rejected, called_side),
            },
            HangUpCause::Unspecified => match hang_up.sip_code {
                Some(500..=599) => (EndReason::ProviderError, EndedBy::Provider),
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

/// A hang-up over REST takes a call back if it never connected, and ends it otherwise.
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
