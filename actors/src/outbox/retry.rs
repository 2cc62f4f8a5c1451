//! Decides what follows when a carrier command fails. Pure, so that tests can check it as a table.

use std::time::Duration;

use domain::call::Work;
use domain::call::terms::CommandKind;
use domain::ports::telephony::CarrierError;
use uuid::Uuid;

/// How often an answer may be lost before the carrier is asked whether the leg is alive: attempts and pauses
/// together stay within the 60 s in which Telnyx ignores a repeated command id.
const MAX_LOST_ANSWERS: u32 = 5;
/// Tries to reach an unavailable carrier: pauses grow to 8 s, so about a minute.
const MAX_UNREACHABLE: u32 = 11;
/// Tries to reach an unavailable carrier to end a call, which must not be given up soon: about ten minutes.
const MAX_UNREACHABLE_ENDING: u32 = 80;
/// Longest wait for a pace or a circuit breaker before it is asked again.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Tries while the carrier says that the call is not answered yet: about 20 s.
const MAX_NOT_READY: u32 = 10;

/// What follows from a failed attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// Try again after this pause.
    Retry(Duration),
    /// Ask the carrier whether the leg is alive before anything else.
    AskLeg,
    /// Ask again after this pause; nothing was tried.
    Wait(Duration),
    /// Settle the effect as failed with this code; `gone`: the leg does not exist any more.
    GiveUp { code: String, gone: bool },
}

/// Decides what follows from the failure of attempt number `attempts`, counted from 1.
pub(super) fn after_failure(error: &CarrierError, work: Work, attempts: u32, effect_id: Uuid) -> Next {
    let ending = matches!(work, Work::Command(CommandKind::HangUp | CommandKind::Reject));
    let give_up = |code: &str| Next::GiveUp { code: code.to_owned(), gone: false };
    match error {
        CarrierError::Held { pause, .. } => Next::Wait((*pause).min(LONGEST_WAIT)),
        CarrierError::Gone { code } => Next::GiveUp { code: code.clone(), gone: true },
        CarrierError::NotReady { code } if attempts >= MAX_NOT_READY => give_up(code),
        CarrierError::NotReady { .. } => Next::Retry(backoff(attempts, effect_id)),
        CarrierError::Refused { code, .. } => give_up(code),
        CarrierError::NotConfigured => give_up("not_configured"),
        CarrierError::Unavailable { retry_after, .. } => {
            let limit = if ending { MAX_UNREACHABLE_ENDING } else { MAX_UNREACHABLE };
            if attempts >= limit {
                return give_up("unreachable");
            }
            let pause = backoff(attempts, effect_id);
            Next::Retry(retry_after.map_or(pause, |wish| wish.clamp(pause, Duration::from_secs(60))))
        }
        CarrierError::Unknown { .. } if attempts >= MAX_LOST_ANSWERS => Next::AskLeg,
        CarrierError::Unknown { .. } => Next::Retry(backoff(attempts, effect_id)),
    }
}

/// Exponential backoff: half a second doubling to 8 s, less up to a quarter. The effect's id spreads the pauses,
/// so that no randomness is needed.
pub(crate) fn backoff(attempts: u32, effect_id: Uuid) -> Duration {
    let full = Duration::from_millis(500 << attempts.saturating_sub(1).min(4));
    let spread = u32::from(effect_id.as_bytes()[15].wrapping_add(attempts as u8));
    full - full * spread / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEAK: Work = Work::Command(CommandKind::Speak);
    const HANG_UP: Work = Work::Command(CommandKind::HangUp);

    fn unreachable() -> CarrierError {
        CarrierError::Unavailable { reason: "no connection".into(), retry_after: None }
    }

    #[test]
    fn a_call_that_is_over_is_never_asked_again() {
        let gone = CarrierError::Gone { code: "90018".into() };
        let expected = Next::GiveUp { code: "90018".into(), gone: true };
        assert_eq!(after_failure(&gone, SPEAK, 1, Uuid::nil()), expected);
    }

    #[test]
    fn a_lost_answer_is_asked_for_within_a_minute_then_the_leg_is_asked() {
        let lost = CarrierError::Unknown { reason: "timeout".into() };
        let mut waited = Duration::ZERO;
        for attempt in 1..MAX_LOST_ANSWERS {
            match after_failure(&lost, SPEAK, attempt, Uuid::nil()) {
                Next::Retry(pause) => waited += pause + Duration::from_secs(5),
                other => panic!("{other:?} at attempt {attempt}"),
            }
        }
        assert!(waited < Duration::from_secs(60), "{waited:?}");
        assert_eq!(after_failure(&lost, SPEAK, MAX_LOST_ANSWERS, Uuid::nil()), Next::AskLeg);
    }

    #[test]
    fn ending_a_call_outlasts_an_outage_that_speech_does_not() {
        let attempts = MAX_UNREACHABLE;
        assert!(matches!(after_failure(&unreachable(), SPEAK, attempts, Uuid::nil()), Next::GiveUp { .. }));
        assert!(matches!(after_failure(&unreachable(), HANG_UP, attempts, Uuid::nil()), Next::Retry(_)));
    }

    #[test]
    fn what_our_own_pace_holds_back_is_no_attempt_however_often() {
        let held = CarrierError::Held { reason: "pace".into(), pause: Duration::from_secs(3) };
        for attempts in [1, MAX_UNREACHABLE, 1_000] {
            assert_eq!(
                after_failure(&held, SPEAK, attempts, Uuid::nil()),
                Next::Wait(Duration::from_secs(3))
            );
        }
    }

    #[test]
    fn the_carriers_wish_is_kept_but_not_for_ever() {
        let wish = |seconds| CarrierError::Unavailable {
            reason: "429".into(),
            retry_after: Some(Duration::from_secs(seconds)),
        };
        let next = |seconds| after_failure(&wish(seconds), SPEAK, 1, Uuid::nil());
        assert_eq!(next(20), Next::Retry(Duration::from_secs(20)));
        assert_eq!(next(6000), Next::Retry(Duration::from_secs(60)));
    }
}
