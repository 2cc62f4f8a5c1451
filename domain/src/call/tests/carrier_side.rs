//! What only the carrier knows: recordings, costs, what was said and pressed. Much of it comes after the end.

use super::{a_call, ended, retold};
use crate::call::report::{CarrierFact, Transcribed};
use crate::call::terms::{
    LostBecause, RecordingFormat, RecordingStatus, RemovedBecause, Speaker, SpeechOutcome, Status,
    TranscriptTrack,
};
use crate::call::{
    Call, CallCommand, CallEvent, CallRefusal, CarrierEventReceived, CostRecorded, DigitsGathered,
    Disposition, DtmfReceived, LineTranscribed, RecordingAvailable, RecordingLost, RecordingNotStored,
    RecordingRemoved, RecordingStored, SpeechEnded, StoredFile,
};
use crate::money::Money;
use crate::testing::calls::*;
use crate::testing::scenario::{Scenario, Then, scenario};

fn recorded() -> Scenario<Call> {
    let mut wish = queue();
    wish.record = true;
    let mut commands = talking_outbound();
    commands[0] = CallCommand::Queue(Box::new(wish));
    a_call().after(commands)
}

fn lost_recording() -> CarrierFact {
    CarrierFact::RecordingFailed { reason: "Internal server error".to_owned() }
}

fn dollars(amount_micros: i64) -> Money {
    Money { amount_micros, currency: "USD".to_owned() }
}

#[track_caller]
fn disposition(then: &Then<Call>) -> Disposition {
    match then.facts() {
        [CallEvent::CarrierEventReceived(CarrierEventReceived { disposition, .. }), ..] => *disposition,
        other => panic!("no receipt: {other:?}"),
    }
}

#[test]
fn a_call_to_be_recorded_records_from_the_answer_on() {
    assert_eq!(recorded().state().recording, Some(RecordingStatus::Recording));
    assert_eq!(a_call().after(talking_outbound()).state().recording, None);
}

#[test]
fn a_recording_saved_after_the_end_is_kept() {
    let line = Line::dialled();
    let then = recorded().after([line.hung_up(32)]).when(line.says(recording_saved(), 35));
    let CarrierFact::RecordingSaved(saved) = recording_saved() else { panic!() };
    let fact = RecordingAvailable {
        recording_id: saved.recording_id,
        url: saved.url,
        url_expires_at: Some(at(632)),
        format: Some(RecordingFormat::Mp3),
        duration_ms: Some(30_000),
        channels: Some(2),
        at: at(35),
    };
    assert_eq!(then.facts()[1..], [fact.into()]);
    assert_eq!(
        (disposition(&then), then.state().recording),
        (Disposition::Applied, Some(RecordingStatus::Available))
    );
    then.then_status(Status::Ended);
}

#[test]
fn a_recording_saved_before_the_answer_is_told_stays_available() {
    let line = Line::dialled();
    let mut wish = queue();
    wish.record = true;
    let call = a_call().after([CallCommand::Queue(Box::new(wish)), start_dial(1)]);
    let call = call.after([line.says(recording_saved(), 35), line.answered(9)]);
    assert_eq!(call.state().recording, Some(RecordingStatus::Available));
}

#[test]
fn a_lost_recording_takes_nothing_back_that_can_be_fetched() {
    let line = Line::dialled();
    let lost = line.says(lost_recording(), 34);
    let then = recorded().when(lost.clone());
    let fact = RecordingLost { reason: "Internal server error".to_owned(), at: at(34) };
    assert_eq!(then.facts()[1..], [fact.into()]);
    assert_eq!(then.state().recording, Some(RecordingStatus::Failed));
    let then = then.and().when(line.says(recording_saved(), 35));
    assert_eq!(then.state().recording, Some(RecordingStatus::Available));
    let then = recorded().after([line.says(recording_saved(), 35)]).when(lost);
    assert_eq!(then.state().recording, Some(RecordingStatus::Available));
    then.then_types(["call.carrier_event_received"]);
}

fn stored(n: u128, object: &str) -> CallCommand {
    let file = StoredFile {
        object: object.to_owned(),
        bytes: 104,
        sha256: "0".repeat(64).into(),
        content_type: "audio/mpeg".to_owned(),
        key: None,
    };
    let recording_id = Some("recording-1".to_owned());
    let stored = RecordingStored { effect_id: id(n), recording_id, file, channels: Some(2), at: at(40) };
    CallCommand::StoreRecording(Box::new(stored))
}

fn removed(object: &str) -> CallCommand {
    let (because, at) = (RemovedBecause::Erased, at(50));
    CallCommand::RemoveRecording(RecordingRemoved { object: object.to_owned(), because, at })
}

#[test]
fn a_file_is_stored_once_after_the_end_and_removed_once() {
    let line = Line::dialled();
    let over = recorded().after([line.hung_up(32), line.says(recording_saved(), 35), stored(70, "a")]);
    assert_eq!(over.state().stored_file("a").map(|file| file.bytes), Some(104));
    over.clone().when(stored(70, "a")).then([]);
    over.clone().when(removed("b")).then([]);
    let gone = over.when(removed("a"));
    let gone = gone.then_types(["call.recording_removed"]).and();
    assert_eq!(gone.state().stored_file("a"), None);
    gone.clone().when(removed("a")).then([]);
    // the same attempt, told late, brings nothing back
    gone.when(stored(70, "a")).then([]);
}

#[test]
fn a_recording_that_was_given_up_stays_available_at_the_carrier() {
    let line = Line::dialled();
    let lost = RecordingNotStored {
        effect_id: id(71),
        recording_id: None,
        because: LostBecause::TooLarge,
        attempts: 1,
        at: at(40),
    };
    let then =
        recorded().after([line.says(recording_saved(), 35)]).when(CallCommand::GiveUpRecording(lost.clone()));
    assert_eq!(then.state().recording, Some(RecordingStatus::Available));
    let again = then.then([lost.clone().into()]).and();
    again.clone().when(CallCommand::GiveUpRecording(lost)).then([]);
    again.when(stored(71, "a")).then([]);
    scenario::<Call>().when(stored(72, "a")).then_refused(CallRefusal::Unknown);
}

#[test]
fn the_cost_comes_after_the_end() {
    let line = Line::dialled();
    let call = a_call().after(talking_outbound()).after([line.hung_up(30)]);
    let then = call.when(line.says(cost(14_400), 40));
    let fact = CostRecorded { cost: dollars(14_400), leg_id: "leg-out".to_owned(), at: at(40) };
    assert_eq!(then.facts()[1..], [fact.into()]);
    then.then_status(Status::Ended);
}

#[test]
fn every_leg_is_charged_once_and_the_cost_is_their_sum() {
    let (line, target) = (Line::inbound(AGENT), Line::transfer_target());
    let call = a_call().after(talking_inbound(AGENT)).after([transfer(1, 10), target.bridged(15)]);
    let call = call.after([line.hung_up(40), target.hung_up(40)]);
    let then = call.after([line.says(cost(14_400), 50)]).when(target.says(cost(6_000), 51));
    let fact = CostRecorded { cost: dollars(20_400), leg_id: "leg-target".to_owned(), at: at(51) };
    assert_eq!(then.facts()[1..], [fact.into()]);
    let again = line.takes(retold(line.report(cost(14_400), 50)));
    then.and().when(again).then_types(["call.carrier_event_received"]);
}

#[test]
fn lines_of_the_transcript_are_numbered_without_gaps_whoever_speaks() {
    let line = Line::inbound(AGENT);
    let outbound = CarrierFact::Transcribed(Transcribed {
        text: "How can I help?".to_owned().into(),
        confidence_permille: None,
        is_final: true,
        track: TranscriptTrack::Outbound,
    });
    let call = a_call().after(talking_inbound(AGENT)); // line 1 is the greeting
    let then = call.when(line.says(utterance("two tickets please"), 8));
    let said = |seq, speaker, text: &str, confidence_permille, seconds| {
        let text = text.to_owned().into();
        LineTranscribed { seq, place: None, speaker, text, confidence_permille, at: at(seconds) }.into()
    };
    assert_eq!(then.facts()[1..], [said(2, Speaker::Caller, "two tickets please", Some(940), 8)]);
    let then = then.and().when(line.says(outbound, 9));
    assert_eq!(then.facts()[1..], [said(3, Speaker::Agent, "How can I help?", None, 9)]);
    let then = then.and().when(line.says(CarrierFact::Dtmf('4'.into()), 10));
    assert_eq!(
        then.facts()[1..],
        [DtmfReceived { seq: 4, place: None, digit: '4'.into(), gather: None, repeated: false, at: at(10) }
            .into()]
    );
    let then = then.and().when(line.says(CarrierFact::SpeechEnded(SpeechOutcome::Completed), 11));
    assert_eq!(then.facts()[1..], [SpeechEnded { outcome: SpeechOutcome::Completed, at: at(11) }.into()]);
    // webhooks had reported the digits of the gather one by one
    let gathered = CarrierFact::Gathered { digits: "4".to_owned().into(), status: "valid".to_owned() };
    let then = then.and().when(line.says(gathered, 12));
    let fact = DigitsGathered {
        digits: "4".to_owned().into(),
        status: "valid".to_owned(),
        gather: None,
        length: None,
        line: None,
        at: at(12),
    };
    assert_eq!(then.facts()[1..], [fact.into()]);
    then.and()
        .after([line.hung_up(20)])
        .when(line.says(utterance("bye"), 13))
        .then_types(["call.carrier_event_received", "call.line_transcribed"]);
}

#[test]
fn words_that_may_still_change_are_no_line() {
    let CarrierFact::Transcribed(line) = utterance("two tick") else { panic!() };
    let interim = CarrierFact::Transcribed(Transcribed { is_final: false, ..line });
    let then = a_call().after(talking_inbound(AGENT)).when(Line::inbound(AGENT).says(interim, 8));
    assert_eq!(disposition(&then), Disposition::Noted);
    then.then_types(["call.carrier_event_received"]);
}

#[test]
fn a_receipt_says_what_became_of_the_webhook() {
    let line = Line::inbound(AGENT);
    let call = a_call().after(talking_inbound(AGENT));
    let noted = [CarrierFact::Noted, CarrierFact::SpeechStarted, CarrierFact::Bridged];
    for fact in noted {
        assert_eq!(disposition(&call.clone().when(line.says(fact, 9))), Disposition::Noted);
    }
    let hung_up = call.when(line.hung_up(20));
    assert_eq!((disposition(&hung_up), ended(&hung_up).at), (Disposition::Applied, at(20)));
    let again = line.takes(retold(line.report(remote_hang_up(line.direction), 20)));
    assert_eq!(disposition(&hung_up.and().when(again)), Disposition::Late);
    // the leg of a transfer says much that means nothing to the call
    let target = Line::transfer_target();
    let call = a_call().after(talking_inbound(AGENT)).after([transfer(1, 10)]);
    assert_eq!(disposition(&call.clone().when(target.initiated(11))), Disposition::Noted);
    let over = call.after([line.hung_up(12)]);
    let busy = hang_up_report(
        crate::call::report::HangUpCause::Busy,
        crate::call::report::HangUpSource::Callee,
        "user_busy",
        None,
    );
    assert_eq!(disposition(&over.when(target.says(busy, 13))), Disposition::Late);
}

#[test]
fn the_body_of_every_webhook_is_kept_as_it_came() {
    let mut report = Line::inbound(AGENT).report(CarrierFact::Noted, 3);
    report.raw = vec![0xff, 0x00, 0x7b];
    let then = a_call().after(talking_inbound(AGENT)).when(Line::inbound(AGENT).takes(report.clone()));
    let [CallEvent::CarrierEventReceived(receipt)] = then.facts() else { panic!("{:?}", then.facts()) };
    assert_eq!(receipt.raw.reveal().map(|raw| raw.to_vec()), Some(vec![0xff, 0x00, 0x7b]));
    assert_eq!(
        (receipt.provider.as_str(), &receipt.event_id, &receipt.event_type, receipt.occurred_at),
        (PROVIDER, &report.event_id, &report.event_type, at(3))
    );
}
