//! What a carrier's hang-up means for the call.

use super::event::Ended;
use super::report::{HangUp, HangUpCause, HangUpSource};
use super::state::{Call, Transfer};
use super::terms::{Direction, EndReason, EndedBy, Fault};
use crate::envelope::Time;

impl Call {
    /// Reads the carrier's words in the light of what we asked for.
    pub(super) fn ending(&self, hang_up: &HangUp, direction: Direction, at: Time) -> Ended {
        let connected = self.answered_at.is_some()
            || matches!(hang_up.cause, HangUpCause::Normal | HangUpCause::TimeLimit);
        let (reason, ended_by) = self.reason_and_side(hang_up, direction);
        Ended {
            reason,
            ended_by,
            fault: fault_of(reason),
            connected,
            provider_code: Some(hang_up.provider_code.clone()),
            sip_code: hang_up.sip_code,
            at,
        }
    }

    /// The end of a call whose leg is gone without a word.
    pub(super) fn vanished(&self, at: Time) -> Ended {
        let (reason, ended_by) = match self.hang_up {
            Some((reason, by)) => (reason, by),
            None if self.rejected => (EndReason::Rejected, EndedBy::System),
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

    fn reason_and_side(&self, hang_up: &HangUp, direction: Direction) -> (EndReason, EndedBy) {
        let remote = matches!(
            (hang_up.source, direction),
            (HangUpSource::Caller, Direction::Inbound) | (HangUpSource::Callee, Direction::Outbound)
        );
        match hang_up.cause {
            // whatever the carrier calls it, a leg that ends after we asked for it ended because we asked
            HangUpCause::Normal | HangUpCause::Cancelled | HangUpCause::Unspecified
                if self.hang_up.is_some() =>
            {
                let (reason, by) = self.hang_up.unwrap_or((EndReason::Unknown, EndedBy::Unknown));
                match (hang_up.cause, reason) {
                    (HangUpCause::Cancelled, EndReason::ApiHangup) => (EndReason::Cancelled, by),
                    _ => (reason, by),
                }
            }
            HangUpCause::Normal if self.transfer == Some(Transfer::Connected) => {
                (EndReason::Transferred, EndedBy::Unknown)
            }
            HangUpCause::Normal if remote => (EndReason::CallerHangup, EndedBy::Caller),
            HangUpCause::Normal => (EndReason::Unknown, EndedBy::Unknown),
            HangUpCause::Cancelled if direction == Direction::Inbound => {
                (EndReason::Cancelled, EndedBy::Caller)
            }
            HangUpCause::Cancelled => (EndReason::Cancelled, EndedBy::Unknown),
            HangUpCause::Busy => (EndReason::Busy, EndedBy::Caller),
            HangUpCause::NoAnswer => (EndReason::NoAnswer, EndedBy::System),
            HangUpCause::TimeLimit => (EndReason::MaxDuration, EndedBy::System),
            HangUpCause::Rejected if hang_up.sip_code.is_some_and(|code| (500..600).contains(&code)) => {
                (EndReason::ProviderError, EndedBy::Provider)
            }
            HangUpCause::Rejected if direction == Direction::Inbound => {
                (EndReason::Rejected, EndedBy::System)
            }
            HangUpCause::Rejected => (EndReason::Rejected, EndedBy::Caller),
            HangUpCause::NotFound => (EndReason::InvalidNumber, EndedBy::Provider),
            HangUpCause::Unspecified if hang_up.sip_code.is_some_and(|code| code >= 500) => {
                (EndReason::ProviderError, EndedBy::Provider)
            }
            HangUpCause::Unspecified => (EndReason::Unknown, EndedBy::Unknown),
        }
    }
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
