//! Ultravox's call objects in our own terms. Every field may be missing or of another type: then it is not known.

use domain::call::report::{
    CarrierFact, CarrierReport, HangUp, HangUpCause, HangUpSource, HostedCall, LegRef, LegRole, LegTag,
    RuntimeBill, Transcribed,
};
use domain::call::terms::TranscriptTrack;
use domain::envelope::Time;
use domain::phone::Party;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::PROVIDER;
use super::clean::without_secrets;
use super::signature::time;
use crate::hex::encoded;

/// Key of a call's metadata with our id of the client.
pub(super) const CLIENT_KEY: &str = "voxledger_client";
/// Key of a call's metadata with our id of the call.
pub(super) const CALL_KEY: &str = "voxledger_call";
/// Longest line that is taken, in characters.
const MAX_LINE: usize = 10_000;
/// Most bytes of a message that are kept.
const MAX_RAW: usize = 64 * 1024;
/// No call lasts longer: a day, in milliseconds.
const LONGEST_CALL_MS: u64 = 86_400_000;
/// How much more than a call may last is billed at most, in milliseconds.
const BILL_SLACK_MS: u64 = 600_000;
/// Longest id or word of Ultravox's that is taken, in bytes.
const MAX_WORD: usize = 100;

/// What a webhook says.
#[derive(Debug, Clone)]
pub enum UltravoxEvent {
    /// It shows a call.
    Report(Box<CarrierReport>),
    /// It shows no call that this version can read; it is kept. Its id follows from the body, so that a readable copy
    /// of the same event is no repetition of it.
    Unread { event_id: String, event_type: String, raw: Vec<u8> },
}

/// The body is no JSON: line and column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is not JSON: line {line}, column {column}")]
pub struct NotJson {
    pub line: usize,
    pub column: usize,
}

/// Reads a webhook that was verified.
pub fn parse(body: &[u8], received_at: Time) -> Result<UltravoxEvent, NotJson> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| NotJson { line: error.line(), column: error.column() })?;
    let event_type = word(&value["event"]).unwrap_or_else(|| "unknown".to_owned());
    Ok(match report(&value["call"], &event_type, received_at) {
        Some(report) => UltravoxEvent::Report(Box::new(report)),
        None => {
            let event_id = encoded(&Sha256::digest(body));
            UltravoxEvent::Unread {
                event_id,
                event_type,
                raw: without_secrets(value).to_string().into_bytes(),
            }
        }
    })
}

/// A call object as a report; `None` where it has no usable id. `event_type` is the webhook's name, or our own for a
/// call that was asked for.
pub fn report(call: &Value, event_type: &str, received_at: Time) -> Option<CarrierReport> {
    let call_id = word(&call["callId"])?;
    // the end is told once the messages are final, and the bill after it
    let messages_final = matches!(event_type, "call.ended" | "call.billed");
    let known = HostedCall { messages_final, ..snapshot(call) };
    let [created, joined, ended] = ["created", "joined", "ended"].map(|name| instant(&call[name]));
    let occurred_at = match event_type {
        "call.started" => created,
        "call.joined" => joined,
        "call.ended" => ended,
        _ => None,
    };
    let raw = without_secrets(serde_json::json!({"event": event_type, "call": call}));
    let party = |name| outgoing(call).and_then(|to| to[name].as_str()).map(Party::new);
    Some(CarrierReport {
        provider: PROVIDER.to_owned(),
        event_id: format!("{event_type}:{call_id}:{}", fingerprint(call)),
        event_type: event_type.to_owned(),
        occurred_at: occurred_at.unwrap_or(received_at),
        leg: leg(&call_id),
        tag: tag(call),
        ask: None,
        from: party("from"),
        to: party("to"),
        fact: CarrierFact::Hosted(Box::new(known)),
        raw: raw.to_string().into_bytes(),
    })
}

/// The leg of a call: Ultravox has one id for all purposes.
pub(super) fn leg(call_id: &str) -> LegRef {
    LegRef {
        control_id: Some(call_id.to_owned()),
        leg_id: call_id.to_owned(),
        session_id: None,
        connection_id: None,
    }
}

/// Our tag in the metadata of a call that we placed.
pub(super) fn tag(call: &Value) -> Option<LegTag> {
    let client = call["metadata"][CLIENT_KEY].as_str()?.parse().ok()?;
    let of = call["metadata"][CALL_KEY].as_str()?.parse().ok()?;
    Some(LegTag { client, call: of, role: LegRole::Main })
}

/// A message of a call that began at `began`, as a report. Words become lines; tool calls and their results are kept as
/// they are. `None` for a message without content.
pub(super) fn message(message: &Value, call_id: &str, began: Time) -> Option<CarrierReport> {
    let text = message["text"].as_str().filter(|text| !text.trim().is_empty())?;
    let said = |track| {
        let text = text.chars().take(MAX_LINE).collect::<String>().into();
        CarrierFact::Transcribed(Transcribed { text, confidence_permille: None, is_final: true, track })
    };
    let (name, fact) = match message["role"].as_str()? {
        "MESSAGE_ROLE_USER" => ("message.user", said(TranscriptTrack::Inbound)),
        "MESSAGE_ROLE_AGENT" => ("message.agent", said(TranscriptTrack::Outbound)),
        "MESSAGE_ROLE_TOOL_CALL" => ("message.tool_call", CarrierFact::Noted),
        "MESSAGE_ROLE_TOOL_RESULT" => ("message.tool_result", CarrierFact::Noted),
        _ => ("message", CarrierFact::Noted),
    };
    let (stage, index) = (&message["callStageId"], &message["callStageMessageIndex"]);
    let start = message["wallClockTimespan"]["start"].as_str().and_then(milliseconds).unwrap_or(0);
    let raw = without_secrets(message.clone()).to_string();
    let fits = raw.len() <= MAX_RAW;
    Some(CarrierReport {
        provider: PROVIDER.to_owned(),
        event_id: format!("message:{call_id}:{stage}:{index}:{}", &encoded(&Sha256::digest(text))[..16]),
        event_type: name.to_owned(),
        occurred_at: began + std::time::Duration::from_millis(start.min(LONGEST_CALL_MS)),
        leg: leg(call_id),
        tag: None,
        ask: None,
        from: None,
        to: None,
        fact,
        raw: if fits { raw.into_bytes() } else { Vec::new() },
    })
}

pub(super) fn word(value: &Value) -> Option<String> {
    let right =
        |text: &&str| (1..=MAX_WORD).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    value.as_str().filter(right).map(str::to_owned)
}

fn instant(value: &Value) -> Option<Time> {
    value.as_str().and_then(time)
}

/// The parties of a call that Ultravox placed.
fn outgoing(call: &Value) -> Option<&Value> {
    let of = |name: &&str| call["medium"][*name]["outgoing"].is_object();
    let name = ["telnyx", "twilio", "plivo", "sip"].into_iter().find(of)?;
    Some(&call["medium"][name]["outgoing"])
}

/// Tells states of a call apart, and no states that mean the same: summaries change without news.
fn fingerprint(call: &Value) -> String {
    let mut state = String::new();
    for name in ["joined", "ended", "endReason", "billedDuration", "billingStatus", "sipDetails"] {
        state.push_str(&call[name].to_string());
        state.push('\n');
    }
    let mut digest = encoded(&Sha256::digest(state));
    digest.truncate(16);
    digest
}

fn snapshot(call: &Value) -> HostedCall {
    let outbound = outgoing(call).is_some();
    let ended = instant(&call["ended"]);
    let hang_up = ended.map(|at| (at, hang_up(call, outbound)));
    HostedCall {
        outbound,
        joined_at: instant(&call["joined"]),
        ended: hang_up,
        billed: bill(call),
        messages_final: false,
    }
}

fn hang_up(call: &Value, outbound: bool) -> HangUp {
    let reason = word(&call["endReason"]).unwrap_or_else(|| "unknown".to_owned());
    let sip = call["sipDetails"]["terminationReason"].as_str().unwrap_or_default();
    let cause = match (&*reason, sip) {
        ("unjoined", "SIP_TERMINATION_BUSY") => HangUpCause::Busy,
        ("unjoined", "SIP_TERMINATION_INVALID_NUMBER") => HangUpCause::NotFound,
        ("unjoined", "SIP_TERMINATION_REJECTED") => HangUpCause::Rejected,
        ("unjoined", "SIP_TERMINATION_CANCELED") => HangUpCause::Cancelled,
        ("unjoined", _) => HangUpCause::NoAnswer,
        ("hangup", _) => HangUpCause::Normal,
        ("agent_hangup", _) => HangUpCause::AgentHungUp,
        ("timeout", _) => HangUpCause::TimeLimit,
        ("connection_error" | "system_error", _) => HangUpCause::Broken,
        _ => HangUpCause::Unspecified,
    };
    // «hangup» is the client of Ultravox's: the person on the phone
    let source = match cause {
        HangUpCause::Normal if outbound => HangUpSource::Callee,
        HangUpCause::Normal => HangUpSource::Caller,
        _ => HangUpSource::Unknown,
    };
    HangUp { cause, source, provider_code: reason, sip_code: None }
}

/// What is billed, once that is final; `None` where it is not, or cannot be read.
fn bill(call: &Value) -> Option<RuntimeBill> {
    let status = word(&call["billingStatus"])?;
    let free = match status.strip_prefix("BILLING_STATUS_").unwrap_or(&status) {
        "BILLED" | "FREE_MINUTES" => false,
        "REFUNDED" => true,
        free if free.starts_with("FREE_") => true,
        // not final, or not known what it means
        _ => return None,
    };
    // a duration that no call has is not charged
    let longest = call["maxDuration"].as_str().and_then(milliseconds).unwrap_or(LONGEST_CALL_MS);
    let longest = longest.min(LONGEST_CALL_MS) + BILL_SLACK_MS;
    let billed = call["billedDuration"].as_str().and_then(milliseconds).filter(|ms| *ms <= longest);
    let duration_ms = if free { 0 } else { billed? };
    let sip = call["sipDetails"]["billedDuration"].as_str().and_then(milliseconds);
    let sip_ms = sip.filter(|ms| *ms <= LONGEST_CALL_MS + BILL_SLACK_MS);
    Some(RuntimeBill { duration_ms, sip_ms, status })
}

/// Reads a duration such as `288s` or `0.384s`, a begun millisecond counted; `None` for anything else, also a negative one.
pub(super) fn milliseconds(text: &str) -> Option<u64> {
    let number = text.strip_suffix('s')?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = whole.len() > 1 && whole.starts_with('0');
    if !digits(whole) || !digits(fraction) || whole.len() > 12 || fraction.len() > 9 || leading_zero {
        return None;
    }
    let nanos: u64 = format!("{fraction:0<9}").parse().ok()?;
    Some(whole.parse::<u64>().ok()? * 1_000 + nanos.div_ceil(1_000_000))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use domain::ids::{CallId, ClientId};
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn now() -> Time {
        DateTime::from_timestamp(1_777_638_896, 0).unwrap()
    }

    fn call() -> Value {
        json!({
            "callId": "7d1f0f6e-5d0b-4a9e-9c55-0b7f3f6b2a11", "clientVersion": null, "somethingNew": {"a": [1]},
            "created": "2026-05-01T12:30:00.104Z", "joined": "2026-05-01T12:30:09.870Z",
            "ended": "2026-05-01T12:34:55.002Z", "endReason": "hangup", "billedDuration": "288s",
            "billingStatus": "BILLING_STATUS_BILLED", "joinUrl": "wss://voice.example.invalid/secret",
            "medium": {"telnyx": {"outgoing": {"to": "+12025550123", "from": "+12025550100"}}},
            "metadata": {
                CLIENT_KEY: ClientId(Uuid::from_u128(1)).to_string(), CALL_KEY: CallId(Uuid::from_u128(2)).to_string(),
            },
            "callbacks": {"ended": {"url": "https://a.example", "secrets": ["s3cr3t"]}}, "sipDetails": null,
        })
    }

    fn known(change: impl FnOnce(&mut Value)) -> HostedCall {
        let mut call = call();
        change(&mut call);
        match report(&call, "call.ended", now()).unwrap().fact {
            CarrierFact::Hosted(known) => *known,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_call_object_becomes_a_report_without_its_secrets() {
        let body = json!({"event": "call.billed", "call": call()}).to_string();
        let UltravoxEvent::Report(report) = parse(body.as_bytes(), now()).unwrap() else { panic!() };
        assert_eq!(report.leg.leg_id, "7d1f0f6e-5d0b-4a9e-9c55-0b7f3f6b2a11");
        assert_eq!(report.tag.map(|tag| (tag.client.0.as_u128(), tag.call.0.as_u128())), Some((1, 2)));
        assert_eq!(report.to.as_ref().map(Party::as_str), Some("+12025550123"));
        let raw = String::from_utf8(report.raw.clone()).unwrap();
        assert!(!raw.contains("s3cr3t") && !raw.contains("wss://") && raw.contains("somethingNew"), "{raw}");
        assert!(!format!("{report:?}").contains("+1202"), "logs name no party");
        let CarrierFact::Hosted(known) = &report.fact else { panic!() };
        assert_eq!(known.billed.as_ref().map(|bill| bill.duration_ms), Some(288_000));
        assert_eq!(
            known.ended.as_ref().map(|(_, end)| (end.cause, end.source)),
            Some((HangUpCause::Normal, HangUpSource::Callee))
        );
    }

    #[test]
    fn a_repetition_has_the_same_id_and_news_have_another() {
        let id = |change: fn(&mut Value)| {
            let mut call = call();
            change(&mut call);
            report(&call, "call.ended", now()).unwrap().event_id
        };
        assert_eq!(id(|_| {}), id(|call| call["summary"] = json!("They agreed.")), "a summary is no news");
        assert_ne!(id(|_| {}), id(|call| call["billingStatus"] = json!("BILLING_STATUS_REFUNDED")));
    }

    #[test]
    fn what_cannot_be_read_is_kept_and_blocks_no_later_copy() {
        let broken =
            json!({"event": "call.ended", "call": {"callId": 7, "joinUrl": "wss://secret"}}).to_string();
        let UltravoxEvent::Unread { event_id, event_type, raw } = parse(broken.as_bytes(), now()).unwrap()
        else {
            panic!()
        };
        assert_eq!((event_type.as_str(), event_id.len()), ("call.ended", 64));
        assert!(!String::from_utf8(raw).unwrap().contains("wss://"));
        for other in [json!([]), json!({"event": "account.changed"}), json!(null)] {
            assert!(
                matches!(parse(other.to_string().as_bytes(), now()), Ok(UltravoxEvent::Unread { .. })),
                "{other}"
            );
        }
        assert!(parse(b"{", now()).is_err());
        // fields of other types are not known, and the rest is
        let odd = known(|call| {
            call["joined"] = json!(5);
            call["billedDuration"] = json!("soon");
            call["endReason"] = json!({"x": 1});
        });
        assert_eq!((odd.joined_at, odd.billed), (None, None));
        assert_eq!(odd.ended.map(|(_, end)| end.cause), Some(HangUpCause::Unspecified));
    }

    #[test]
    fn every_end_reason_has_its_cause() {
        let cause = |reason: &str, sip: &str| {
            known(|call| {
                call["endReason"] = json!(reason);
                call["sipDetails"] = json!({"terminationReason": sip, "billedDuration": "12.4s"});
            })
            .ended
            .map(|(_, end)| end.cause)
        };
        for (reason, sip, expected) in [
            ("unjoined", "", HangUpCause::NoAnswer),
            ("unjoined", "SIP_TERMINATION_BUSY", HangUpCause::Busy),
            ("unjoined", "SIP_TERMINATION_INVALID_NUMBER", HangUpCause::NotFound),
            ("unjoined", "SIP_TERMINATION_REJECTED", HangUpCause::Rejected),
            ("unjoined", "SIP_TERMINATION_TIMEOUT", HangUpCause::NoAnswer),
            ("agent_hangup", "SIP_TERMINATION_NORMAL", HangUpCause::AgentHungUp),
            ("timeout", "", HangUpCause::TimeLimit),
            ("connection_error", "", HangUpCause::Broken),
            ("system_error", "", HangUpCause::Broken),
            ("brand_new", "", HangUpCause::Unspecified),
        ] {
            assert_eq!(cause(reason, sip), Some(expected), "{reason} {sip}");
        }
    }

    #[test]
    fn a_bill_counts_once_it_is_final() {
        let of = |status: &str| {
            known(|call| call["billingStatus"] = json!(format!("BILLING_STATUS_{status}")))
                .billed
                .map(|bill| bill.duration_ms)
        };
        for (status, ms) in [
            ("PENDING", None),
            ("UNSPECIFIED", None),
            ("BILLED", Some(288_000)),
            ("FREE_MINUTES", Some(288_000)),
            ("FREE_SYSTEM_ERROR", Some(0)),
            ("REFUNDED", Some(0)),
            ("FREE_NEW", Some(0)),
            ("BILLED_LATER", None),
        ] {
            assert_eq!(of(status), ms, "{status}");
        }
    }

    #[test]
    fn a_duration_that_no_call_has_is_no_bill() {
        let of = |longest: Value, billed: &str| {
            let known = known(|call| {
                (call["maxDuration"], call["billedDuration"]) = (longest, json!(billed));
                call["sipDetails"] = json!({"billedDuration": "999999999999s"});
            });
            known.billed.map(|bill| (bill.duration_ms, bill.sip_ms))
        };
        assert_eq!(of(json!("900s"), "906s"), Some((906_000, None)));
        assert_eq!(of(json!("900s"), "1501s"), None);
        assert_eq!(of(Value::Null, "86400s"), Some((86_400_000, None)));
        for longest in [Value::Null, json!("999999999999s")] {
            assert_eq!(of(longest, "999999999999s"), None);
        }
    }

    #[test]
    fn words_become_lines_at_their_time_and_tool_calls_are_kept() {
        let began = now();
        let of = |role: &str, text: &str| {
            let said = json!({
                "role": format!("MESSAGE_ROLE_{role}"), "text": text, "callStageId": "s", "callStageMessageIndex": 2,
                "wallClockTimespan": {"start": "1.500s", "end": "2s"}, "medium": "MESSAGE_MEDIUM_VOICE",
            });
            message(&said, "call", began)
        };
        let user = of("USER", "Yes.").unwrap();
        let CarrierFact::Transcribed(line) = &user.fact else { panic!("{user:?}") };
        assert_eq!((line.track, line.is_final), (TranscriptTrack::Inbound, true));
        assert_eq!((user.occurred_at - began).num_milliseconds(), 1_500);
        assert_eq!(
            of("TOOL_CALL", "{}").map(|report| (report.event_type, report.fact)),
            Some(("message.tool_call".to_owned(), CarrierFact::Noted))
        );
        assert!(of("AGENT", " ").is_none());
        let long = of("AGENT", &"x".repeat(1 << 20)).unwrap();
        assert!(long.raw.is_empty(), "too large to keep");
        assert_eq!(of("USER", "Yes.").unwrap().event_id, user.event_id);
        assert_ne!(of("USER", "No.").unwrap().event_id, user.event_id);
    }

    #[test]
    fn durations_are_text_in_seconds() {
        for (text, ms) in [
            ("288s", 288_000),
            ("0.384s", 384),
            ("0s", 0),
            ("1.0000001s", 1_001),
            ("999999999999s", 999_999_999_999_000),
        ] {
            assert_eq!(milliseconds(text), Some(ms), "{text}");
        }
        for bad in
            ["", "s", "288", "-1s", "01s", "1.s", ".5s", "1.0000000001s", "1e3s", "9999999999999s", "1,5s"]
        {
            assert_eq!(milliseconds(bad), None, "{bad}");
        }
    }
}
