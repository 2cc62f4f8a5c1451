//! Every command, and every way it can fail.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use adapters::telephony::breaker::{BreakerConfig, BreakerState, Guarded};
use adapters::telephony::telnyx::{ApiKey, BadTelnyxConfig, TelnyxClient, TelnyxConfig};
use adapters::testing::ports::Refusing;
use chrono::TimeDelta;
use domain::call::report::{CarrierFact, HangUpCause, HangUpSource, LegRole, LegTag};
use domain::call::terms::{AnsweredBy, Direction, EndReason, RecordingFormat, SpeechOutcome, Status};
use domain::personal::Personal;
use domain::phone::Party;
use domain::ports::telephony::{CarrierError, LegAction, LegState, Telephony};
use simulator::fake_telnyx::{CallScript, CalleeScript, FakeTelnyx, Step};

use super::world::{CLIENT, World, client, dial, order, speak, tag};

const CALLER: &str = "+12025550123";
const OURS: &str = "+12025550188";

fn refused_with<T: std::fmt::Debug>(result: Result<T, CarrierError>) -> (u16, String) {
    match result.unwrap_err() {
        CarrierError::Refused { status, code, .. } => (status, code),
        other => panic!("not refused but {other:?}"),
    }
}

fn gone(code: &str) -> Result<(), CarrierError> {
    Err(CarrierError::Gone { code: code.to_owned() })
}

#[actix_web::test]
async fn an_inbound_call_obeys_every_command() {
    let mut world = World::start().await;
    let call = world.fake.place_call(CallScript::new(CALLER, OURS)).await;
    let initiated = world.next("call.initiated").await;
    assert_eq!(initiated.fact, CarrierFact::Initiated { direction: Direction::Inbound });
    assert_eq!(initiated.leg.control_id.as_deref(), Some(call.control_id.as_str()));
    assert_eq!(initiated.leg.leg_id, call.leg_id);
    assert_eq!((initiated.tag, initiated.from.unwrap().as_str()), (None, CALLER));
    let id = call.control_id.clone();
    assert_eq!(world.client.leg_state(CLIENT, &id).await, Ok(LegState::Alive));

    world.client.command(&order(1, &id, LegAction::Answer)).await.unwrap();
    let answered = world.next("call.answered").await;
    assert_eq!((answered.fact, answered.tag), (CarrierFact::Answered, Some(tag(1))));

    world.client.command(&order(2, &id, speak("good morning"))).await.unwrap();
    world.client.command(&order(3, &id, speak("how can I help?"))).await.unwrap();
    for _ in 0..2 {
        assert_eq!(world.next("call.speak.started").await.fact, CarrierFact::SpeechStarted);
        let ended = world.next("call.speak.ended").await;
        assert_eq!(ended.fact, CarrierFact::SpeechEnded(SpeechOutcome::Completed));
    }
    let format = RecordingFormat::Wav;
    world.client.command(&order(4, &id, LegAction::StartRecording { format })).await.unwrap();
    let digits = Personal::new("1ww23#".to_owned());
    world.client.command(&order(5, &id, LegAction::SendDtmf { digits })).await.unwrap();

    world.client.command(&order(6, &id, LegAction::HangUp)).await.unwrap();
    let CarrierFact::HungUp(hang_up) = world.next("call.hangup").await.fact else { panic!("no hangup") };
    assert_eq!((hang_up.cause, hang_up.source), (HangUpCause::Normal, HangUpSource::Callee));
    assert_eq!((hang_up.provider_code.as_str(), hang_up.sip_code), ("normal_clearing", Some(200)));
    let saved = world.next("call.recording.saved").await;
    let CarrierFact::RecordingSaved(recording) = saved.fact else { panic!("no recording") };
    assert_eq!(recording.format, Some(format));
    assert_eq!(recording.url_expires_at, Some(saved.occurred_at + TimeDelta::minutes(10)));
    let file =
        reqwest::get(recording.url.unwrap().into_inner().unwrap()).await.unwrap().bytes().await.unwrap();
    assert!(file.starts_with(b"RIFF"));
    let CarrierFact::Cost(cost) = world.next("call.cost").await.fact else { panic!("no cost") };
    assert_eq!((cost.amount_micros, cost.currency.as_str()), (4_800, "USD"));
    assert_eq!(world.client.leg_state(CLIENT, &id).await, Ok(LegState::Gone));

    let record = call.ended().await.unwrap();
    assert_eq!((record.expected.status, record.expected.end_reason), (Status::Ended, None));
    assert!(record.expected.certain && record.unmet.is_empty());
    assert_eq!(record.spoken, ["good morning", "how can I help?"]);
    let ledger = world.stop().await;
    let names: Vec<_> = ledger.commands.iter().map(|command| command.name.as_str()).collect();
    assert_eq!(names, ["answer", "speak", "speak", "record_start", "send_dtmf", "hangup"]);
    assert!(
        ledger.commands.iter().all(|command| command.status == 200 && !command.repeat && !command.doubled)
    );
    let speaks: Vec<_> = ledger.commands_named("speak").map(|command| &command.body).collect();
    assert_eq!(speaks[0]["voice"], "Telnyx.KokoroTTS.af");
    assert_eq!(speaks[0]["payload"], "good morning");
}

#[actix_web::test]
async fn a_call_can_be_rejected() {
    let mut world = World::start().await;
    let call = world.fake.place_call(CallScript::new(CALLER, OURS)).await;
    let id = world.next("call.initiated").await.leg.control_id.unwrap();
    world.client.command(&order(1, &id, LegAction::Reject)).await.unwrap();
    let CarrierFact::HungUp(hang_up) = world.next("call.hangup").await.fact else { panic!("no hangup") };
    assert_eq!((hang_up.cause, hang_up.sip_code), (HangUpCause::Rejected, Some(603)));
    assert_eq!(call.ended().await.unwrap().expected.status, Status::Failed);
    world.stop().await;
}

#[actix_web::test]
async fn a_dial_names_the_leg_its_webhooks_speak_of() {
    let mut world = World::with(|config| config.transcribe_unasked = false).await;
    let steps = vec![Step::HearOut, Step::Say("who is this?".to_owned()), Step::Stay];
    world.fake.set_usual_callee(CalleeScript::Answers { ring: Duration::ZERO, steps });
    let transcribing = client(&world.fake, &world.clock, |config| {
        config.transcribe = true;
        config.machine_detection = Some("premium".to_owned());
    });
    let mut call = dial(7, OURS);
    call.record = true;
    let leg = transcribing.dial(&call).await.unwrap();
    let initiated = world.next("call.initiated").await;
    assert_eq!(initiated.leg, leg);
    assert_eq!(initiated.fact, CarrierFact::Initiated { direction: Direction::Outbound });
    assert_eq!(initiated.tag, Some(tag(7)));
    assert_eq!(initiated.from.unwrap().as_str(), "+12025550100", "the default caller id");
    assert_eq!(world.client.find_leg(&tag(7)).await, Ok(Some(leg.clone())));
    assert_eq!(world.client.find_leg(&tag(8)).await, Ok(None));
    world.next("call.answered").await;
    let by = world.next("call.machine.premium.detection.ended").await.fact;
    assert_eq!(by, CarrierFact::AnsweredBy(AnsweredBy::Human));

    let id = leg.control_id.unwrap();
    assert_eq!(refused_with(world.client.command(&order(1, &id, LegAction::Answer)).await).1, "90102");
    world.client.command(&order(2, &id, speak("it is me"))).await.unwrap();
    let CarrierFact::Transcribed(line) = world.next("call.transcription").await.fact else {
        panic!("no words")
    };
    assert_eq!((line.text.reveal().unwrap().as_str(), line.confidence_permille), ("who is this?", Some(940)));
    world.client.command(&order(3, &id, LegAction::HangUp)).await.unwrap();
    world.next("call.recording.saved").await;
    world.fake.settled().await;
    assert_eq!(world.client.find_leg(&tag(7)).await, Ok(None));
    let ledger = world.stop().await;
    let body = &ledger.commands_named("dial").next().unwrap().body;
    assert_eq!((&body["timeout_secs"], &body["time_limit_secs"]), (&25.into(), &600.into()));
    assert_eq!(body["record"], "record-from-answer");
    assert!(body["client_state"].as_str().unwrap().len() < 200);
}

#[actix_web::test]
async fn whoever_is_called_behaves_as_told() {
    let steps =
        |steps: &[Step]| CalleeScript::Answers { ring: Duration::from_secs(1), steps: steps.to_vec() };
    let slow = CalleeScript::Answers { ring: Duration::from_secs(90), steps: Vec::new() };
    use EndReason as Why;
    for (script, cause, sip, status, end_reason) in [
        (CalleeScript::Busy, HangUpCause::Busy, Some(486), Status::Failed, Why::Busy),
        (CalleeScript::NoAnswer, HangUpCause::NoAnswer, Some(408), Status::Failed, Why::NoAnswer),
        (CalleeScript::Rejects, HangUpCause::Rejected, Some(603), Status::Failed, Why::Rejected),
        (CalleeScript::NotFound, HangUpCause::NotFound, Some(404), Status::Failed, Why::InvalidNumber),
        (slow, HangUpCause::NoAnswer, Some(408), Status::Failed, Why::NoAnswer),
        (steps(&[Step::HangUp]), HangUpCause::Normal, Some(200), Status::Ended, Why::CallerHangup),
        (steps(&[Step::OutstayLimit]), HangUpCause::TimeLimit, None, Status::Ended, Why::MaxDuration),
        (
            CalleeScript::Machine { ring: Duration::ZERO },
            HangUpCause::Normal,
            Some(200),
            Status::Ended,
            Why::CallerHangup,
        ),
    ] {
        let mut world = World::start().await;
        world.fake.set_callee(OURS, script.clone());
        world.client.dial(&dial(7, OURS)).await.unwrap();
        let CarrierFact::HungUp(hang_up) = world.next("call.hangup").await.fact else { panic!("no hangup") };
        assert_eq!((hang_up.cause, hang_up.sip_code), (cause, sip), "{script:?}");
        world.fake.settled().await;
        let expected = world.stop().await.calls[0].expected;
        assert_eq!((expected.status, expected.end_reason), (status, Some(end_reason)), "{script:?}");
    }
}

#[actix_web::test]
async fn a_transfer_connects_both_legs_and_one_hangup_ends_both() {
    let mut world = World::start().await;
    let call = world.fake.place_call(CallScript::new(CALLER, OURS)).await;
    let id = call.control_id.clone();
    world.client.command(&order(1, &id, LegAction::Answer)).await.unwrap();
    world.next("call.answered").await;
    let to = Personal::new(Party::new("sip:desk@pbx.example.test"));
    world.client.command(&order(2, &id, LegAction::Transfer { to, from: None })).await.unwrap();

    let target = world.next_that(|heard| heard.body["data"]["payload"]["direction"] == "outgoing").await;
    let target = target.report().unwrap();
    assert_eq!(target.tag, Some(LegTag { role: LegRole::TransferTarget, ..tag(1) }));
    assert_eq!(target.from.as_ref().unwrap().as_str(), OURS, "by default as the number that was called");
    for leg in [&target.leg.leg_id, &call.leg_id] {
        assert_eq!(world.next_of(leg, "call.bridged").await.fact, CarrierFact::Bridged);
    }
    for leg in [&call.leg_id, &target.leg.leg_id] {
        world.next_of(leg, "call.hangup").await;
    }
    let record = call.ended().await.unwrap();
    assert_eq!(record.expected.end_reason, Some(EndReason::Transferred));
    world.fake.settled().await;
    let calls = world.stop().await.calls;
    assert_eq!(calls[0].session_id, calls[1].session_id);
}

#[actix_web::test]
async fn a_failed_transfer_leaves_the_caller_with_us() {
    let mut world = World::start().await;
    world.fake.set_usual_callee(CalleeScript::Busy);
    let call = world.fake.place_call(CallScript::new(CALLER, OURS)).await;
    let id = call.control_id.clone();
    world.client.command(&order(1, &id, LegAction::Answer)).await.unwrap();
    world.next("call.answered").await;
    let to = Personal::new(Party::new("+12025550155"));
    let from = Some(Personal::new(Party::new("+12025550100")));
    world.client.command(&order(2, &id, LegAction::Transfer { to, from })).await.unwrap();
    let CarrierFact::HungUp(hang_up) = world.next("call.hangup").await.fact else { panic!("no hangup") };
    assert_eq!(hang_up.cause, HangUpCause::Busy);
    assert_eq!(world.client.leg_state(CLIENT, &id).await, Ok(LegState::Alive));
    world.client.command(&order(3, &id, LegAction::HangUp)).await.unwrap();
    assert_eq!(call.ended().await.unwrap().expected.end_reason, None);
    world.stop().await;
}

#[actix_web::test]
async fn a_command_at_the_wrong_time_is_told_apart() {
    let mut world = World::start().await;
    let call = world.fake.place_call(CallScript::new(CALLER, OURS)).await;
    let id = world.next("call.initiated").await.leg.control_id.unwrap();
    let early = world.client.command(&order(1, &id, speak("hello"))).await;
    assert_eq!(early, Err(CarrierError::NotReady { code: "90034".to_owned() }));
    assert_eq!(world.client.command(&order(2, "v3:nobody/knows?", LegAction::HangUp)).await, gone("90015"));
    assert_eq!(world.client.leg_state(CLIENT, "v3:nobody").await, Ok(LegState::Gone));

    world.client.command(&order(3, &id, LegAction::HangUp)).await.unwrap();
    call.ended().await.unwrap();
    assert_eq!(world.client.command(&order(4, &id, LegAction::HangUp)).await, gone("90018"));
    assert_eq!(world.client.command(&order(5, &id, speak("hello"))).await, gone("90018"));
    world.stop().await;
}

#[actix_web::test]
async fn a_command_that_can_never_work_is_refused_without_a_word_about_whom() {
    let mut world = World::start().await;
    let call = world.fake.place_call(CallScript::new(CALLER, OURS)).await;
    world.client.command(&order(1, &call.control_id, LegAction::Answer)).await.unwrap();
    world.next("call.answered").await;
    let bad_number = world.client.dial(&dial(1, "5550123")).await;
    assert!(!format!("{bad_number:?}").contains("5550123"));
    assert_eq!(refused_with(bad_number), (422, "10016".to_owned()));
    let too_long = world.client.command(&order(2, &call.control_id, speak(&"x".repeat(3001)))).await;
    assert_eq!(refused_with(too_long), (422, "90010".to_owned()));
    let erased = LegAction::Speak { text: Personal::erased() };
    assert_eq!(refused_with(world.client.command(&order(3, &call.control_id, erased)).await).1, "erased");

    let stranger = client(&world.fake, &world.clock, |config| config.api_key = ApiKey::new("KEYwrong"));
    assert_eq!(refused_with(stranger.dial(&dial(2, OURS)).await), (401, "10009".to_owned()));
    assert_eq!(refused_with(stranger.find_leg(&tag(1)).await).0, 401);
    assert_eq!(refused_with(stranger.leg_state(CLIENT, &call.control_id).await).0, 401);
    let elsewhere = client(&world.fake, &world.clock, |config| config.connection_id = "1".to_owned());
    assert_eq!(refused_with(elsewhere.dial(&dial(3, OURS)).await), (422, "10015".to_owned()));
    let nameless = client(&world.fake, &world.clock, |config| config.caller_id = None);
    assert_eq!(refused_with(nameless.dial(&dial(4, OURS)).await).1, "no_caller_id");
    let ledger = world.stop().await;
    assert_eq!(ledger.totals.calls, 1, "no call was placed");
}

#[actix_web::test]
async fn a_repeated_command_id_does_nothing_for_a_minute() {
    let mut world = World::with(|config| config.patience = Duration::from_secs(3600)).await;
    let call = world.fake.place_call(CallScript::new(CALLER, OURS)).await;
    let id = call.control_id.clone();
    for _ in 0..2 {
        world.client.command(&order(1, &id, LegAction::Answer)).await.unwrap();
    }
    world.next("call.answered").await;
    for _ in 0..3 {
        world.client.command(&order(2, &id, speak("once"))).await.unwrap();
    }
    world.clock.advance(TimeDelta::seconds(61));
    world.client.command(&order(2, &id, speak("once"))).await.unwrap();
    world.client.command(&order(3, &id, LegAction::HangUp)).await.unwrap();
    let record = call.ended().await.unwrap();
    assert_eq!(record.spoken, ["once", "once"], "again after a minute");
    let ledger = world.stop().await;
    assert_eq!((ledger.totals.repeats, ledger.totals.doubled), (3, 0));
}

#[actix_web::test]
async fn the_same_effect_under_another_command_id_is_noted() {
    let mut world = World::start().await;
    let call = world.fake.place_call(CallScript::new(CALLER, OURS)).await;
    world.client.command(&order(1, &call.control_id, LegAction::Answer)).await.unwrap();
    world.next("call.answered").await;
    world.client.command(&order(2, &call.control_id, LegAction::Answer)).await.unwrap();
    let mut again = dial(8, OURS);
    again.tag = tag(7);
    world.client.dial(&dial(7, OURS)).await.unwrap();
    world.client.dial(&again).await.unwrap();
    let ledger = world.stop().await;
    let doubled: Vec<_> = ledger.commands.iter().filter(|c| c.doubled).map(|c| c.name.as_str()).collect();
    assert_eq!(doubled, ["answer", "dial"]);
}

#[actix_web::test]
async fn a_lost_answer_is_unknown_and_the_leg_can_be_found() {
    let mut world = World::with(|config| config.mischief.drop_response = 1.0).await;
    world.fake.set_usual_callee(CalleeScript::Answers { ring: Duration::ZERO, steps: vec![Step::Stay] });
    assert!(matches!(world.client.dial(&dial(7, OURS)).await, Err(CarrierError::Unknown { .. })));
    let initiated = world.next("call.initiated").await;
    assert_eq!(initiated.tag, Some(tag(7)), "the call was placed");
    assert_eq!(world.client.find_leg(&tag(7)).await, Ok(Some(initiated.leg.clone())));
    let again = world.client.dial(&dial(7, OURS)).await;
    assert!(matches!(again, Err(CarrierError::Unknown { .. })), "a repeat is accepted but names no leg");
    world.next("call.answered").await;

    let hang_up = order(1, initiated.leg.control_id.as_deref().unwrap(), LegAction::HangUp);
    assert!(matches!(world.client.command(&hang_up).await, Err(CarrierError::Unknown { .. })));
    world.next("call.hangup").await;
    assert_eq!(world.client.command(&hang_up).await, Ok(()), "the repeat is accepted and ignored");
    let ledger = world.stop().await;
    assert_eq!(ledger.totals.calls, 1);
}

#[actix_web::test]
async fn a_broken_carrier_is_unknown_and_a_busy_one_unavailable() {
    let world = World::with(|config| config.mischief.server_error = 1.0).await;
    let broken = world.client.dial(&dial(7, OURS)).await;
    assert!(matches!(broken, Err(CarrierError::Unknown { .. })), "{broken:?}");
    world.client.dial(&dial(7, OURS)).await.unwrap();
    assert_eq!(world.stop().await.totals.calls, 1);

    let world = World::with(|config| config.mischief.rate_limit = 1.0).await;
    let busy = world.client.dial(&dial(7, OURS)).await;
    let a_second = Some(Duration::from_secs(1));
    assert!(
        matches!(&busy, Err(CarrierError::Unavailable { retry_after, .. }) if *retry_after == a_second),
        "{busy:?}"
    );
    world.client.dial(&dial(7, OURS)).await.unwrap();
    world.stop().await;
}

#[actix_web::test]
async fn a_carrier_that_is_not_there_is_unavailable_and_a_mute_one_unknown() {
    let world = World::start().await;
    let nobody = Refusing::start().unwrap();
    let absent =
        client(&world.fake, &world.clock, |config| config.api_base = format!("http://{}/v2", nobody.address));
    assert!(matches!(
        absent.dial(&dial(7, OURS)).await,
        Err(CarrierError::Unavailable { retry_after: None, .. })
    ));

    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = client(&world.fake, &world.clock, |config| {
        config.api_base = format!("http://{}/v2", mute.local_addr().unwrap());
        config.timeout = Duration::from_millis(100);
    });
    assert!(matches!(silent.dial(&dial(7, OURS)).await, Err(CarrierError::Unknown { .. })));
    let read = silent.find_leg(&tag(7)).await;
    assert!(matches!(read, Err(CarrierError::Unavailable { .. })), "nothing is unknown about a read");
    world.stop().await;
}

#[actix_web::test]
async fn a_leg_is_found_on_whatever_page_it_stands() {
    let mut world = World::start().await;
    for _ in 0..260 {
        world.fake.place_call(CallScript::new(CALLER, OURS)).await;
    }
    world.fake.set_usual_callee(CalleeScript::Answers { ring: Duration::ZERO, steps: vec![Step::Stay] });
    let leg = world.client.dial(&dial(7, OURS)).await.unwrap();
    world.next_of(&leg.leg_id, "call.answered").await;
    assert_eq!(world.client.find_leg(&tag(7)).await, Ok(Some(leg)));
    assert_eq!(world.client.find_leg(&tag(9)).await, Ok(None));
    world.stop().await;
}

#[actix_web::test]
async fn a_failing_carrier_is_left_alone_for_a_while() {
    let world = World::start().await;
    let nobody = Refusing::start().unwrap();
    let absent =
        client(&world.fake, &world.clock, |config| config.api_base = format!("http://{}/v2", nobody.address));
    let config = BreakerConfig { failures: 2, open_for: Duration::from_secs(30) };
    let guarded = Guarded::new(absent, config, world.clock.clone());
    for _ in 0..2 {
        assert_eq!(guarded.state(), BreakerState::Closed);
        assert!(guarded.leg_state(CLIENT, "x").await.is_err());
    }
    let refused = guarded.leg_state(CLIENT, "x").await;
    assert!(matches!(refused, Err(CarrierError::Unavailable { retry_after: Some(_), .. })), "{refused:?}");
    world.clock.advance(TimeDelta::seconds(30));
    assert_eq!(guarded.state(), BreakerState::HalfOpen);
    assert!(matches!(
        guarded.leg_state(CLIENT, "x").await,
        Err(CarrierError::Unavailable { retry_after: None, .. })
    ));
    assert_eq!(guarded.state(), BreakerState::Open);

    let there = Guarded::new(client(&world.fake, &world.clock, |_| {}), config, world.clock.clone());
    for id in 0..5 {
        assert_eq!(there.command(&order(id, "v3:nobody", LegAction::HangUp)).await, gone("90015"));
    }
    assert_eq!((there.state(), there.provider()), (BreakerState::Closed, "telnyx"), "a refusal is an answer");
    world.stop().await;
}

#[actix_web::test]
async fn settings_that_cannot_work_are_named_and_the_key_is_never_shown() {
    let world = World::start().await;
    let make = |base: &str, key: &str| {
        let mut config = TelnyxConfig::new(ApiKey::new(key), "1");
        config.api_base = base.to_owned();
        TelnyxClient::new(config, world.clock.clone())
    };
    for base in ["", "api.telnyx.com/v2", "ftp://api.telnyx.com", "https://api.telnyx.com/v2?x=1"] {
        assert_eq!(make(base, "KEY").unwrap_err(), BadTelnyxConfig::Base, "{base}");
    }
    assert_eq!(make("https://api.telnyx.com/v2", "KEY\n").unwrap_err(), BadTelnyxConfig::Key);
    let shown = format!("{:?}", make("https://api.telnyx.com/v2/", "KEYsecret").unwrap());
    assert!(!shown.contains("KEYsecret"), "{shown}");
    let fake: &FakeTelnyx = &world.fake;
    let shown = format!("{fake:?}");
    assert!(!shown.contains("KEYfake") && !shown.contains("97, 32, 102"), "{shown}");
    let shared: Arc<dyn Telephony> = Arc::new(client(fake, &world.clock, |_| {}));
    assert_eq!(shared.provider(), "telnyx");
    world.stop().await;
}
