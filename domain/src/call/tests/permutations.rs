//! Property: in whatever order a carrier delivers a call's webhooks, and however often, the call ends up the same.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{Run, retold};
use crate::call::report::{CarrierFact, CarrierReport, HangUpCause as Cause, HangUpSource as Source};
use crate::call::state::Transfer;
use crate::call::terms::{AnsweredBy, EndReason, SpeechOutcome, Status};
use crate::call::{CallCommand, CallEvent, DialAccepted};
use crate::number::Route;
use crate::testing::calls::*;

/// Final state of a call, as far as the carrier's webhooks decide it.
#[derive(Debug, PartialEq)]
struct Summary {
    status: Status,
    end: Option<(EndReason, String, Option<u16>, crate::envelope::Time)>,
    ended_by_and_fault: String,
    answered_at: Option<crate::envelope::Time>,
    answered_by: Option<AnsweredBy>,
    cost: Option<crate::money::Money>,
    recording: String,
    parties: String,
    route: Option<Route>,
    appeared_at: Option<crate::envelope::Time>,
    rang_at: Vec<crate::envelope::Time>,
    control_id: Option<String>,
    heard: usize,
    receipts: usize,
}

fn summary(run: &Run) -> Summary {
    let call = &run.call;
    let ended = call.ended.as_deref();
    let reveal = |party: &Option<crate::personal::Personal<crate::phone::Party>>| {
        party.as_ref().and_then(|party| party.reveal().map(|party| party.as_str().to_owned()))
    };
    let count = |wanted: fn(&CallEvent) -> bool| run.facts.iter().filter(|fact| wanted(fact)).count();
    Summary {
        status: call.status(),
        end: ended
            .map(|end| (end.reason, end.provider_code.clone().unwrap_or_default(), end.sip_code, end.at)),
        ended_by_and_fault: format!("{:?}", ended.map(|end| (end.ended_by, end.fault))),
        answered_at: call.answered_at,
        answered_by: call.answered_by,
        cost: call.cost.clone(),
        recording: format!("{:?}", call.recording),
        parties: format!("{:?} {:?} {:?}", call.direction, reveal(&call.from), reveal(&call.to)),
        route: call.route,
        appeared_at: call.appeared_at,
        rang_at: run
            .facts
            .iter()
            .filter_map(|fact| if let CallEvent::Ringing(ringing) = fact { Some(ringing.at) } else { None })
            .collect(),
        control_id: call.control_id().map(str::to_owned),
        heard: count(|fact| matches!(fact, CallEvent::LineTranscribed(_) | CallEvent::DtmfReceived(_))),
        receipts: count(|fact| matches!(fact, CallEvent::CarrierEventReceived(_))),
    }
}

/// A call as its carrier reports it.
#[derive(Debug, Clone)]
struct Story {
    line: Line,
    /// What we asked for before the first of `news`.
    asked: Vec<CallCommand>,
    /// Webhooks of the carrier, in the order the facts happened.
    news: Vec<CarrierReport>,
    /// What else reaches the call meanwhile, at any moment.
    meanwhile: Vec<CallCommand>,
}

impl Story {
    fn run(&self, order: &[CallCommand]) -> Run {
        Run::of(self.asked.iter().chain(order))
    }

    fn in_order(&self) -> Run {
        let news = self.news.iter().map(|report| self.line.takes(report.clone()));
        self.run(&self.meanwhile.iter().cloned().chain(news).collect::<Vec<_>>())
    }
}

fn endings(answered: bool, refused: bool) -> impl Strategy<Value = CarrierFact> {
    let ours = vec![
        (Cause::Rejected, Source::Callee, "call_rejected", Some(603)),
        (Cause::Cancelled, Source::Caller, "originator_cancel", Some(487)),
    ];
    let after = vec![
        (Cause::Normal, Source::Caller, "normal_clearing", Some(200)),
        (Cause::Normal, Source::Callee, "normal_clearing", Some(200)),
        (Cause::Normal, Source::Unknown, "normal_clearing", None),
        (Cause::TimeLimit, Source::Unknown, "time_limit", None),
        (Cause::Unspecified, Source::Unknown, "unspecified", Some(503)),
        (Cause::Unspecified, Source::Unknown, "unspecified", None),
    ];
    let before = vec![
        (Cause::Cancelled, Source::Caller, "originator_cancel", Some(487)),
        (Cause::Busy, Source::Callee, "user_busy", Some(486)),
        (Cause::NoAnswer, Source::Unknown, "timeout", Some(408)),
        (Cause::Rejected, Source::Callee, "call_rejected", Some(603)),
        (Cause::Rejected, Source::Callee, "call_rejected", Some(503)),
        (Cause::NotFound, Source::Unknown, "not_found", Some(404)),
        (Cause::Unspecified, Source::Unknown, "something_new", None),
    ];
    let all = if refused { ours } else { [before, after][usize::from(answered)].clone() };
    select(all).prop_map(|(cause, source, word, sip)| hang_up_report(cause, source, word, sip))
}

fn small_talk() -> impl Strategy<Value = CarrierFact> {
    prop_oneof![
        Just(CarrierFact::SpeechStarted),
        Just(CarrierFact::SpeechEnded(SpeechOutcome::Completed)),
        Just(CarrierFact::Noted),
        Just(CarrierFact::Bridged),
        select(vec!['0', '5', '*', '#']).prop_map(|key| CarrierFact::Dtmf(key.into())),
        Just(CarrierFact::Gathered { digits: "5".to_owned().into(), status: "valid".to_owned() }),
        select(vec![AnsweredBy::Human, AnsweredBy::Machine, AnsweredBy::NotSure])
            .prop_map(CarrierFact::AnsweredBy),
        ".{0,12}".prop_map(|text| utterance(&text)),
        Just(CarrierFact::RecordingFailed { reason: "Internal server error".to_owned() }),
        Just(recording_saved()),
    ]
}

fn stories() -> impl Strategy<Value = Story> {
    let lines = select(vec![
        Line::inbound(AGENT),
        Line::inbound(MENU),
        Line::inbound(Route::Reject),
        Line::inbound_to_nobody(),
        Line::dialled(),
    ]);
    let talk = prop::collection::vec(small_talk(), 0..8);
    let told = (lines, any::<bool>(), talk, prop::option::of(1i64..90_000));
    let ours = (any::<bool>(), any::<bool>(), 0..3u8);
    (told, ours).prop_flat_map(|((line, answered, talk, charge), (record, hang_up_asked, dial))| {
        // a call that we refuse is never answered
        let refused = matches!(line.route, None | Some(Route::Reject)) && line.leg == leg("leg-in");
        let answered = answered && !refused;
        endings(answered, refused).prop_map(move |end| {
            let dialled = line.role == crate::call::report::LegRole::Main
                && line.direction == crate::call::terms::Direction::Outbound;
            let mut facts = vec![CarrierFact::Initiated { direction: line.direction }];
            if answered {
                facts.push(CarrierFact::Answered);
                facts.extend(talk.iter().cloned());
            }
            facts.push(end.clone());
            facts.extend(charge.map(cost));
            let mut news: Vec<_> = facts.into_iter().zip(3..).map(|(fact, n)| line.report(fact, n)).collect();
            let mut asked = vec![];
            let mut meanwhile = vec![];
            if dialled {
                let wish = crate::call::Queue { record, ..queue() };
                asked.extend([CallCommand::Queue(Box::new(wish)), start_dial(1)]);
                meanwhile
                    .extend([vec![accept_dial(2)], vec![lose_dial(2)], vec![]][usize::from(dial)].clone());
            } else if hang_up_asked {
                // no client can ask for the end of a call before its first webhook
                asked.push(line.takes(news.remove(0)));
            }
            if hang_up_asked {
                asked.push(hang_up(1, 2));
            }
            Story { line: line.clone(), asked, news, meanwhile }
        })
    })
}

/// An order of delivery: every webhook at least once, some again, the first and the last
/// perhaps under another id.
fn delivery(story: &Story, again: &[Index], anew: &[Index]) -> Vec<CallCommand> {
    let takes = |report: &CarrierReport| story.line.takes(report.clone());
    let mut all: Vec<CallCommand> = story.news.iter().map(takes).collect();
    all.extend(again.iter().map(|index| takes(index.get(&story.news))));
    let states: Vec<&CarrierReport> = story
        .news
        .iter()
        .filter(|report| {
            matches!(
                report.fact,
                CarrierFact::Initiated { .. }
                    | CarrierFact::Answered
                    | CarrierFact::HungUp(_)
                    | CarrierFact::Cost(_)
            )
        })
        .collect();
    all.extend(anew.iter().map(|index| story.line.takes(retold((*index.get(&states)).clone()))));
    all.extend(story.meanwhile.iter().cloned());
    all
}

fn shuffled() -> impl Strategy<Value = (Story, Vec<CallCommand>, usize)> {
    let again = || prop::collection::vec(any::<Index>(), 0..5);
    (stories(), again(), again()).prop_flat_map(|(story, again, anew)| {
        let all = delivery(&story, &again, &anew);
        let mut retellings: Vec<String> = all.iter().filter_map(event_id).collect();
        retellings.sort();
        retellings.dedup();
        let extra = retellings.len() - story.news.len();
        (Just(story), Just(all).prop_shuffle(), Just(extra))
    })
}

fn event_id(command: &CallCommand) -> Option<String> {
    match command {
        CallCommand::Report { report, .. } => Some(report.event_id.clone()),
        _ => None,
    }
}

proptest! {
    #[test]
    fn any_order_of_delivery_ends_in_the_same_call((story, order, extra) in shuffled()) {
        let told = story.in_order();
        let mut expected = summary(&told);
        expected.receipts += extra; // every webhook with an id of its own is kept
        let retold = story.run(&order);
        prop_assert_eq!(summary(&retold), expected);
        retold.is_sound()?;
    }

    #[test]
    fn a_dialled_call_is_found_once_whatever_finds_it((story, order, _) in shuffled()) {
        let run = story.run(&order);
        let found = |fact: &&CallEvent| matches!(fact, CallEvent::DialAccepted(DialAccepted { .. }));
        let dialled = usize::from(story.line.direction == crate::call::terms::Direction::Outbound);
        prop_assert_eq!(run.facts.iter().filter(found).count(), dialled);
    }
}

/// A transfer, reported by both legs. `bridged` if the colleague took the call.
fn transfers() -> impl Strategy<Value = (bool, Vec<CallCommand>)> {
    (any::<bool>(), any::<bool>()).prop_flat_map(|(bridged, main_says_so)| {
        let (line, target) = (Line::inbound(AGENT), Line::transfer_target());
        let mut news = vec![target.initiated(11), target.says(cost(6_000), 42), line.says(cost(14_400), 43)];
        if bridged {
            news.extend([target.answered(14), target.bridged(15), target.hung_up(40)]);
            news.extend(main_says_so.then(|| line.bridged(15)));
        } else {
            let busy = hang_up_report(Cause::Busy, Source::Callee, "user_busy", Some(486));
            news.push(target.says(busy, 15));
        }
        news.push(line.hung_up(40));
        let again = news.clone();
        (Just(bridged), Just(news.into_iter().chain(again).collect::<Vec<_>>()).prop_shuffle())
    })
}

proptest! {
    #[test]
    fn a_transfer_ends_the_same_in_any_order((bridged, order) in transfers()) {
        let asked = [talking_inbound(AGENT), vec![transfer(1, 10)]].concat();
        let run = Run::of(asked.iter().chain(&order));
        let end = run.call.ended.as_deref().cloned();
        let reason = if bridged { EndReason::Transferred } else { EndReason::CallerHangup };
        prop_assert_eq!(end.map(|end| (end.reason, end.at)), Some((reason, at(40))));
        prop_assert_eq!(run.call.status(), Status::Ended);
        prop_assert_eq!(run.call.cost.as_ref().map(|cost| cost.amount_micros), Some(20_400));
        prop_assert_eq!(run.call.transfer == Some(Transfer::Connected), bridged);
        run.is_sound()?;
    }
}
