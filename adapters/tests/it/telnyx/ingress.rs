//! Every event of the Telnyx Voice API, as it arrives, in our terms.

use adapters::telephony::telnyx::{BadWebhook, Ingress, encode_client_state, parse};
use chrono::{DateTime, TimeDelta};
use domain::call::report::{
    CarrierFact, CarrierReport, HangUp, HangUpCause, HangUpSource, LegRole, LegTag, RecordingSaved,
    Transcribed,
};
use domain::call::terms::{AnsweredBy, Direction, RecordingFormat, SpeechOutcome, TranscriptTrack};
use domain::envelope::Time;
use domain::ids::{CallId, ClientId};
use domain::money::Money;
use domain::personal::Personal;
use serde_json::{Value, json};
use uuid::Uuid;

fn time(text: &str) -> Time {
    text.parse().unwrap()
}

fn received() -> Time {
    DateTime::from_timestamp(1_768_473_000, 0).unwrap()
}

fn webhook(event_type: &str, extra: Value) -> Value {
    let mut payload = json!({
        "call_control_id": "v3:ctl", "call_leg_id": "leg-1", "call_session_id": "ses-1", "connection_id": "1900",
        "client_state": null, "from": "+12025550123", "to": "+12025550188",
    });
    for (key, value) in extra.as_object().unwrap() {
        payload[key] = value.clone();
    }
    json!({
        "data": {
            "record_type": "event", "event_type": event_type, "id": "e-1",
            "occurred_at": "2026-01-15T10:20:30.123456Z", "payload": payload,
        },
        "meta": { "attempt": 1, "delivered_to": "https://voice.example.test/hooks/telnyx" },
    })
}

fn read(body: &Value) -> Ingress {
    parse(body.to_string().as_bytes(), received(), None).unwrap()
}

fn report(body: &Value) -> CarrierReport {
    match read(body) {
        Ingress::Report(report) => *report,
        other => panic!("no leg: {other:?}"),
    }
}

fn fact(event_type: &str, extra: Value) -> CarrierFact {
    report(&webhook(event_type, extra)).fact
}

#[test]
fn the_frame_of_a_report_is_what_the_envelope_says() {
    let tag = LegTag {
        client: ClientId(Uuid::from_u128(1)),
        call: CallId(Uuid::from_u128(2)),
        role: LegRole::Main,
    };
    let body =
        webhook("call.answered", json!({ "client_state": encode_client_state(&tag), "state": "answered" }));
    let report = report(&body);
    assert_eq!(
        (report.provider.as_str(), report.event_id.as_str(), report.event_type.as_str()),
        ("telnyx", "e-1", "call.answered")
    );
    assert_eq!(report.occurred_at, time("2026-01-15T10:20:30.123456Z"));
    assert_eq!(report.leg.control_id.as_deref(), Some("v3:ctl"));
    assert_eq!(report.leg.leg_id, "leg-1");
    assert_eq!(report.leg.session_id.as_deref(), Some("ses-1"));
    assert_eq!(report.leg.connection_id.as_deref(), Some("1900"));
    assert_eq!(report.tag, Some(tag));
    assert_eq!(report.from.as_ref().unwrap().as_str(), "+12025550123");
    assert_eq!(report.to.as_ref().unwrap().as_str(), "+12025550188");
    assert_eq!(report.raw, body.to_string().into_bytes());
}

#[test]
fn every_event_with_a_meaning_has_it() {
    let initiated = |direction| CarrierFact::Initiated { direction };
    let ended = CarrierFact::SpeechEnded;
    let by = CarrierFact::AnsweredBy;
    let dtmf = |key| CarrierFact::Dtmf(Personal::new(key));
    let gathered = |digits: &str, status: &str| CarrierFact::Gathered {
        digits: Personal::new(digits.to_owned()),
        status: status.to_owned(),
    };
    let cost = |amount_micros, currency: &str| {
        CarrierFact::Cost(Money { amount_micros, currency: currency.to_owned() })
    };
    let said = |permille, is_final, track| {
        let text = Personal::new("two tickets please".to_owned());
        CarrierFact::Transcribed(Transcribed { text, confidence_permille: permille, is_final, track })
    };
    let words = "two tickets please";
    for (event_type, extra, expected) in [
        (
            "call.initiated",
            json!({"direction": "incoming", "state": "parked"}),
            initiated(Direction::Inbound),
        ),
        (
            "call.initiated",
            json!({"direction": "outgoing", "state": "bridging"}),
            initiated(Direction::Outbound),
        ),
        ("call.initiated", json!({"direction": "sideways"}), CarrierFact::Noted),
        ("call.answered", json!({}), CarrierFact::Answered),
        ("call.bridged", json!({}), CarrierFact::Bridged),
        ("call.speak.started", json!({"speak_id": "s"}), CarrierFact::SpeechStarted),
        ("call.speak.ended", json!({"status": "completed"}), ended(SpeechOutcome::Completed)),
        ("call.speak.ended", json!({"status": "call_hangup"}), ended(SpeechOutcome::CallHangup)),
        ("call.speak.ended", json!({"status": "cancelled_amd"}), ended(SpeechOutcome::Cancelled)),
        ("call.speak.ended", json!({}), ended(SpeechOutcome::Completed)),
        ("call.dtmf.received", json!({"digit": "4"}), dtmf('4')),
        ("call.dtmf.received", json!({"digit": 4}), dtmf('4')),
        ("call.dtmf.received", json!({"digit": "*"}), dtmf('*')),
        ("call.dtmf.received", json!({"digit": "#"}), dtmf('#')),
        ("call.dtmf.received", json!({"digit": "d"}), dtmf('D')),
        ("call.dtmf.received", json!({"digit": "44"}), CarrierFact::Noted),
        ("call.dtmf.received", json!({"digit": "x"}), CarrierFact::Noted),
        ("call.dtmf.received", json!({}), CarrierFact::Noted),
        ("call.gather.ended", json!({"digits": "42", "status": "valid"}), gathered("42", "valid")),
        ("call.gather.ended", json!({"digits": 42, "status": "invalid"}), gathered("42", "invalid")),
        ("call.gather.ended", json!({"digits": "", "status": "call_hangup"}), gathered("", "call_hangup")),
        ("call.gather.ended", json!({}), gathered("", "unknown")),
        ("call.machine.detection.ended", json!({"result": "human"}), by(AnsweredBy::Human)),
        ("call.machine.detection.ended", json!({"result": "machine"}), by(AnsweredBy::Machine)),
        ("call.machine.detection.ended", json!({"result": "not_sure"}), by(AnsweredBy::NotSure)),
        ("call.machine.greeting.ended", json!({"result": "beep_detected"}), by(AnsweredBy::Machine)),
        ("call.machine.greeting.ended", json!({"result": "ended"}), CarrierFact::Noted),
        ("call.machine.premium.detection.ended", json!({"result": "human_residence"}), by(AnsweredBy::Human)),
        ("call.machine.premium.detection.ended", json!({"result": "human_business"}), by(AnsweredBy::Human)),
        ("call.machine.premium.detection.ended", json!({"result": "machine"}), by(AnsweredBy::Machine)),
        ("call.machine.premium.detection.ended", json!({"result": "fax_detected"}), by(AnsweredBy::Fax)),
        ("call.machine.premium.detection.ended", json!({"result": "silence"}), by(AnsweredBy::NotSure)),
        ("call.machine.premium.greeting.ended", json!({"result": "beep_detected"}), by(AnsweredBy::Machine)),
        ("call.machine.premium.greeting.ended", json!({"result": "no_beep_detected"}), CarrierFact::Noted),
        (
            "call.recording.error",
            json!({"reason": "Internal server error"}),
            CarrierFact::RecordingFailed { reason: "Internal server error".to_owned() },
        ),
        (
            "call.transcription",
            json!({"transcription_data": {"transcript": words, "confidence": 0.94, "is_final": true}}),
            said(Some(940), true, TranscriptTrack::Inbound),
        ),
        (
            "call.transcription",
            json!({"transcription_data": {"transcript": words, "confidence": "0.5", "is_final": "false",
                "transcription_track": "outbound"}}),
            said(Some(500), false, TranscriptTrack::Outbound),
        ),
        (
            "call.transcription",
            json!({"transcription_data": {"transcript": words, "confidence": 7, "transcription_track": "inbound_track"}}),
            said(Some(1000), true, TranscriptTrack::Inbound),
        ),
        ("call.transcription", json!({"transcription_data": {"transcript": ""}}), CarrierFact::Noted),
        ("call.transcription", json!({"transcription_data": ["nonsense"]}), CarrierFact::Noted),
        ("call.transcription", json!({}), CarrierFact::Noted),
        (
            "call.cost",
            json!({"status": "success", "total_cost": "0.0144", "billed_duration_secs": 180,
                "cost_parts": [{"call_part": "call-control", "cost": "0.0060", "currency": "EUR"}, {"currency": "USD"}]}),
            cost(14_400, "EUR"),
        ),
        ("call.cost", json!({"status": "success", "total_cost": 0.0144}), cost(14_400, "USD")),
        (
            "call.cost",
            json!({"total_cost": "1", "cost_parts": [{"currency": "dollars"}]}),
            cost(1_000_000, "USD"),
        ),
        ("call.cost", json!({"status": "error", "total_cost": "1"}), CarrierFact::Noted),
        (
            "call.cost",
            json!({"status": "success", "total_cost": null, "cost_parts": null}),
            CarrierFact::Noted,
        ),
        ("call.cost", json!({"status": "success", "total_cost": "a lot"}), CarrierFact::Noted),
    ] {
        assert_eq!(fact(event_type, extra.clone()), expected, "{event_type} {extra}");
    }
}

#[test]
fn every_cause_of_a_hangup_is_told_apart() {
    for (word, cause) in [
        ("normal_clearing", HangUpCause::Normal),
        ("originator_cancel", HangUpCause::Cancelled),
        ("user_busy", HangUpCause::Busy),
        ("timeout", HangUpCause::NoAnswer),
        ("no_answer", HangUpCause::NoAnswer),
        ("time_limit", HangUpCause::TimeLimit),
        ("call_rejected", HangUpCause::Rejected),
        ("not_found", HangUpCause::NotFound),
        ("unspecified", HangUpCause::Unspecified),
        ("media_timeout_of_tomorrow", HangUpCause::Unspecified),
    ] {
        let expected = CarrierFact::HungUp(HangUp {
            cause,
            source: HangUpSource::Callee,
            provider_code: word.to_owned(),
            sip_code: Some(486),
        });
        let extra = json!({"hangup_cause": word, "hangup_source": "callee", "sip_hangup_cause": "486",
            "call_quality_stats": null});
        assert_eq!(fact("call.hangup", extra), expected, "{word}");
    }
    for (sip, source, code, expected) in [
        (json!("unspecified"), json!("unknown"), None, HangUpSource::Unknown),
        (json!("16"), json!("caller"), None, HangUpSource::Caller),
        (json!(200), json!(null), Some(200), HangUpSource::Unknown),
        (json!("700"), json!(3), None, HangUpSource::Unknown),
        (json!({}), json!("caller"), None, HangUpSource::Caller),
    ] {
        let hung_up = HangUp {
            cause: HangUpCause::Unspecified,
            source: expected,
            provider_code: "unspecified".to_owned(),
            sip_code: code,
        };
        let extra = json!({"sip_hangup_cause": sip, "hangup_source": source});
        assert_eq!(fact("call.hangup", extra), CarrierFact::HungUp(hung_up));
    }
}

#[test]
fn a_recordings_url_expires_ten_minutes_after_the_event() {
    let mp3 = "https://storage.example.test/rec.mp3?X-Amz-Expires=600";
    let occurred_at = time("2026-01-15T10:20:30.123456Z");
    let expires = Some(occurred_at + TimeDelta::minutes(10));
    let saved = |url: Option<&str>, format, url_expires_at| {
        CarrierFact::RecordingSaved(RecordingSaved {
            recording_id: Some("9f0d".to_owned()),
            url: url.map(|url| Personal::new(url.to_owned())),
            format,
            started_at: Some(time("2026-01-15T10:20:32Z")),
            ended_at: Some(time("2026-01-15T10:21:02Z")),
            url_expires_at,
            channels: Some(2),
        })
    };
    let (is_mp3, is_wav) = (Some(RecordingFormat::Mp3), Some(RecordingFormat::Wav));
    for (urls, public, format, expected) in [
        (json!({"mp3": mp3}), json!({}), json!("mp3"), saved(Some(mp3), is_mp3, expires)),
        (
            json!({"mp3": mp3, "wav": "https://w"}),
            json!({}),
            json!("wav"),
            saved(Some("https://w"), is_wav, expires),
        ),
        (
            json!({"mp3": null, "wav": "https://w"}),
            json!(null),
            json!(null),
            saved(Some("https://w"), is_wav, expires),
        ),
        (json!({}), json!({"mp3": "https://p"}), json!("mp3"), saved(Some("https://p"), is_mp3, None)),
        (json!({"wav": "s3://b/k"}), json!({}), json!("wav"), saved(Some("s3://b/k"), is_wav, None)),
        (json!([]), json!("none"), json!("wav"), saved(None, is_wav, None)),
    ] {
        let extra = json!({"recording_id": "9f0d", "channels": "dual", "format": format, "recording_urls": urls,
            "public_recording_urls": public, "recording_started_at": "2026-01-15T10:20:32Z",
            "recording_ended_at": "2026-01-15T10:21:02Z"});
        assert_eq!(fact("call.recording.saved", extra.clone()), expected, "{extra}");
    }
}

#[test]
fn an_event_without_a_meaning_is_noted_and_never_refused() {
    for event_type in [
        "call.hold",
        "call.unhold",
        "call.playback.started",
        "call.playback.ended",
        "call.recording.transcription.saved",
        "streaming.started",
        "streaming.stopped",
        "streaming.failed",
        "call.fork.started",
        "call.refer.failed",
        "call.enqueued",
        "call.dequeued",
        "siprec.failed",
        "call.deepfake_detection.result",
        "call.ai_gather.ended",
        "call.conversation.ended",
        "call.payment.completed",
        "call.sip_info.received",
        "conference.participant.joined",
        "call.of.tomorrow",
        "Unheard Of",
    ] {
        assert_eq!(fact(event_type, json!({"new_field": {"deep": [1, {"er": null}]}})), CarrierFact::Noted);
    }
}

#[test]
fn an_event_that_names_no_leg_is_taken_all_the_same() {
    let body = json!({"data": {"event_type": "conference.ended", "id": "c-1", "record_type": "event",
        "payload": {"conference_id": "x", "occurred_at": "2026-01-15T10:20:30.5Z", "reason": "all_left"}}});
    let Ingress::NoLeg { event_id, event_type, occurred_at, raw } = read(&body) else { panic!("has no leg") };
    assert_eq!((event_id.as_str(), event_type.as_str()), ("c-1", "conference.ended"));
    assert_eq!(occurred_at, time("2026-01-15T10:20:30.5Z"), "the time stands inside the payload");
    assert_eq!(raw, body.to_string().into_bytes());

    let message = json!({"data": {"event_type": "message.received", "id": "m-1", "occurred_at": "not a time",
        "payload": {"from": {"phone_number": "+12025550123"}, "to": [{"phone_number": "+12025550188"}]}}});
    let Ingress::NoLeg { occurred_at, .. } = read(&message) else { panic!("has no leg") };
    assert_eq!(occurred_at, received(), "no time of its own");
    for payload in [json!(null), json!([]), json!("text"), json!(1)] {
        let body = json!({"data": {"event_type": "x", "id": "y", "payload": payload}});
        assert!(matches!(read(&body), Ingress::NoLeg { .. }), "{body}");
    }
}

#[test]
fn a_leg_goes_by_the_name_it_is_given() {
    let mut body = webhook("call.recording.error", json!({}));
    body["data"]["payload"].as_object_mut().unwrap().remove("call_control_id");
    let leg = report(&body).leg;
    assert_eq!((leg.control_id, leg.leg_id.as_str()), (None, "leg-1"), "no command can be sent to a leg id");

    for missing in [json!(null), json!("")] {
        let leg = report(&webhook("call.answered", json!({ "call_leg_id": missing }))).leg;
        assert_eq!((leg.control_id.as_deref(), leg.leg_id.as_str()), (Some("v3:ctl"), "v3:ctl"));
    }
}

#[test]
fn our_tag_is_read_and_a_strangers_state_is_not() {
    for state in [json!(null), json!(""), json!("eyJ2IjoxfQ=="), json!(17), json!({"v": 1})] {
        assert_eq!(report(&webhook("call.answered", json!({ "client_state": state }))).tag, None);
    }
    let mut body = webhook("call.answered", json!({}));
    body["data"]["payload"].as_object_mut().unwrap().remove("client_state");
    assert_eq!(report(&body).tag, None);

    let tag = LegTag {
        client: ClientId(Uuid::from_u128(1)),
        call: CallId(Uuid::from_u128(2)),
        role: LegRole::TransferTarget,
    };
    let state = encode_client_state(&tag);
    assert_eq!(report(&webhook("call.initiated", json!({ "client_state": state }))).tag, Some(tag));
    let tagged = fact("call.initiated", json!({ "client_state": state }));
    assert_eq!(tagged, CarrierFact::Initiated { direction: Direction::Outbound }, "only we tag legs");
}

#[test]
fn a_caller_without_a_number_and_one_who_writes_in_escapes_are_read() {
    let anonymous =
        report(&webhook("call.initiated", json!({"from": "anonymous", "to": "sip:desk@pbx.example.test"})));
    assert_eq!(anonymous.from.unwrap().as_str(), "anonymous");
    assert_eq!(anonymous.to.unwrap().as_str(), "sip:desk@pbx.example.test");

    let body = webhook("call.initiated", json!({})).to_string().replace("+12025550123", "\\u002b12025550123");
    let Ok(Ingress::Report(escaped)) = parse(body.as_bytes(), received(), None) else {
        panic!("is a report")
    };
    assert_eq!(escaped.from.unwrap().as_str(), "+12025550123");
}

#[test]
fn an_event_of_api_version_1_is_refused_with_the_remedy() {
    let v1 = json!({"event_type": "call_initiated", "created_at": "2026-01-15T10:20:30Z", "record_type": "event",
        "id": "x", "payload": {"call_control_id": "c", "call_leg_id": "l"}});
    let error = parse(v1.to_string().as_bytes(), received(), None).unwrap_err();
    assert_eq!(error, BadWebhook::Version1);
    assert!(error.to_string().contains("set webhook_api_version to \"2\""));
}

#[test]
fn what_is_no_webhook_is_refused_and_not_repeated() {
    let good = webhook("call.answered", json!({})).to_string();
    for (body, missing) in [
        ("{}", "id"),
        ("[]", "id"),
        ("17", "id"),
        (r#"{"data":[]}"#, "id"),
        (r#"{"data":{"event_type":"x"}}"#, "id"),
        (r#"{"data":{"id":null,"event_type":"x"}}"#, "id"),
        (r#"{"data":{"id":"x"}}"#, "event_type"),
    ] {
        assert_eq!(parse(body.as_bytes(), received(), None), Err(BadWebhook::Missing(missing)), "{body}");
    }
    let doubled = format!("{good}{good}");
    for broken in
        ["", "{", "\u{feff}{}", &good[..good.len() - 1], &doubled, &good.replace("+1202", "\u{1}+1202")]
    {
        let error = parse(broken.as_bytes(), received(), None).unwrap_err();
        assert!(matches!(error, BadWebhook::NotJson { .. }), "{broken}");
        assert!(!error.to_string().contains("555"), "{error}");
    }
    assert!(parse(b"{\"data\":\"\xff\"}", received(), None).is_err(), "not UTF-8");
    let deep = "[".repeat(100_000);
    assert!(
        parse(format!("{{\"x\":{deep}").as_bytes(), received(), None).is_err(),
        "deep nesting does not exhaust the stack"
    );
}

#[test]
fn debug_shows_nothing_personal() {
    let body = webhook("call.transcription", json!({"transcription_data": {"transcript": "my pin is 4711"}}));
    let shown = format!("{:?}", read(&body));
    assert!(!shown.contains("4711") && !shown.contains("5550123"), "{shown}");
    let raw = format!("{:?}", &body.to_string().as_bytes()[..8]);
    assert!(!shown.contains(raw.trim_matches(['[', ']'])), "{shown}");
}

#[test]
fn a_date_that_cannot_be_is_that_of_the_receipt() {
    let occurred = |at: &str| {
        let mut body = webhook("call.answered", json!({}));
        body["data"]["occurred_at"] = json!(at);
        match parse(body.to_string().as_bytes(), received(), None) {
            Ok(Ingress::Report(report)) => report.occurred_at,
            other => panic!("{other:?}"),
        }
    };
    for at in [
        "1970-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "2026-01-01T00:00:00Z",
        "2026-01-15T11:30:01Z",
        "yesterday",
        "",
    ] {
        assert_eq!(occurred(at), received(), "{at}");
    }
    for at in ["2026-01-08T10:30:00Z", "2026-01-15T11:30:00Z", "2026-01-15T10:29:59.5Z"] {
        assert_eq!(occurred(at), at.parse::<Time>().unwrap(), "{at}");
    }
}
