//! Values of the events of matches with the carrier's records.

use domain::billing::Currency;
use domain::billing::matching::{
    CarrierSide, Charge, DaysMatched, Finding, MatchCounts, MatchEvent, MatchListed, MatchRan,
    MatchScheduleEvent, MatchSettled, MatchState, OurSide, RunRequested,
};
use domain::ids::CallId;

use super::samples::{at, id, origin};

fn counts() -> MatchCounts {
    MatchCounts { matched: 900, ours_only: 1, theirs_only: 2, differs: 3, unbilled: 40, open: 5, unread: 6 }
}

pub fn day() -> Vec<MatchEvent> {
    let charge = |micros| Charge { micros, currency: Some(Currency::USD) };
    let finding = Finding {
        state: MatchState::Differs,
        call: Some(CallId(id(61))),
        leg: Some(id(62)),
        began_at: at(0),
        ours: Some(OurSide { seconds: 61, charge: Some(charge(9_600)) }),
        carrier: Some(CarrierSide { seconds: Some(62), billed_seconds: Some(120), charge: charge(9_700) }),
        ledger: Some(charge(9_600)),
        seconds: 0,
        micros: Some(100),
    };
    let (day, provider) = ("2026-05-01".parse().unwrap(), "telnyx".to_owned());
    vec![
        MatchListed { id: id(63), finding, at: at(1) }.into(),
        MatchSettled { id: id(63), at: at(2) }.into(),
        MatchRan { day, provider, counts: counts(), at: at(3) }.into(),
    ]
}

pub fn schedule() -> Vec<MatchScheduleEvent> {
    let day = "2026-05-01".parse().unwrap();
    vec![
        RunRequested { day, origin: origin(), at: at(0) }.into(),
        DaysMatched { day, began_at: at(1), clients: 7, failed: 1, counts: counts(), at: at(2) }.into(),
    ]
}
