//! Property: whatever commands a call gets, in whatever order, its rules hold.

use proptest::prelude::*;
use proptest::sample::select;
use uuid::Uuid;

use super::{Run, effect_of, retold};
use crate::aggregate::Aggregate;
use crate::call::report::{CarrierFact, HangUpCause as Cause, HangUpSource as Source, LegRole};
use crate::call::terms::{AnsweredBy, Direction, EndReason, EndedBy, Fault, SpeechOutcome};
use crate::call::{Call, CallCommand, CallEvent, Outcome, Queue, Timer};
use crate::ids::derive;
use crate::number::Route;
use crate::phone::Party;
use crate::testing::calls::*;

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        (-1e9..1e9f64).prop_map(Into::into),
        ".{0,8}".prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map(".{0,4}", inner, 0..4)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

/// A few ids only, so that commands share some.
fn ids() -> impl Strategy<Value = Uuid> {
    let mut all = vec![DIAL, id(1), id(2), id(3)];
    for leg in ["leg-in", "leg-out"] {
        all.extend(
            ["answer", "reject", "greeting", "ring", "max_duration"].map(|purpose| effect_of(leg, purpose)),
        );
    }
    all.extend(["ring", "max_duration"].map(|timer| derive(DIAL, timer)));
    select(all)
}

fn facts() -> impl Strategy<Value = CarrierFact> {
    let causes = vec![
        Cause::Normal,
        Cause::Cancelled,
        Cause::Busy,
        Cause::NoAnswer,
        Cause::TimeLimit,
        Cause::Rejected,
        Cause::NotFound,
        Cause::Unspecified,
    ];
    let sources = vec![Source::Caller, Source::Callee, Source::Unknown];
    let hang_up = (select(causes), select(sources), ".{0,6}", prop::option::of(100u16..700));
    prop_oneof![
        4 => select(vec![Direction::Inbound, Direction::Outbound])
            .prop_map(|direction| CarrierFact::Initiated { direction }),
        4 => Just(CarrierFact::Answered),
        2 => Just(CarrierFact::Bridged),
        1 => hang_up.prop_map(|(cause, source, word, sip)| hang_up_report(cause, source, &word, sip)),
        1 => Just(CarrierFact::SpeechStarted),
        1 => Just(CarrierFact::SpeechEnded(SpeechOutcome::Cancelled)),
        1 => any::<char>().prop_map(|key| CarrierFact::Dtmf(key.into())),
        1 => (".{0,6}", ".{0,6}")
            .prop_map(|(digits, status)| CarrierFact::Gathered { digits: digits.into(), status }),
        1 => select(AnsweredBy::ALL.to_vec()).prop_map(CarrierFact::AnsweredBy),
        1 => Just(recording_saved()),
        1 => ".{0,6}".prop_map(|reason| CarrierFact::RecordingFailed { reason }),
        1 => ".{0,20}".prop_map(|text| utterance(&text)),
        1 => any::<i64>().prop_map(cost),
        1 => Just(CarrierFact::Noted),
    ]
}

fn reports() -> impl Strategy<Value = CallCommand> {
    let lines = select(vec![
        Line::inbound(AGENT),
        Line::inbound(MENU),
        Line::inbound(Route::Reject),
        Line::inbound_to_nobody(),
        Line::dialled(),
        Line::dialled(),
        Line::transfer_target(),
    ]);
    (lines, facts(), 0..40i64, any::<[bool; 4]>()).prop_map(
        |(line, fact, seconds, [again, bare, untagged, odd])| {
            let mut report = line.report(fact, seconds);
            if again {
                report = retold(report);
            }
            if bare {
                (report.from, report.to, report.leg.control_id) = (None, None, None);
            }
            if untagged && line.role == LegRole::Main {
                report.tag = None;
            }
            if odd {
                report.raw = vec![0; 40];
            }
            line.takes(report)
        },
    )
}

fn settlements() -> impl Strategy<Value = CallCommand> {
    let outcome = prop_oneof![
        Just(Outcome::Accepted),
        any::<bool>().prop_map(|gone| Outcome::Failed { code: "90018".to_owned(), gone }),
    ];
    (ids(), outcome, 1..20u32, 0..40i64).prop_map(|(effect_id, outcome, attempts, seconds)| {
        CallCommand::Settle { effect_id, outcome, attempts, now: at(seconds) }
    })
}

fn dial_steps() -> impl Strategy<Value = CallCommand> {
    let effect = prop_oneof![9 => Just(DIAL), 1 => ids()];
    let reasons = select(vec![EndReason::DialTimeout, EndReason::InvalidNumber, EndReason::ProviderError]);
    let faults = select(Fault::ALL.to_vec());
    (effect, 0..6u8, reasons, faults, 0..40i64).prop_map(|(effect_id, step, reason, fault, seconds)| {
        let now = at(seconds);
        match step {
            0 | 1 => CallCommand::StartDial { effect_id, now },
            2 => CallCommand::PostponeDial { effect_id, now },
            3 => CallCommand::LoseDial { effect_id, now },
            4 => {
                let (provider, leg) = (PROVIDER.to_owned(), Line::dialled().leg);
                CallCommand::AcceptDial { effect_id, provider, leg, now }
            }
            _ => CallCommand::FailDial { effect_id, reason, fault, code: String::new(), now },
        }
    })
}

fn requests() -> impl Strategy<Value = CallCommand> {
    let party = select(vec![THEIR_NUMBER, COLLEAGUE, "sip:desk@pbx.example.test", "anonymous"]);
    let metadata = prop::collection::btree_map(".{0,6}", json(), 0..4);
    let reason = (select(EndReason::ALL.to_vec()), select(EndedBy::ALL.to_vec()));
    (ids(), 0..6u8, party, metadata, reason, ".{0,20}", any::<bool>()).prop_map(
        |(id, what, party, metadata, (reason, by), text, record)| {
            let now = at(20);
            match what {
                0 => CallCommand::HangUp { id, reason, by, now },
                1 => CallCommand::Say { id, text, now },
                2 => CallCommand::Transfer { id, to: Party::new(party), now },
                3 => CallCommand::SendDtmf { id, digits: "12#".to_owned(), now },
                4 => CallCommand::SetMetadata { id, metadata, now },
                _ => {
                    CallCommand::Queue(Box::new(Queue { metadata, record, to: Party::new(party), ..queue() }))
                }
            }
        },
    )
}

fn commands() -> impl Strategy<Value = CallCommand> {
    prop_oneof![
        6 => reports(),
        3 => requests(),
        3 => dial_steps(),
        2 => settlements(),
        1 => select(vec![Timer::Ring, Timer::MaxDuration]).prop_map(|timer| timer_fired(timer, 60)),
        1 => Just(CallCommand::LegLost { now: at(60) }),
    ]
}

/// Half of all sequences begin with a client's request for a call: by chance few would get there.
fn ways() -> impl Strategy<Value = Vec<CallCommand>> {
    let beginning = select(vec![
        vec![],
        vec![],
        vec![queued()],
        vec![queued(), start_dial(1)],
        talking_outbound(),
        talking_inbound(AGENT),
    ]);
    (beginning, prop::collection::vec(commands(), 0..40)).prop_map(|(mut all, more)| {
        all.extend(more);
        all
    })
}

/// Whether a repeat of the command must change nothing: every command that has an id of its own.
const fn is_idempotent(command: &CallCommand) -> bool {
    !matches!(command, CallCommand::StartDial { .. })
}

proptest! {
    #[test]
    fn every_way_through_a_call_is_sound(way in ways()) {
        let mut run = Run::default();
        for command in &way {
            let before = run.call.clone();
            run.take(command);
            run.stands_soundly()?;
            let kept = run.call.to_snapshot().and_then(|bytes| Call::from_snapshot(&bytes));
            prop_assert_eq!(kept.as_ref(), Some(&run.call));
            if before.is_over() {
                // the carrier's end replaces a guessed one, once, and a transfer explains one; nothing else does
                let reported = before.end_is_inferred() && !run.call.end_is_inferred();
                let reason = |call: &Call| call.ended.as_deref().map(|end| end.reason);
                let explained = reported
                    || before.transfer != run.call.transfer
                        && reason(&run.call) == Some(EndReason::Transferred);
                let kept = run.call.ended == before.ended;
                prop_assert!(kept || explained, "an end was changed by {:?}", command);
                prop_assert!(run.call.pending.is_empty(), "work after the end for {:?}", command);
            }
            if is_idempotent(command) {
                let again = run.call.decide(command).unwrap_or_default();
                prop_assert!(again.is_empty(), "{:?} again led to {:?}", command, again);
            }
        }
        run.is_sound()?;
    }

    /// The outbox, two nodes of it, a client and a timer compete over one dial; the carrier reports little.
    #[test]
    fn a_dial_is_never_doubled(
        steps in prop::collection::vec(
            prop_oneof![
                8 => dial_steps(),
                1 => Just(hang_up(1, 20)),
                1 => Just(timer_fired(Timer::Ring, 41)),
                1 => Just(Line::dialled().initiated(3)),
            ],
            0..12,
        )
    ) {
        let mut run = Run::of([&queued()]);
        for step in &steps {
            run.take(step);
            run.stands_soundly()?;
        }
        run.is_sound()?;
    }

    #[test]
    fn a_report_is_always_taken_and_kept(way in ways(), last in reports()) {
        let mut run = Run::of(&way);
        let CallCommand::Report { report, .. } = &last else { unreachable!() };
        let known = run.call.has_seen(&report.provider, &report.event_id);
        prop_assert!(run.call.decide(&last).is_ok(), "a carrier's webhook is never refused");
        let first = run.facts.len();
        prop_assert_eq!(run.take(&last) == 0, known);
        if !known {
            prop_assert!(matches!(&run.facts[first], CallEvent::CarrierEventReceived(_)));
        }
    }

    /// Facts of two calls in any order: no log looks like this, and still nothing breaks.
    #[test]
    fn evolve_takes_any_fact_in_any_state(
        facts in (ways(), ways())
            .prop_map(|(one, other)| [Run::of(&one).facts, Run::of(&other).facts].concat())
            .prop_shuffle()
    ) {
        let mut call = Call::default();
        for fact in &facts {
            let over = call.is_over();
            call.evolve(fact);
            prop_assert!(!over || (call.is_over() && call.status().is_terminal()));
            prop_assert!(!call.is_over() || call.pending.is_empty());
        }
    }
}
