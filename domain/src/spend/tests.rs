//! Rules of the spend limits and of their guard.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::aggregate::Aggregate as _;
use crate::envelope::Time;
use crate::ids::{AgentId, ApiKeyId, CallId};
use crate::origin::Origin;
use crate::phone::Party;
use crate::testing::calls::at;
use crate::testing::scenario::{Scenario, Then, scenario};

const KEY: ApiKeyId = ApiKeyId(Uuid::from_u128(71));
const AGENT: AgentId = AgentId(Uuid::from_u128(72));
const NUMBER: &str = "+12025550123";

fn destinations(allow: &[&str], deny: &[&str]) -> Destinations {
    let list = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    Destinations { allow: list(allow), deny: list(deny) }
}

fn attempt(n: u128, to: &str) -> Attempt {
    let call = CallId(Uuid::from_u128(n));
    let to = Party::new(to);
    // as good as a keyed hash for the few numbers here
    let mix = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193).rotate_left(7);
    let to_hash = target_of(&to).bytes().fold(0x811c_9dc5, mix);
    Attempt { call, key: Some(KEY), agent: Some(AGENT), to, to_hash, rate_per_minute: 12, estimate: 24 }
}

fn admit(n: u128, limits: &[(SpendScope, SpendLimits)], now: Time) -> GuardCommand {
    GuardCommand::Admit { attempt: attempt(n, NUMBER), limits: limits.to_vec(), now }
}

fn charge(n: u128, amount: i64, now: Time) -> GuardCommand {
    GuardCommand::Charge { call: CallId(Uuid::from_u128(n)), agent: Some(AGENT), amount, ended: now, now }
}

fn daily(most: i64) -> SpendLimits {
    SpendLimits { daily_spend: Some(most), ..SpendLimits::default() }
}

fn reached(then: &Then<SpendGuard>) -> Breach {
    let [SpendGuardEvent::Reached(reached)] = then.facts() else { panic!("{:?}", then.facts()) };
    reached.breach
}

#[test]
fn the_longest_entry_decides_and_what_is_not_allowed_is_denied() {
    type Texts = [&'static str];
    // allowed, denied, who may be called, who not
    let cases: &[(&Texts, &Texts, &Texts, &Texts)] = &[
        (&[], &[], &["+12025550123", "sip:a@pbx.example", "100"], &[]),
        (
            &["+1", "+49"],
            &[],
            &["+12025550123", "+4930123456"],
            &["+33123456789", "sip:a@pbx.example", "100"],
        ),
        (
            &[],
            &["+1900", "+53"],
            &["+12025550123", "sip:a@pbx.example"],
            &["+19005550123", "+5371234567", "100"],
        ),
        (&["+1"], &["+1900"], &["+12025550123"], &["+19005550123"]),
        (&["+1", "+1900555"], &["+1900"], &["+19005550123"], &["+19004440123"]),
        (&["+49"], &["+49"], &[], &["+4930123456"]),
        (
            &["sip:pbx.example"],
            &[],
            &["sip:a@pbx.example", "sips:b@PBX.example:5061;transport=tls"],
            &["+12025550123", "sip:a@pbx.example.evil.example", "sip:pbx.example@evil.example"],
        ),
        // a number that is written as an address is still that number
        (&[], &["+1900"], &["sip:+12025550123@pbx.example"], &["sip:+19005550123@pbx.example"]),
        (
            &["sip:pbx.example"],
            &["+1900"],
            &["sip:+12025550123@pbx.example"],
            &["sip:+19005550123@pbx.example", "sip:0019005550123@pbx.example"],
        ),
        (
            &["+1"],
            &["sip:evil.example"],
            &["sip:+12025550123@pbx.example"],
            &["sip:+12025550123@evil.example"],
        ),
        // what cannot be told for certain is denied
        (
            &["sip:pbx.example"],
            &["sip:evil.example", "+1900"],
            &["sip:a@pbx.example.", "sip:pbx.example:5060"],
            &[
                "sip:a@evil.example;x=@pbx.example",
                "sip:a@evil.example.",
                "sip:a@%65vil.example",
                "sip:+19005550123@pbx.example;x=<+12025550123",
                "sip:%2B1%39005550123@pbx.example",
                "sip:+19005550123,1@pbx.example",
                "sip:+1(900)555-0123@pbx.example",
                "sip:01119005550123@pbx.example",
                "sip:9005550123@pbx.example",
                "sip:a;x=+19005550123@pbx.example",
                "sip:a@pbx.example:5060@evil.example",
            ],
        ),
        // an extension of one's own system
        (&["+1", "sip:pbx.example"], &[], &["sip:100@pbx.example"], &["sip:100@[2001:db8::1]:5060"]),
    ];
    for (allow, deny, yes, no) in cases {
        let rules = destinations(allow, deny);
        for party in *yes {
            assert!(rules.allows(&Party::new(party)), "{party} with {allow:?} and {deny:?}");
        }
        for party in *no {
            assert!(!rules.allows(&Party::new(party)), "{party} with {allow:?} and {deny:?}");
        }
    }
    for bad in ["", "+", "+0", "49", "+49 30", "+1234567890", "sip:", "sip:a@b", "https://x", "+4*"] {
        assert_eq!(bad.parse::<Destination>(), Err(BadDestination), "{bad}");
    }
}

#[test]
fn limits_are_changed_one_by_one_and_lifted() {
    let change =
        |scope, patch| SpendLimitsCommand::Change { scope, patch, origin: Origin::default(), now: at(1) };
    let patch = |daily_spend| SpendLimitsPatch { daily_spend, ..SpendLimitsPatch::default() };
    let agent = SpendScope::Agent(AGENT);
    let rules = scenario::<SpendRules>().after([change(agent, patch(Some(Some(500))))]);
    let minute = SpendLimitsPatch { calls_per_minute: Some(Some(3)), ..SpendLimitsPatch::default() };
    let rules = rules.after([change(agent, minute)]);
    let both = SpendLimits { calls_per_minute: Some(3), ..daily(500) };
    assert_eq!(rules.state().of(agent), both);
    assert_eq!(rules.state().for_call(Some(KEY), Some(AGENT)), [(agent, both)]);
    assert_eq!(rules.state().for_call(Some(KEY), None), []);
    rules.clone().when(change(agent, patch(Some(Some(500))))).then_nothing();
    let amount = SpendRefusal::Amount("daily_spend");
    rules.clone().when(change(agent, patch(Some(Some(-1))))).then_refused(amount);
    rules.clone().when(change(agent, patch(Some(Some(i64::MAX))))).then_refused(amount);
    let many = SpendLimitsPatch { calls_per_minute: Some(Some(10_001)), ..SpendLimitsPatch::default() };
    rules.clone().when(change(agent, many)).then_refused(SpendRefusal::Calls("calls_per_minute"));
    let lift = SpendLimitsPatch { calls_per_minute: Some(None), ..patch(Some(None)) };
    assert!(rules.after([change(agent, lift)]).state().is_empty());
}

#[test]
fn so_many_keys_and_agents_have_limits_of_their_own() {
    let change = |n: u128| SpendLimitsCommand::Change {
        scope: SpendScope::Agent(AgentId(Uuid::from_u128(n))),
        patch: SpendLimitsPatch { daily_spend: Some(Some(1)), ..SpendLimitsPatch::default() },
        origin: Origin::default(),
        now: at(1),
    };
    let rules = scenario::<SpendRules>().after((0..500).map(change));
    rules.when(change(500)).then_refused(SpendRefusal::TooMany);
}

#[test]
fn a_call_counts_with_its_estimate_until_it_is_charged() {
    let limits = [(SpendScope::Client, daily(60))];
    let guard = scenario::<SpendGuard>().after([admit(1, &limits, at(0)), admit(2, &limits, at(1))]);
    assert_eq!(guard.state().spent(SpendScope::Client, at(1)), 48);
    let breach = Breach { scope: SpendScope::Client, limit: LimitKind::DailySpend, allowed: 60, found: 48 };
    assert_eq!(reached(&guard.clone().when(admit(3, &limits, at(2)))), breach);
    let guard = guard.after([charge(1, 5, at(3)), admit(3, &limits, at(4))]);
    for scope in [SpendScope::Client, SpendScope::Key(KEY), SpendScope::Agent(AGENT)] {
        assert_eq!(guard.state().spent(scope, at(4)), 53);
    }
    // what is charged later takes the place of what was known
    guard.clone().when(charge(1, 5, at(5))).then_nothing();
    let guard = guard.after([charge(1, 9, at(5)), charge(2, 0, at(6)), charge(3, 0, at(7))]);
    assert_eq!(guard.state().spent(SpendScope::Client, at(7)), 9);
    // a call that came in counts once it is charged
    let guard = guard.after([charge(8, 40, at(8))]);
    assert_eq!(guard.state().spent(SpendScope::Client, at(8)), 49);
    assert_eq!(guard.state().spent(SpendScope::Key(KEY), at(8)), 9);
    assert_eq!(reached(&guard.when(admit(9, &limits, at(9)))), Breach { found: 49, ..breach });
}

#[test]
fn the_same_request_is_admitted_once() {
    let limits = [(SpendScope::Client, SpendLimits { calls_per_minute: Some(1), ..daily(30) })];
    let guard = scenario::<SpendGuard>().after([admit(1, &limits, at(0))]);
    guard.when(admit(1, &limits, at(1))).then_nothing();
}

#[test]
fn a_minute_and_an_hour_pass() {
    let by_minute = SpendLimits { calls_per_minute: Some(2), ..SpendLimits::default() };
    let limits = [(SpendScope::Key(KEY), by_minute)];
    let guard = scenario::<SpendGuard>().after([admit(1, &limits, at(0)), admit(2, &limits, at(30))]);
    let breach = reached(&guard.clone().when(admit(3, &limits, at(59))));
    assert_eq!((breach.limit, breach.allowed, breach.found), (LimitKind::CallsPerMinute, 2, 2));
    let guard = guard.after([admit(3, &limits, at(60))]);
    assert_eq!(reached(&guard.when(admit(4, &limits, at(61)))).limit, LimitKind::CallsPerMinute);

    let loops = SpendLimits { calls_per_number: Some(2), ..SpendLimits::default() };
    let limits = [(SpendScope::Client, loops)];
    let guard = scenario::<SpendGuard>().after([admit(1, &limits, at(0)), admit(2, &limits, at(600))]);
    let to = |n, to: &str, now| GuardCommand::Admit { attempt: attempt(n, to), limits: limits.to_vec(), now };
    // however the number is written
    let again = guard.clone().when(to(3, "sip:+12025550123@pbx.example", at(3_599)));
    assert_eq!(reached(&again).limit, LimitKind::CallsPerNumber);
    let guard = guard.after([to(3, "+12025550124", at(3_599))]);
    guard.when(to(4, NUMBER, at(3_600))).then_types(["spend_guard.call_admitted"]);
}

#[test]
fn a_day_begins_anew_and_a_late_charge_belongs_to_the_day_of_its_call() {
    let limits = [(SpendScope::Client, daily(30))];
    let midnight = Time::from_timestamp(1_768_521_600, 0).unwrap();
    let second = chrono::TimeDelta::seconds(1);
    let guard = scenario::<SpendGuard>().after([admit(1, &limits, midnight - second)]);
    assert_eq!(guard.state().spent(SpendScope::Client, midnight), 0);
    let guard = guard.after([admit(2, &limits, midnight), charge(1, 29, midnight + second)]);
    assert_eq!(guard.state().spent(SpendScope::Client, midnight), 24);
    // a clock that was set back does not bring yesterday back
    let guard = guard.after([charge(2, 10, midnight - second)]);
    assert_eq!(guard.state().spent(SpendScope::Client, midnight), 10);
}

#[test]
fn a_call_that_is_not_placed_after_all_is_as_if_it_had_not_been_asked_for() {
    let limits = [(SpendScope::Client, SpendLimits { calls_per_minute: Some(1), ..daily(30) })];
    let forgo = |n| GuardCommand::Forgo { call: CallId(Uuid::from_u128(n)), now: at(1) };
    let guard = scenario::<SpendGuard>().after([admit(1, &limits, at(0)), forgo(1)]);
    assert_eq!(guard.state().spent(SpendScope::Client, at(1)), 0);
    guard.clone().when(forgo(1)).then_nothing();
    // it is judged again when it is asked for again
    let guard = guard.after([admit(2, &limits, at(2))]);
    assert_eq!(reached(&guard.when(admit(1, &limits, at(3)))).limit, LimitKind::CallsPerMinute);
}

#[test]
fn an_agent_that_takes_a_call_from_a_menu_is_charged_for_it() {
    let limits = [(SpendScope::Agent(AGENT), daily(30))];
    let attempt = Attempt { agent: None, ..attempt(1, NUMBER) };
    let by_menu = GuardCommand::Admit { attempt, limits: limits.to_vec(), now: at(0) };
    let guard = scenario::<SpendGuard>().after([by_menu, charge(1, 20, at(1)), charge(1, 25, at(2))]);
    for scope in [SpendScope::Client, SpendScope::Key(KEY), SpendScope::Agent(AGENT)] {
        assert_eq!(guard.state().spent(scope, at(2)), 25, "{scope:?}");
    }
    assert_eq!(guard.state().counts_for(CallId(Uuid::from_u128(1))), (Some(KEY), Some(AGENT)));
}

#[test]
fn a_charge_of_an_old_call_is_no_money_of_today() {
    let day = chrono::TimeDelta::days(1);
    let late = |ended, now| {
        let call = CallId(Uuid::from_u128(1));
        GuardCommand::Charge { call, agent: None, amount: 70, ended, now }
    };
    let guard = scenario::<SpendGuard>();
    guard.clone().when(late(at(0), at(0) + day + day)).then_nothing();
    let guard = guard.after([late(at(0), at(0) + day)]);
    assert_eq!(guard.state().spent(SpendScope::Client, at(0) + day), 0);
}

#[test]
fn a_clock_that_was_days_ahead_does_not_hold_the_day() {
    let limits = [(SpendScope::Client, daily(30))];
    let year = chrono::TimeDelta::days(365);
    let guard = scenario::<SpendGuard>().after([admit(1, &limits, at(0) + year)]);
    assert_eq!(guard.state().spent(SpendScope::Client, at(1)), 0);
    let guard = guard.after([admit(2, &limits, at(2))]);
    assert_eq!(guard.state().spent(SpendScope::Client, at(2)), 24);
}

#[test]
fn a_limit_that_stays_reached_is_noted_once_an_hour() {
    let limits = [(SpendScope::Client, daily(0))];
    let guard = scenario::<SpendGuard>().when(admit(1, &limits, at(0)));
    let breach = reached(&guard);
    let guard = guard.and();
    guard.clone().when(admit(2, &limits, at(3_599))).then_refused(breach);
    assert_eq!(reached(&guard.clone().when(admit(2, &limits, at(3_600)))), breach);
    let other = [(SpendScope::Agent(AGENT), daily(0))];
    assert_eq!(reached(&guard.when(admit(2, &other, at(1)))).scope, SpendScope::Agent(AGENT));
}

#[test]
fn a_transfer_is_held_to_destinations_and_money_but_is_no_call_of_its_own() {
    let limits =
        SpendLimits { calls_per_minute: Some(1), destinations: destinations(&["+1"], &[]), ..daily(30) };
    let limits = [(SpendScope::Client, limits)];
    let asked = |to, effect| {
        let (attempt, limits) = (attempt(1, to), limits.to_vec());
        GuardCommand::Transfer { attempt, effect, limits, now: at(1) }
    };
    let transfer = |to| asked(to, None);
    let guard = scenario::<SpendGuard>().after([admit(1, &limits, at(0))]);
    guard.clone().when(transfer("+12025550199")).then_nothing();
    assert_eq!(reached(&guard.clone().when(transfer("+4930123456"))).limit, LimitKind::Destination);
    // the call's own estimate is no reason against it, what others cost is
    let others = guard.clone().after([charge(2, 30, at(1))]);
    assert_eq!(reached(&others.when(transfer("+12025550199"))).limit, LimitKind::DailySpend);
    // the command of the carrier gets the same answer, whatever was spent meanwhile
    let sent = || asked("+12025550199", Some(Uuid::from_u128(900)));
    let then = guard.when(sent()).then_types(["spend_guard.transfer_admitted"]);
    then.and().after([charge(2, 30, at(1))]).when(sent()).then_nothing();
}

#[test]
fn what_is_remembered_is_bounded_and_an_old_call_is_not_counted_twice() {
    let began = |n: u64| CallId(Uuid::from_u128(u128::from(1_767_225_600_000 + n) << 80 | 7));
    let mut guard = SpendGuard::default();
    let limits = [(SpendScope::Client, daily(i64::MAX))];
    for n in 0..21_000_u64 {
        let attempt = Attempt { call: began(n), ..attempt(0, NUMBER) };
        let admit = GuardCommand::Admit { attempt, limits: limits.to_vec(), now: at(0) };
        guard.decide(&admit).unwrap().iter().for_each(|fact| guard.evolve(fact));
    }
    let late = |n| GuardCommand::Charge { call: began(n), agent: None, amount: 7, ended: at(9), now: at(9) };
    assert_eq!(guard.decide(&late(10_999)), Ok(vec![]));
    assert_eq!(guard.decide(&late(11_000)).map(|facts| facts.len()), Ok(1));
    let bytes = guard.to_snapshot().unwrap();
    assert!(bytes.len() < 4 << 20, "{} bytes", bytes.len());
    assert_eq!(SpendGuard::from_snapshot(&bytes), Some(guard));
}

/// What happens to a guard on two days, few calls so that they repeat.
#[derive(Debug, Clone)]
enum Step {
    Admit(u128),
    Charge(u128, i64),
}

fn steps() -> impl Strategy<Value = Vec<(Step, u64)>> {
    let step = prop_oneof![
        (0_u128..12).prop_map(Step::Admit),
        (0_u128..12, 0_i64..60).prop_map(|(n, amount)| Step::Charge(n, amount)),
    ];
    prop::collection::vec((step, 0_u64..5_000), 1..25)
}

proptest! {
    /// Against a count made from scratch of every call of the day: what is spent is the sum of estimates and charges, no
    /// call is admitted beyond the limits, and none is refused within them.
    #[test]
    fn what_is_admitted_is_what_a_plain_count_admits(steps in steps(), most in 0_i64..200, minute in 0_u32..4) {
        let limits = [(SpendScope::Client, SpendLimits { calls_per_minute: Some(minute), ..daily(most) })];
        let mut guard: Scenario<SpendGuard> = scenario();
        // call, day, what it counts; and when calls were admitted
        let (mut counted, mut admitted) = (Vec::<(u128, i64, i64)>::new(), Vec::<Time>::new());
        let mut now = at(0);
        for (step, seconds) in steps {
            now += chrono::TimeDelta::seconds(seconds as i64);
            let day = now.timestamp().div_euclid(86_400);
            let spent = |counted: &[(u128, i64, i64)]| -> i64 {
                counted.iter().filter(|(_, of, _)| *of == day).map(|(_, _, amount)| amount).sum()
            };
            match step {
                Step::Admit(n) => {
                    let is_known = counted.iter().any(|(of, ..)| *of == n);
                    let lately = admitted.iter().filter(|at| now - **at < chrono::TimeDelta::minutes(1)).count();
                    let may = spent(&counted) < most && spent(&counted) + 24 <= most && lately < minute as usize;
                    let then = guard.when(admit(n, &limits, now));
                    let is_admitted = matches!(then.decision(), Ok([SpendGuardEvent::Admitted(_)]));
                    prop_assert_eq!(is_admitted, !is_known && may);
                    if is_admitted {
                        counted.push((n, day, 24));
                        admitted.push(now);
                    }
                    guard = then.and();
                }
                Step::Charge(n, amount) => {
                    match counted.iter_mut().find(|(of, ..)| *of == n) {
                        Some((_, _, counts)) => *counts = amount,
                        None if amount != 0 => counted.push((n, day, amount)),
                        None => {}
                    }
                    guard = guard.when(charge(n, amount, now)).and();
                }
            }
            prop_assert_eq!(guard.state().spent(SpendScope::Client, now), spent(&counted));
        }
    }
}
