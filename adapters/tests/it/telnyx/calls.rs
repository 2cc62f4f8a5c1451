//! Callers, and whole calls under every bearable mischief.

use std::collections::HashSet;
use std::time::Duration;

use adapters::telephony::telnyx::{ApiKey, TelnyxClient};
use chrono::TimeDelta;
use domain::agent::AgentRuntime;
use domain::call::report::{CarrierFact, CarrierReport, LegRole, LegTag};
use domain::call::terms::{Direction, EndReason, Status};
use domain::ids::derive;
use domain::personal::Personal;
use domain::ports::telephony::{CarrierError, LegAction, LegCommand, Telephony};
use futures::FutureExt;
use simulator::fake_telnyx::{CallScript, CarrierFaults, FakeConfig, Pace, Step, fictional_number};
use uuid::Uuid;

use super::world::{World, client, order, repeats, speak, tag};

const CALLER: &str = "+12025550123";
const OURS: &str = "+12025550188";

#[actix_web::test]
async fn a_caller_listens_presses_talks_and_hangs_up() {
    let mut world = World::start().await;
    let script = CallScript::new(CALLER, OURS).presses("1#").talks(["hello"]);
    let call = world.fake.place_call(script).await;
    world.client.command(&order(1, &call.control_id, LegAction::Answer)).await.unwrap();
    world.next("call.answered").await;
    world.client.command(&order(2, &call.control_id, speak("press a key"))).await.unwrap();
    for key in ['1', '#'] {
        assert_eq!(world.next("call.dtmf.received").await.fact, CarrierFact::Dtmf(Personal::new(key)));
    }
    world.client.command(&order(3, &call.control_id, speak("say something"))).await.unwrap();
    world.next("call.transcription").await;
    let record = call.ended().await.unwrap();
    assert_eq!(
        (record.expected.status, record.expected.end_reason),
        (Status::Ended, Some(EndReason::CallerHangup))
    );
    assert!(record.unmet.is_empty());
    world.stop().await;
}

#[actix_web::test]
async fn a_caller_may_give_up_before_the_answer() {
    let mut world = World::start().await;
    let call =
        world.fake.place_call(CallScript::new(CALLER, OURS).gives_up_after(Duration::from_secs(5))).await;
    let record = call.ended().await.unwrap();
    assert_eq!(
        (record.expected.status, record.expected.end_reason),
        (Status::Failed, Some(EndReason::Cancelled))
    );
    assert_eq!((record.hangup_cause, record.answered_at), ("originator_cancel", None));
    let order: Vec<_> = world.rest().iter().map(|heard| heard.event_type().to_owned()).collect();
    assert_eq!(order, ["call.initiated", "call.hangup", "call.cost"]);
    world.stop().await;
}

#[actix_web::test]
async fn a_server_that_does_nothing_is_waited_for_and_reported() {
    let mut world = World::with(|config| config.patience = Duration::from_secs(3600)).await;
    let call = world.fake.place_call(CallScript::new(CALLER, OURS)).await;
    world.next("call.initiated").await;
    world.clock.advance(TimeDelta::hours(2));
    assert_eq!(call.ended().await.unwrap().unmet, ["the call was never answered"]);
    let call = world.fake.place_call(CallScript::new(CALLER, OURS).then(Step::Stay)).await;
    world.client.command(&order(1, &call.control_id, LegAction::Answer)).await.unwrap();
    world.next("call.answered").await;
    world.clock.advance(TimeDelta::hours(2));
    assert_eq!(call.ended().await.unwrap().unmet, ["the server never ended the call"]);
    world.stop().await;
}

#[actix_web::test]
async fn a_call_cut_off_while_something_is_spoken_says_so() {
    let mut world = World::with(|config| config.pace = Pace::REAL).await;
    let call = world.fake.place_call(CallScript::new(CALLER, OURS)).await;
    world.client.command(&order(1, &call.control_id, LegAction::Answer)).await.unwrap();
    world.next("call.answered").await;
    world.client.command(&order(2, &call.control_id, speak(&"a long story ".repeat(100)))).await.unwrap();
    world.next("call.speak.started").await;
    world.client.command(&order(3, &call.control_id, LegAction::HangUp)).await.unwrap();
    let ended = world.next("call.speak.ended").await;
    assert_eq!(ended.fact, CarrierFact::SpeechEnded(domain::call::terms::SpeechOutcome::CallHangup));
    call.ended().await.unwrap();
    world.stop().await;
}

#[actix_web::test]
async fn digits_are_gathered_by_the_carrier_if_asked() {
    let mut world = World::start().await;
    let call = world.fake.place_call(CallScript::new(CALLER, OURS).presses("42#").then(Step::HangUp)).await;
    world.client.command(&order(1, &call.control_id, LegAction::Answer)).await.unwrap();
    world.next("call.answered").await;
    let url = format!("{}/calls/{}/actions/gather_using_speak", world.fake.api_base(), call.control_id);
    let body = serde_json::json!({"payload": "your pin", "voice": "female", "maximum_digits": 4});
    let http = adapters::http::client().build().unwrap();
    let answer = http.post(url).bearer_auth("KEYfake").body(body.to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let CarrierFact::Gathered { digits, status } = world.next("call.gather.ended").await.fact else {
        panic!("nothing gathered")
    };
    assert_eq!((digits.reveal().unwrap().as_str(), status.as_str()), ("42", "valid"));
    call.ended().await.unwrap();
    world.stop().await;
}

#[actix_web::test]
async fn events_of_a_leg_can_be_put_in_order_by_their_time() {
    let mut world = World::start().await;
    let call = world.fake.place_call(CallScript::new(CALLER, OURS).presses("123").then(Step::HangUp)).await;
    world.client.command(&order(1, &call.control_id, LegAction::Answer)).await.unwrap();
    world.next("call.answered").await;
    world.client.command(&order(2, &call.control_id, speak("go"))).await.unwrap();
    call.ended().await.unwrap();
    let times: Vec<_> = world.rest().iter().map(|heard| heard.report().unwrap().occurred_at).collect();
    assert!(times.len() > 5 && times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    world.stop().await;
}

#[test]
fn a_mixed_day_is_the_same_for_the_same_seed() {
    let day = |seed| (0..50).map(|n| CallScript::sample(seed, n, OURS)).collect::<Vec<_>>();
    assert_eq!(day(1), day(1));
    assert_ne!(day(1), day(2));
    assert!(day(3).iter().all(|script| script.from.starts_with("+120255501") && script.from.len() == 12));
    assert_eq!(fictional_number(107), "+12025550107");
}

/// A server in twenty lines: answers, greets, and hangs up when the caller pressed a key or said something.
struct LittleServer {
    client: TelnyxClient,
    seen: HashSet<String>,
}

impl LittleServer {
    async fn take(&mut self, report: &CarrierReport) {
        if !self.seen.insert(report.event_id.clone()) {
            return;
        }
        let (action, purpose) = match &report.fact {
            CarrierFact::Initiated { direction: Direction::Inbound } => (LegAction::Answer, "answer"),
            CarrierFact::Answered => (speak("say or press something"), "greet"),
            CarrierFact::Dtmf(_) | CarrierFact::Transcribed(_) => (LegAction::HangUp, "end"),
            _ => return,
        };
        let call = derive(Uuid::nil(), &report.leg.leg_id);
        let command = LegCommand {
            command_id: derive(call, purpose),
            control_id: report.leg.control_id.clone().unwrap(),
            tag: LegTag { role: LegRole::Main, ..tag(call.as_u128()) },
            runtime: AgentRuntime::Carrier,
            action,
        };
        // only the same command id makes repeating safe
        for _ in 0..5 {
            match self.client.command(&command).await {
                Ok(()) | Err(CarrierError::Gone { .. }) => return,
                Err(CarrierError::Refused { .. } | CarrierError::NotConfigured) => panic!("refused"),
                Err(_) => {}
            }
        }
    }
}

async fn chaotic_day(mischief: CarrierFaults, calls: u64) -> simulator::fake_telnyx::Ledger {
    let mut world = World::with(|config| {
        config.seed = 42;
        config.mischief = mischief;
    })
    .await;
    let mut server = LittleServer { client: client(&world.fake, &world.clock, |_| {}), seen: HashSet::new() };
    let mut handles = Vec::new();
    for n in 0..calls {
        let script = CallScript::new(fictional_number(n), OURS);
        let script = match n % 3 {
            0 => script.presses("1"),
            1 => script.then(Step::HearOut).then(Step::Say("hello".to_owned())),
            _ => script.then(Step::HearOut).then(Step::HangUp),
        };
        handles.push(world.fake.place_call(script).await);
    }
    let mut open: HashSet<_> = handles.iter().map(|handle| handle.leg_id.clone()).collect();
    while !open.is_empty() {
        let heard = world.next_that(|_| true).await;
        if let Some(report) = heard.report() {
            server.take(report).await;
            if matches!(report.fact, CarrierFact::HungUp(_)) {
                open.remove(&report.leg.leg_id);
            }
        }
    }
    for handle in handles {
        handle.ended().await.unwrap();
    }
    let heard = world.rest();
    assert!(repeats(&heard).values().all(|count| *count <= 4));
    world.stop().await
}

#[actix_web::test]
async fn a_server_that_dedupes_and_repeats_bears_all_mischief() {
    let ledger = chaotic_day(CarrierFaults::BEARABLE, 60).await;
    assert_eq!(ledger.calls.len(), 60);
    for call in &ledger.calls {
        assert_eq!(call.expected.status, Status::Ended, "{call:?}");
        assert!(call.expected.certain && call.unmet.is_empty(), "{call:?}");
        assert_eq!(call.spoken, ["say or press something"], "greeted once");
    }
    let totals = ledger.totals;
    assert_eq!(totals.doubled, 0);
    let happened = [totals.duplicates, totals.shuffled, totals.delayed, totals.disturbed, totals.repeats];
    assert!(happened.iter().all(|count| *count > 0), "{totals:?}");
    assert!(totals.attempts >= totals.webhooks + totals.duplicates);
}

#[actix_web::test]
async fn a_quiet_day_has_no_mischief() {
    let ledger = chaotic_day(CarrierFaults::NONE, 12).await;
    let totals = ledger.totals;
    assert_eq!(
        (totals.duplicates, totals.shuffled, totals.delayed, totals.lost, totals.disturbed),
        (0, 0, 0, 0, 0)
    );
    assert_eq!((totals.attempts, totals.accepted, totals.given_up), (totals.webhooks, totals.webhooks, 0));
    assert_eq!(ledger.latency.len(), totals.attempts);
}

#[actix_web::test]
async fn two_runs_with_one_seed_differ_in_names_only() {
    let world = World::with(|config: &mut FakeConfig| config.api_key = ApiKey::new("KEYfake")).await;
    let first = world.fake.place_call(CallScript::new(CALLER, OURS)).await.leg_id;
    world.clock.advance(TimeDelta::seconds(1));
    let other = World::start().await;
    let second = other.fake.place_call(CallScript::new(CALLER, OURS)).await.leg_id;
    assert_ne!(first, second);
    world.stop().await;
    other.stop().await;
}

#[actix_web::test]
async fn no_more_calls_are_under_way_than_allowed() {
    let world = World::with(|config| config.max_calls = 1).await;
    let script = || CallScript::new(CALLER, OURS);
    let first = world.fake.place_call(script()).await.control_id; // goes on without its handle
    assert!(world.fake.place_call(script()).now_or_never().is_none());
    world.client.command(&order(1, &first, LegAction::HangUp)).await.unwrap();
    let next = tokio::time::timeout(Duration::from_secs(20), world.fake.place_call(script())).await;
    assert!(next.is_ok(), "the place of the first one is free again");
    assert_eq!(world.stop().await.totals.calls, 2);
}
