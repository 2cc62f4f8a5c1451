//! Tests of the match: every planted difference is found and none invented, in whatever order records come.

use chrono::TimeDelta;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::aggregate::Aggregate as _;
use crate::billing::Currency;
use crate::envelope::Time;
use crate::ids::{BillingMatchId, BillingMatchScheduleId, CallId};
use crate::origin::Origin;
use crate::testing::calls::at;
use crate::testing::scenario::scenario;

fn dollars(micros: i64) -> Charge {
    Charge { micros, currency: Some(Currency::USD) }
}

fn id(number: u128) -> CarrierId {
    CarrierId(Uuid::from_u128(number))
}

fn call(number: u128, seconds: u32, micros: i64) -> OurCall {
    OurCall {
        id: CallId(Uuid::from_u128(number)),
        leg: Some(id(number)),
        session: Some(id(number + 1_000_000)),
        connection: None,
        kind: CallKind::Charged,
        began_at: at(number as i64),
        answered: seconds > 0,
        ended: true,
        seconds,
        told: Some(dollars(micros)),
        ledger: Some(dollars(micros)),
    }
}

fn record(number: u128, seconds: u32, micros: i64) -> CarrierRecord {
    CarrierRecord {
        leg: id(number),
        session: Some(id(number + 1_000_000)),
        started_at: at(number as i64),
        seconds: Some(seconds),
        billed_seconds: Some(seconds.div_ceil(60) * 60),
        charge: dollars(micros),
        is_ours: true,
    }
}

fn table(records: &[CarrierRecord]) -> RecordTable {
    let mut collector = RecordCollector::new(100_000);
    for record in records {
        collector.add(record).unwrap();
    }
    collector.finish().unwrap()
}

/// A carrier that tells what it charges, and a ledger that has it from the beginning; calls may go on.
fn terms() -> MatchTerms {
    MatchTerms { tells: true, charged_since: Some((at(0), Currency::USD)), over: false }
}

const PERIOD: (Time, Time) = (Time::MIN_UTC, Time::MAX_UTC);

/// Judges all calls: the findings, the number of matched ones, and what is left of the records.
fn matched(calls: &[OurCall], records: &[CarrierRecord]) -> (Vec<Finding>, usize) {
    let (mut table, mut matching, mut findings) = (table(records), 0, Vec::new());
    calls.iter().filter_map(|call| call.leg).for_each(|leg| table.reserve(leg));
    for call in calls {
        let claim = table.claim(call);
        match judge(call, claim.as_ref(), &terms()) {
            Judged::Found(finding) => findings.push(finding),
            Judged::Matched(_) => matching += 1,
            Judged::Open | Judged::Unbilled => {}
        }
    }
    findings.extend(table.unclaimed(PERIOD).filter_map(|claim| theirs_only(&claim)));
    (findings, matching)
}

fn state_of(call: OurCall, records: &[CarrierRecord]) -> (Option<MatchState>, i64, Option<i64>) {
    let (findings, _) = matched(&[call], records);
    match findings.as_slice() {
        [] => (None, 0, Some(0)),
        [one] => (Some(one.state), one.seconds, one.micros),
        several => panic!("{several:?}"),
    }
}

/// What is wrong with a call on purpose.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Planted {
    Nothing,
    NoRecord,
    NoCall,
    Amount(i64),
    Seconds(u32),
    Billed,
    Ledger(i64),
    NotTold,
    NotPosted,
}

fn planted() -> impl Strategy<Value = (Planted, u32, i64, bool, bool)> {
    let plants = prop_oneof![
        6 => Just(Planted::Nothing),
        1 => Just(Planted::NoRecord),
        1 => Just(Planted::NoCall),
        1 => (10_i64..9_000).prop_map(Planted::Amount),
        1 => (3_u32..4_000).prop_map(Planted::Seconds),
        1 => Just(Planted::Billed),
        1 => (10_i64..9_000).prop_map(Planted::Ledger),
        1 => Just(Planted::NotTold),
        1 => Just(Planted::NotPosted),
    ];
    (plants, 1_u32..4_000, 100_i64..5_000_000, any::<bool>(), any::<bool>())
}

proptest! {
    #[test]
    fn what_was_planted_is_found_and_nothing_else(
        plants in prop::collection::vec(planted(), 0..60), shuffle in any::<prop::sample::Index>(),
    ) {
        let (mut calls, mut records, mut expected) = (Vec::new(), Vec::new(), Vec::new());
        for (number, (planted, seconds, micros, transferred, without_session)) in plants.iter().enumerate() {
            let (number, mut micros) = (number as u128 + 1, *micros);
            let mut theirs = record(number, *seconds, micros);
            if *transferred {
                let target = CarrierRecord { leg: id(number + 500_000), ..record(number, 7, 33_333) };
                records.push(target);
                micros += 33_333;
            }
            let mut ours = call(number, *seconds, micros);
            let state = match planted {
                Planted::Nothing => None,
                Planted::NoRecord => {
                    records.retain(|record| record.leg != id(number + 500_000));
                    Some((MatchState::OursOnly, -i64::from(*seconds), -micros))
                }
                Planted::NoCall => Some((MatchState::TheirsOnly, i64::from(*seconds), theirs.charge.micros)),
                Planted::Amount(more) => {
                    theirs.charge.micros += more;
                    Some((MatchState::Differs, 0, *more))
                }
                Planted::Seconds(more) => {
                    theirs = CarrierRecord { charge: theirs.charge, ..record(number, seconds + more, 0) };
                    Some((MatchState::Differs, i64::from(*more), 0))
                }
                Planted::Billed => {
                    theirs.billed_seconds = Some(seconds + 7_777);
                    Some((MatchState::Differs, 7_777, 0))
                }
                Planted::Ledger(less) => {
                    ours.ledger = Some(dollars(micros - less));
                    Some((MatchState::Differs, 0, *less))
                }
                Planted::NotPosted => {
                    ours.ledger = None;
                    Some((MatchState::Differs, 0, micros))
                }
                Planted::NotTold => {
                    ours.told = None;
                    Some((MatchState::Differs, 0, micros))
                }
            };
            if *planted == Planted::NoCall {
                records.retain(|record| record.leg != id(number + 500_000));
            } else {
                calls.push(ours);
            }
            if *planted != Planted::NoRecord {
                // as the carrier does it: what it charges for control and for the line are two records
                let (control, line) = (theirs.charge.micros / 3, theirs.charge.micros - theirs.charge.micros / 3);
                records.push(CarrierRecord { charge: dollars(control), ..theirs });
                // and only one of them may have a session
                let session = theirs.session.filter(|_| !without_session);
                records.push(CarrierRecord { charge: dollars(line), session, ..theirs });
            }
            if let Some(state) = state {
                expected.push((id(number).0, state));
            }
        }
        if !records.is_empty() {
            let middle = shuffle.index(records.len());
            records.rotate_left(middle);
        }
        let (findings, matching) = matched(&calls, &records);
        let mut found: Vec<_> = findings
            .iter()
            .map(|one| (one.leg.unwrap(), (one.state, one.seconds, one.micros.unwrap())))
            .collect();
        found.sort_unstable();
        expected.sort_unstable();
        let differing = expected.iter().filter(|(_, state)| state.0 != MatchState::TheirsOnly).count();
        prop_assert_eq!(found, expected);
        prop_assert_eq!(matching, calls.len() - differing);
    }
}

#[test]
fn steps_of_the_carrier_are_no_difference_and_a_minute_too_many_is() {
    let billed = |seconds, billed| {
        let record = CarrierRecord { billed_seconds: Some(billed), seconds: None, ..record(1, 0, 50) };
        state_of(call(1, seconds, 50), &[record]).1
    };
    for (seconds, charged) in
        [(61, 61), (61, 66), (61, 120), (4, 30), (32, 36), (32, 60), (59, 60), (60, 120)]
    {
        assert_eq!(billed(seconds, charged), 0, "{seconds} s charged as {charged} s");
    }
    for (seconds, charged, difference) in [(61, 180, 119), (20, 120, 100), (61, 31, -30), (30, 0, -30)] {
        assert_eq!(billed(seconds, charged), difference, "{seconds} s charged as {charged} s");
    }
    // two clocks
    assert_eq!(state_of(call(1, 61, 50), &[record(1, 59, 50)]), (None, 0, Some(0)));
    assert_eq!(state_of(call(1, 61, 50), &[record(1, 58, 50)]).0, Some(MatchState::Differs));
    // who was not answered is not charged for time
    let unanswered = call(1, 0, 0);
    assert_eq!(state_of(unanswered, &[record(1, 0, 0)]).0, None);
    assert_eq!(state_of(unanswered, &[record(1, 1, 0)]), (Some(MatchState::Differs), 1, Some(0)));
    // answered and over at once
    let short = OurCall { answered: true, ..call(1, 0, 48) };
    assert_eq!(state_of(short, &[CarrierRecord { billed_seconds: Some(60), ..record(1, 0, 48) }]).0, None);
}

#[test]
fn amounts_are_equal_to_the_millionth_that_each_record_is_rounded_to() {
    let ours = call(1, 60, 100);
    assert_eq!(state_of(ours, &[record(1, 60, 50), record(1, 60, 52)]).0, None);
    assert_eq!(state_of(ours, &[record(1, 60, 50), record(1, 60, 53)]).2, Some(3));
    let euros = Charge { micros: 100, currency: "EUR".parse().ok() };
    let other = state_of(ours, &[CarrierRecord { charge: euros, ..record(1, 60, 0) }]);
    assert_eq!(other, (Some(MatchState::Differs), 0, None));
    // of a carrier that tells nothing only the time is compared
    let untold = OurCall { told: None, ledger: Some(dollars(0)), ..ours };
    let claim = table(&[record(1, 60, 100)]).claim(&untold).unwrap();
    let silent = MatchTerms { tells: false, ..terms() };
    assert!(matches!(judge(&untold, Some(&claim), &silent), Judged::Matched(_)));
    // the ledger has another currency, so it has no cost of the carrier
    let elsewhere = Charge { micros: 0, currency: "EUR".parse().ok() };
    let ours = OurCall { ledger: Some(elsewhere), ..ours };
    assert_eq!(state_of(ours, &[record(1, 60, 100)]).0, None);
}

#[test]
fn legs_of_one_session_that_are_two_calls_of_ours_are_told_apart() {
    let session = Some(id(9));
    let [one, two] = [call(1, 60, 100), call(2, 30, 40)].map(|call| OurCall { session, ..call });
    let records = [record(1, 60, 100), record(2, 30, 40)].map(|record| CarrierRecord { session, ..record });
    assert_eq!(matched(&[one, two], &records), (vec![], 2));
    let goes_on = OurCall { ended: false, ..one };
    assert_eq!(judge(&goes_on, None, &terms()), Judged::Open);
    // a call that never had a leg, and that nobody charges for
    let queued = OurCall { leg: None, session: None, told: None, ledger: None, ..call(3, 0, 0) };
    assert_eq!(matched(&[queued], &[]), (vec![], 0));
}

#[test]
fn a_call_takes_no_leg_that_is_another_calls_own() {
    let session = Some(id(9));
    let [one, two] = [call(1, 60, 100), call(2, 30, 40)].map(|call| OurCall { session, ..call });
    let split = |leg, seconds, micros: [i64; 2]| {
        micros.map(|micros| CarrierRecord { session, ..record(leg, seconds, micros) })
    };
    // a millionth too much by rounding
    let records = [split(1, 60, [50, 51]), split(2, 30, [20, 20])].concat();
    assert_eq!(matched(&[one, two], &records), (vec![], 2));
    assert_eq!(matched(&[two, one], &records), (vec![], 2));
    // a carrier that told nothing of one
    let untold = OurCall { told: None, ledger: None, ..one };
    let (findings, matching) = matched(&[untold, two], &records);
    assert_eq!((findings.len(), findings[0].micros, matching), (1, Some(101), 1));
    // the leg of a transfer is nobody's own
    let transferred = OurCall { told: Some(dollars(107)), ledger: Some(dollars(107)), ..one };
    let records = [records, split(3, 10, [3, 3]).to_vec()].concat();
    assert_eq!(matched(&[transferred, two], &records), (vec![], 2));
}

#[test]
fn a_leg_whose_records_differ_in_having_a_session_is_one() {
    let without = CarrierRecord { session: None, ..record(1, 60, 50) };
    let records = [record(1, 60, 50), without, CarrierRecord { leg: id(2), ..record(1, 5, 7) }];
    assert_eq!(table(&records).len(), 2);
    assert_eq!(state_of(call(1, 60, 107), &records).0, None);
    let (findings, _) = matched(&[], &records[..2]);
    assert_eq!((findings.len(), findings[0].micros), (1, Some(100)));
}

#[test]
fn what_the_ledger_should_have_and_has_not_is_a_difference() {
    let unposted = OurCall { ledger: None, ..call(1, 60, 100) };
    assert_eq!(state_of(unposted, &[record(1, 60, 100)]), (Some(MatchState::Differs), 0, Some(100)));
    let claim = table(&[record(1, 60, 100)]).claim(&unposted).unwrap();
    let agrees = |call: &OurCall, charged_since| {
        let terms = MatchTerms { charged_since, ..terms() };
        matches!(judge(call, Some(&claim), &terms), Judged::Matched(_))
    };
    // a client that is not billed, not yet, or in another currency; a call that costs it nothing
    assert!(agrees(&unposted, None));
    assert!(
        agrees(&unposted, Some((at(2), Currency::USD))) && !agrees(&unposted, Some((at(1), Currency::USD)))
    );
    assert!(agrees(&unposted, "EUR".parse().ok().map(|euros| (at(0), euros))));
    let foreign = OurCall { kind: CallKind::Foreign, ledger: Some(dollars(0)), ..unposted };
    assert!(agrees(&foreign, Some((at(0), Currency::USD))));
}

#[test]
fn what_is_charged_follows_from_the_carriers_own_length() {
    let billed = |billed| CarrierRecord { billed_seconds: Some(billed), ..record(1, 59, 50) };
    assert_eq!(state_of(call(1, 59, 50), &[billed(60)]).0, None);
    assert_eq!(state_of(call(1, 59, 50), &[billed(120)]), (Some(MatchState::Differs), 61, Some(0)));
}

#[test]
fn a_call_whose_end_was_never_told_is_a_difference_once_it_must_be_over() {
    let open = OurCall { ended: false, told: None, ledger: None, ..call(1, 0, 0) };
    let claim = table(&[record(1, 60, 100)]).claim(&open);
    let judged = |claim: Option<&Claim>, over| judge(&open, claim, &MatchTerms { over, ..terms() });
    assert_eq!(judged(claim.as_ref(), false), Judged::Open);
    assert_eq!(judged(None, true), Judged::Open);
    let Judged::Found(finding) = judged(claim.as_ref(), true) else { panic!("nothing found") };
    assert_eq!((finding.state, finding.seconds, finding.micros), (MatchState::Differs, 60, Some(100)));
}

#[test]
fn a_record_that_names_no_connection_is_joined_and_never_listed_by_itself() {
    let unnamed = |leg| CarrierRecord { is_ours: false, ..record(leg, 60, 100) };
    assert_eq!(matched(&[call(1, 60, 100)], &[unnamed(1), unnamed(2)]), (vec![], 1));
    // one of its records says so
    let (findings, _) = matched(&[], &[unnamed(1), record(1, 60, 100)]);
    assert_eq!((findings.len(), findings[0].micros), (1, Some(200)));
}

#[test]
fn more_legs_than_are_kept_are_refused() {
    let mut collector = RecordCollector::new(2);
    for number in 0..3 {
        collector.add(&record(number, 1, 1)).unwrap();
    }
    assert_eq!(collector.finish().unwrap_err(), TooManyRecords(2));
    let mut collector = RecordCollector::new(10);
    let many = (0..1_000_000).map(|number| collector.add(&record(number, 1, 1)));
    assert_eq!(many.filter(|added| added.is_err()).count().min(1), 1);
}

#[test]
fn a_finding_is_listed_once_and_again_when_it_changes_or_matches() {
    let (day, provider) = ("2026-05-01".parse().unwrap(), "telnyx");
    let id: BillingMatchId = MatchDay::id(crate::ids::ClientId(Uuid::from_u128(7)), provider, day);
    let (missing, other) = (&[], &[record(1, 60, 120)]);
    let one = matched(&[call(1, 60, 100)], missing).0[0];
    let two = matched(&[call(1, 60, 100)], other).0[0];
    let list = |finding: Finding, second| MatchCommand::List { findings: vec![finding], id, at: at(second) };
    let listed =
        |finding: Finding, second| MatchListed { id: finding.id(id), finding, at: at(second) }.into();
    let matches = Finding { state: MatchState::Matched, ..one };
    scenario::<MatchDay>().when(list(matches, 1)).then_nothing();
    let there = scenario::<MatchDay>().when(list(one, 1)).then([listed(one, 1)]).and();
    there.clone().when(list(one, 2)).then_nothing();
    let there = there.when(list(two, 3)).then([listed(two, 3)]).and();
    let settled = MatchSettled { id: two.id(id), at: at(4) };
    let ids = vec![two.id(id), Uuid::nil()];
    there.clone().when(MatchCommand::Settle { ids, at: at(4) }).then([settled.into()]);
    let matches = Finding { state: MatchState::Matched, ..two };
    let there = there.when(list(matches, 5)).then([listed(matches, 5)]).and();
    there.when(list(matches, 6)).then_nothing();
    // the same call has one place, and a record without a call another
    assert_eq!(one.id(id), two.id(id));
    let alone = matched(&[], &[record(1, 60, 100)]).0[0];
    assert_ne!(alone.id(id), one.id(id));
    // only records of the carrier's can be gone
    let mut day = MatchDay::default();
    for finding in [one, alone] {
        day.evolve(&listed(finding, 1));
    }
    assert_eq!(day.open_records().collect::<Vec<_>>(), [alone.id(id)]);
    assert!(!day.is_news(one.id(id), &one) && day.is_news(one.id(id), &two));
}

#[test]
fn a_day_is_matched_after_its_end_and_looked_at_again_for_late_records() {
    let schedule = |events: &[MatchScheduleEvent]| {
        let mut schedule = MatchSchedule::default();
        events.iter().for_each(|event| schedule.evolve(event));
        schedule
    };
    let first = day_of_time(at(0));
    let finished = |began_at: Time| DaysMatched {
        day: first,
        began_at,
        clients: 1,
        failed: 0,
        counts: MatchCounts::default(),
        at: began_at + TimeDelta::seconds(9),
    };
    let after = |hours| begin_of(first) + TimeDelta::hours(hours);
    let due = |hours, schedule: &MatchSchedule| schedule.due(after(hours), first).contains(&first);
    let fresh = schedule(&[]);
    assert_eq!([29, 30, 100, 15 * 24 + 1].map(|hours| due(hours, &fresh)), [false, true, true, false]);
    assert!(fresh.due(after(30), first.succ_opt().unwrap()).is_empty());
    let once = schedule(&[finished(after(30)).into()]);
    assert_eq!([31, 53, 54, 60].map(|hours| due(hours, &once)), [false, false, true, true]);
    let twice = schedule(&[finished(after(30)).into(), finished(after(60)).into()]);
    assert_eq!([61, 173, 174].map(|hours| due(hours, &twice)), [false, false, true]);
    let requested = RunRequested { day: first, origin: Origin::default(), at: after(5) };
    let asked = schedule(&[requested.clone().into()]);
    assert!(due(5, &asked) && asked.is_requested(first));
    // asked for while a run was under way: that run did not do it
    let still = schedule(&[requested.clone().into(), finished(after(4)).into()]);
    assert!(still.is_requested(first));
    let done = schedule(&[requested.into(), finished(after(5)).into()]);
    assert!(!done.is_requested(first) && !due(6, &done));
}

#[test]
fn a_run_is_asked_for_a_day_that_has_begun() {
    let request = |day: &str, hours| MatchScheduleCommand::Request {
        day: day.parse().unwrap(),
        origin: Origin::default(),
        now: begin_of("2026-05-02".parse().unwrap()) + TimeDelta::hours(hours),
    };
    let there = scenario::<MatchSchedule>();
    there.clone().when(request("2026-05-03", 1)).then_refused(MatchScheduleRefusal::Future);
    there.clone().when(request("2025-03-01", 1)).then_refused(MatchScheduleRefusal::TooOld);
    let now = begin_of("2026-05-02".parse().unwrap()) + TimeDelta::hours(1);
    let (day, origin) = ("2026-05-02".parse().unwrap(), Origin::default());
    let there =
        there.when(request("2026-05-02", 1)).then([RunRequested { day, origin, at: now }.into()]).and();
    there.when(request("2026-05-02", 1)).then_nothing();
    assert_eq!(BillingMatchScheduleId::OF_NODE.stream().category(), MatchSchedule::CATEGORY);
}
