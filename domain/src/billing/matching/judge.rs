//! Whether a call and the carrier's records of it agree.

use super::super::currency::Currency;
use super::finding::{CarrierSide, Finding, MatchState, OurSide};
use super::record::{CallKind, Charge, OurCall};
use super::table::Claim;
use crate::envelope::Time;

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

/// What is known of all calls of a client and day.
#[derive(Debug, Clone, Copy)]
pub struct MatchTerms {
    /// The carrier tells what it charges, so a charge that it did not tell is a difference.
    pub tells: bool,
    /// When the ledger first had a call's charge, and its currency: each call since then has one. `None`: it has none.
    pub charged_since: Option<(Time, Currency)>,
    /// So much later that every call of the day has ended, whether we were told or not.
    pub over: bool,
}

impl MatchTerms {
    /// Whether the ledger should have the carrier's charge of the call.
    fn is_booked(&self, call: &OurCall, told: Charge) -> bool {
        let since = self.charged_since.filter(|(_, currency)| told.currency == Some(*currency));
        told.is_some() && since.is_some_and(|(since, _)| since <= call.began_at)
    }
}

/// Judges a call, which is no merged one: its records are the other call's.
#[must_use]
pub fn judge(call: &OurCall, claim: Option<&Claim>, terms: &MatchTerms) -> Judged {
    // the carrier has a record of a leg once that has ended
    let ended_unheard = terms.over && claim.is_some_and(|claim| claim.seconds.is_some());
    if !call.ended && !ended_unheard {
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
    let micros = missing_amount(call, claim, terms);
    if seconds == 0 && micros == Some(0) {
        if call.ended { Judged::Matched(finding) } else { Judged::Open }
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
    // what is charged follows from the carrier's own length, where it tells that
    let lengths = match claim.seconds {
        Some(seconds) if call.answered => seconds.max(1)..=seconds.saturating_add(1),
        _ => within(1),
    };
    let explained = |billed| lengths.clone().any(|seconds| is_step(billed, seconds));
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
fn missing_amount(call: &OurCall, claim: &Claim, terms: &MatchTerms) -> Option<i64> {
    let nothing = Charge { micros: 0, currency: None };
    let by_told = match call.told {
        Some(told) => claim.beyond(told),
        None if terms.tells => claim.beyond(nothing),
        None => Some(0),
    };
    if by_told != Some(0) {
        return by_told;
    }
    match (call.told, call.ledger) {
        _ if call.kind != CallKind::Charged => Some(0),
        // the ledger takes a carrier's charge in its own currency alone, and only once it was told
        (Some(told), Some(ledger)) if told.currency == ledger.currency => claim.beyond(ledger),
        (Some(told), None) if terms.is_booked(call, told) => claim.beyond(nothing),
        _ => Some(0),
    }
}
