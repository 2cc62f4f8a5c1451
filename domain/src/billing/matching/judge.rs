//! Whether a call and the carrier's records of it agree.

use super::finding::{CarrierSide, Finding, MatchState, OurSide};
use super::record::{Charge, OurCall};
use super::table::Claim;

/// Seconds by which the carrier's length of a call may differ from ours: two clocks, and a begun second.
const CLOCKS: u32 = 2;
/// Steps that carriers charge in: the least that is charged, and the step after it, in seconds.
const STEPS: [(u32, u32); 7] = [(1, 1), (6, 6), (30, 1), (30, 6), (30, 30), (60, 1), (60, 60)];

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// It goes on, or its end is not known.
    Open,
    /// Neither side has a second or an amount.
    Unbilled,
    /// All that is known agrees.
    Matched(Finding),
    Found(Finding),
}

/// Judges a call. `tells` says that the carrier tells us what it charges: then one that it did not tell is a difference.
#[must_use]
pub fn judge(call: &OurCall, claim: Option<&Claim>, tells: bool) -> Judged {
    if !call.ended {
        return Judged::Open;
    }
    let charged = |charge: Option<Charge>| charge.is_some_and(Charge::is_some);
    let ours = OurSide { seconds: call.seconds, charge: call.told };
    let finding = Finding {
        state: MatchState::Matched,
        call: Some(call.id),
        leg: claim.map(|claim| claim.leg).or(call.leg).map(|leg| leg.0),
        began_at: call.began_at,
        ours: Some(ours),
        carrier: claim.map(side),
        ledger: call.ledger,
        seconds: 0,
        micros: Some(0),
    };
    let Some(claim) = claim else {
        if call.seconds == 0 && !charged(call.told) && !charged(call.ledger) {
            return Judged::Unbilled;
        }
        let known = call.told.filter(|told| told.is_some()).or(call.ledger);
        let micros = Some(known.map_or(0, |known| known.micros.saturating_neg()));
        let seconds = -i64::from(call.seconds);
        return Judged::Found(Finding { state: MatchState::OursOnly, seconds, micros, ..finding });
    };
    let seconds = missing_seconds(call, claim);
    let micros = missing_amount(call, claim, tells);
    if seconds == 0 && micros == Some(0) {
        Judged::Matched(finding)
    } else {
        Judged::Found(Finding { state: MatchState::Differs, seconds, micros, ..finding })
    }
}

/// The finding of records that no call has; `None` when nothing is charged for them, neither time nor money.
#[must_use]
pub fn theirs_only(claim: &Claim) -> Option<Finding> {
    let seconds = claim.seconds.max(claim.billed_seconds).unwrap_or(0);
    (seconds > 0 || claim.charge.is_some()).then(|| Finding {
        state: MatchState::TheirsOnly,
        call: None,
        leg: Some(claim.leg.0),
        began_at: claim.started_at,
        ours: None,
        carrier: Some(side(claim)),
        ledger: None,
        seconds: i64::from(claim.seconds.or(claim.billed_seconds).unwrap_or(0)),
        micros: claim.charge.currency.map(|_| claim.charge.micros),
    })
}

fn side(claim: &Claim) -> CarrierSide {
    let Claim { seconds, billed_seconds, charge, .. } = *claim;
    CarrierSide { seconds, billed_seconds, charge }
}

/// Seconds that the carrier has beyond ours; 0 when they agree.
fn missing_seconds(call: &OurCall, claim: &Claim) -> i64 {
    let ours = call.seconds;
    // a call that was answered has lasted a begun second
    let within = |least: u32| match call.answered {
        true => ours.saturating_sub(CLOCKS).max(least)..=ours.saturating_add(CLOCKS),
        false => 0..=0,
    };
    let beyond = |theirs: u32| i64::from(theirs) - i64::from(ours);
    if let Some(seconds) = claim.seconds
        && !within(0).contains(&seconds)
    {
        return beyond(seconds);
    }
    let explained = |billed| within(1).any(|seconds| is_step(billed, seconds));
    claim.billed_seconds.filter(|billed| !explained(*billed)).map_or(0, beyond)
}

/// Whether so many seconds are charged as `billed`, in one of the usual steps.
fn is_step(billed: u32, seconds: u32) -> bool {
    if seconds == 0 {
        return billed == 0;
    }
    STEPS.iter().any(|(least, step)| billed == seconds.div_ceil(*step).saturating_mul(*step).max(*least))
}

/// Millionths that the carrier has beyond what it told us, or beyond the ledger; `None` when currencies differ.
fn missing_amount(call: &OurCall, claim: &Claim, tells: bool) -> Option<i64> {
    // each record is rounded to a millionth
    let rounding = i64::from(claim.records);
    let beyond =
        |known: Charge| claim.charge.beyond(known).map(|by| if by.abs() <= rounding { 0 } else { by });
    let nothing = Charge { micros: 0, currency: None };
    let by_told = match call.told {
        Some(told) => beyond(told),
        None if tells => beyond(nothing),
        None => Some(0),
    };
    if by_told != Some(0) {
        return by_told;
    }
    match (call.told, call.ledger) {
        // the ledger takes a carrier's charge in its own currency alone, and only once it was told
        (Some(told), Some(ledger)) if told.currency == ledger.currency => beyond(ledger),
        _ => Some(0),
    }
}
