//! What a client may ask of a call that is being talked on, and when it may not.

use std::collections::BTreeMap;

use super::{a_call, outgoing};
use crate::call::terms::Status;
use crate::call::{
    CallCommand, CallMetadata, CallRefusal, DtmfRequested, MAX_DTMF_DIGITS, MAX_SPEECH_CHARS,
    MetadataChanged, Outgoing, SpeechRequested,
};
use crate::ports::telephony::LegAction;
use crate::testing::calls::*;

fn set_metadata(n: u128, metadata: CallMetadata) -> CallCommand {
    CallCommand::SetMetadata { id: id(n), metadata, now: at(20) }
}

fn field_of(refusal: Result<&[crate::call::CallEvent], &CallRefusal>) -> Vec<&'static str> {
    match refusal {
        Err(CallRefusal::Invalid(fields)) => fields.keys().copied().collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_text_is_spoken_and_becomes_a_line_of_the_transcript() {
    let call = a_call().after(talking_inbound(AGENT)); // the greeting is line 1
    let line = |n, seq, text: &str, seconds| {
        SpeechRequested { effect_id: id(n), seq, text: text.to_owned().into(), at: at(seconds) }.into()
    };
    let then = call.when(say(1, "One moment.", 20)).then([line(1, 2, "One moment.", 20)]);
    let Some(Outgoing::Leg(command)) = outgoing(then.state(), id(1)) else { panic!("nothing is said") };
    let LegAction::Speak { text } = &command.action else { panic!("{:?}", command.action) };
    assert_eq!(text.reveal().map(String::as_str), Some("One moment."));
    then.and().when(say(2, "Thank you.", 21)).then([line(2, 3, "Thank you.", 21)]);
}

#[test]
fn keys_are_sent_and_become_a_line_of_the_transcript() {
    let call = a_call().after(talking_outbound());
    let digits = "1ww23#*AD".to_owned().into();
    let fact = DtmfRequested { effect_id: id(1), seq: 1, digits, at: at(20) };
    let then = call.when(send_dtmf(1, "1ww23#*AD", 20)).then([fact.into()]);
    let Some(Outgoing::Leg(command)) = outgoing(then.state(), id(1)) else { panic!("nothing is sent") };
    assert!(matches!(command.action, LegAction::SendDtmf { .. }));
}

#[test]
fn invalid_fields_are_named() {
    let call = a_call().after(talking_outbound());
    for text in ["", " \n", &"x".repeat(MAX_SPEECH_CHARS + 1)] {
        assert_eq!(field_of(call.clone().when(say(1, text, 20)).decision()), ["text"]);
    }
    call.clone().when(say(1, &"é".repeat(MAX_SPEECH_CHARS), 20)).then_types(["call.speech_requested"]);
    for digits in ["", "1 2", "E", "a", "１", &"1".repeat(MAX_DTMF_DIGITS + 1)] {
        assert_eq!(field_of(call.clone().when(send_dtmf(1, digits, 20)).decision()), ["digits"]);
    }
    call.clone().when(send_dtmf(1, &"1".repeat(MAX_DTMF_DIGITS), 20)).then_types(["call.dtmf_requested"]);
    let nowhere = CallCommand::Transfer { id: id(1), to: crate::phone::Party::new("desk"), now: at(20) };
    assert_eq!(field_of(call.clone().when(nowhere).decision()), ["to"]);
    for key in [String::new(), "k".repeat(65)] {
        let metadata = set_metadata(1, [(key, 1.into())].into());
        assert_eq!(field_of(call.clone().when(metadata).decision()), ["metadata"]);
    }
}

#[test]
fn only_a_call_that_is_talked_on_can_speak_transfer_and_send_keys() {
    let ringing = vec![Line::inbound(AGENT).initiated(1)];
    let over = |history: Vec<CallCommand>, line: Line| [history, vec![line.hung_up(15)]].concat();
    let table: [(Vec<CallCommand>, Status); 7] = [
        (vec![queued()], Status::Queued),
        (vec![queued(), start_dial(1)], Status::Dialing),
        (vec![queued(), start_dial(1), lose_dial(6)], Status::DialUnknown),
        (ringing, Status::Ringing),
        ([talking_outbound(), vec![hang_up(9, 10)]].concat(), Status::InProgress),
        (over(talking_outbound(), Line::dialled()), Status::Ended),
        (vec![queued(), hang_up(9, 1)], Status::Failed),
    ];
    for (history, status) in table {
        let call = a_call().after(history);
        assert_eq!(call.state().status(), status);
        for (command, name) in
            [(say(1, "hello", 20), "say"), (transfer(1, 20), "transfer"), (send_dtmf(1, "1", 20), "dtmf")]
        {
            call.clone().when(command).then_refused(CallRefusal::WrongStatus { status, command: name });
        }
    }
}

#[test]
fn a_command_is_carried_out_once() {
    let call = a_call().after(talking_outbound());
    let all = [
        say(1, "hello", 20),
        transfer(2, 20),
        send_dtmf(3, "1", 20),
        set_metadata(4, BTreeMap::new()),
        hang_up(5, 20),
    ];
    for command in all {
        let asked = call.clone().after([command.clone()]);
        asked.clone().when(command.clone()).then_nothing();
        // and still once when the carrier did its part, or the call is over
        let settled = asked.after((1..=5).map(|n| accepted(id(n), 21)));
        settled.clone().when(command.clone()).then_nothing();
        settled.after([Line::dialled().hung_up(22)]).when(command).then_nothing();
    }
}

#[test]
fn metadata_is_replaced_at_any_time() {
    let over = [talking_outbound(), vec![Line::dialled().hung_up(15)]].concat();
    for history in [vec![queued()], talking_inbound(MENU), over] {
        let metadata: CallMetadata = [("order".to_owned(), serde_json::json!({ "id": 8 }))].into();
        let fact = MetadataChanged { command_id: id(1), metadata: metadata.clone().into(), at: at(20) };
        let call = a_call().after(history);
        let status = call.state().status();
        call.when(set_metadata(1, metadata)).then([fact.into()]).then_status(status);
    }
}
