//! Translates the body of a webhook into a carrier report.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use domain::call::report::{
    CarrierFact, CarrierReport, HangUp, HangUpCause, HangUpSource, LegRef, RecordingSaved, Transcribed,
};
use domain::call::terms::{AnsweredBy, Direction, RecordingFormat, SpeechOutcome, TranscriptTrack};
use domain::envelope::Time;
use domain::money::{Money, micros_from_decimal};
use domain::personal::Personal;
use domain::phone::Party;

use super::PROVIDER;
use super::client_state::decode;
use super::event::{Object, Payload, Text, Transcription, Urls, Webhook};
use crate::telephony::national::Country;

/// How long a recording's URL works: Telnyx signs it for ten minutes.
const URL_LIFE: TimeDelta = TimeDelta::minutes(10);

/// The longest time between an event and its receipt: carriers give up on a webhook within days.
pub const OLDEST: TimeDelta = TimeDelta::days(7);
/// How far a carrier's clock may be ahead of ours.
pub const NEWEST: TimeDelta = TimeDelta::hours(1);

/// The content of a webhook.
#[derive(PartialEq)]
pub enum Ingress {
    /// A fact about a leg.
    Report(Box<CarrierReport>),
    /// An event without a leg: a conference, a message, or an unknown product.
    NoLeg {
        /// The carrier's id of this event: the same on every attempt to deliver it.
        event_id: String,
        /// The carrier's own name of the event.
        event_type: String,
        /// When it happened, by the carrier's clock.
        occurred_at: Time,
        /// The webhook's body as received.
        raw: Vec<u8>,
    },
}

impl fmt::Debug for Ingress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ingress::Report(report) => f.debug_tuple("Report").field(report).finish(),
            Ingress::NoLeg { event_id, event_type, occurred_at, .. } => f
                .debug_struct("NoLeg")
                .field("event_id", event_id)
                .field("event_type", event_type)
                .field("occurred_at", occurred_at)
                .finish_non_exhaustive(),
        }
    }
}

/// The body is not a valid webhook. No error text repeats what was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadWebhook {
    /// The body is not JSON, or is cut short.
    #[error("body is not json (line {line}, column {column})")]
    NotJson {
        /// Line number, counted from 1.
        line: usize,
        /// Column number, counted from 1.
        column: usize,
    },
    /// An event of API version 1, or in another flat form.
    #[error(
        "body is an event of telnyx api version 1; set webhook_api_version to \"2\" on the call control application"
    )]
    Version1,
    /// JSON without a field that every webhook has.
    #[error("body has no data.{0}")]
    Missing(&'static str),
}

/// Parses the raw body of a webhook. `received_at` replaces a missing or implausible event time: more than
/// [`OLDEST`] before or [`NEWEST`] after it. A number without its country code is read as one in the national form
/// of `country`; with `None` it stays as it is.
///
/// Unknown event types, unknown fields and fields of unexpected types are never an error.
///
/// Fails with [`BadWebhook`] when the body is not JSON, is of API version 1, or has no event id, without which a
/// duplicate could not be recognised.
pub fn parse(body: &[u8], received_at: Time, country: Option<Country>) -> Result<Ingress, BadWebhook> {
    let webhook: Object<Webhook<'_>> = serde_json::from_slice(body)
        .map_err(|error| BadWebhook::NotJson { line: error.line(), column: error.column() })?;
    let webhook = webhook.0.ok_or(BadWebhook::Missing("id"))?;
    let Some(data) = webhook.data.0 else {
        return Err(webhook.event_type.get().map_or(BadWebhook::Missing("id"), |_| BadWebhook::Version1));
    };
    let event_id = data.id.owned().ok_or(BadWebhook::Missing("id"))?;
    let event_type = data.event_type.owned().ok_or(BadWebhook::Missing("event_type"))?;
    let payload = data.payload.0.unwrap_or_default();
    let time = |text: &Text<'_>| time(text, received_at);
    let occurred_at = time(&data.occurred_at).or_else(|| time(&payload.occurred_at)).unwrap_or(received_at);
    let control_id = payload.call_control_id.owned();
    // a few webhooks lack the leg id; such a leg has two names, and an index of legs must hold both
    let Some(leg_id) = payload.call_leg_id.owned().or_else(|| control_id.clone()) else {
        return Ok(Ingress::NoLeg { event_id, event_type, occurred_at, raw: body.to_vec() });
    };
    let (tag, ask) =
        payload.client_state.get().and_then(decode).map_or((None, None), |(tag, ask)| (Some(tag), ask));
    let fact = fact(&event_type, &payload, occurred_at, received_at, tag.is_some());
    let party =
        |text: &str| country.map_or_else(|| Party::new(text), |country| country.complete(Party::new(text)));
    Ok(Ingress::Report(Box::new(CarrierReport {
        provider: PROVIDER.to_owned(),
        event_id,
        event_type,
        occurred_at,
        leg: LegRef {
            control_id,
            leg_id,
            session_id: payload.call_session_id.owned(),
            connection_id: payload.connection_id.owned(),
        },
        tag,
        ask,
        from: payload.from.get().map(party),
        to: payload.to.get().map(party),
        fact,
        raw: body.to_vec(),
    })))
}

fn fact(
    event_type: &str,
    payload: &Payload<'_>,
    occurred_at: Time,
    received_at: Time,
    ours: bool,
) -> CarrierFact {
    match event_type {
        "call.initiated" => initiated(payload, ours),
        "call.answered" => CarrierFact::Answered,
        "call.bridged" => CarrierFact::Bridged,
        "call.hangup" => CarrierFact::HungUp(hang_up(payload)),
        "call.speak.started" => CarrierFact::SpeechStarted,
        "call.speak.ended" => CarrierFact::SpeechEnded(speech_outcome(payload)),
        "call.dtmf.received" => key(payload).map_or(CarrierFact::Noted, |key| CarrierFact::Dtmf(key.into())),
        "call.gather.ended" => CarrierFact::Gathered {
            digits: Personal::new(payload.digits.owned().unwrap_or_default()),
            status: payload.status.owned().unwrap_or_else(|| "unknown".to_owned()),
        },
        "call.machine.detection.ended" | "call.machine.premium.detection.ended" => {
            CarrierFact::AnsweredBy(answered_by(payload))
        }
        // premium detection may send only this event: only machines beep
        "call.machine.greeting.ended" | "call.machine.premium.greeting.ended" => match payload.result.get() {
            Some("beep_detected") => CarrierFact::AnsweredBy(AnsweredBy::Machine),
            _ => CarrierFact::Noted,
        },
        "call.recording.saved" => CarrierFact::RecordingSaved(recording(payload, occurred_at, received_at)),
        "call.recording.error" => CarrierFact::RecordingFailed {
            reason: payload.reason.owned().unwrap_or_else(|| "unspecified".to_owned()),
        },
        "call.transcription" => payload
            .transcription_data
            .0
            .as_ref()
            .and_then(transcribed)
            .map_or(CarrierFact::Noted, CarrierFact::Transcribed),
        "call.cost" => cost(payload).map_or(CarrierFact::Noted, CarrierFact::Cost),
        _ => CarrierFact::Noted,
    }
}

fn initiated(payload: &Payload<'_>, ours: bool) -> CarrierFact {
    match payload.direction.get() {
        Some("incoming") => CarrierFact::Initiated { direction: Direction::Inbound },
        Some("outgoing") => CarrierFact::Initiated { direction: Direction::Outbound },
        // only legs we placed carry our tag before our first command
        _ if ours => CarrierFact::Initiated { direction: Direction::Outbound },
        // answering a leg that may not be inbound is worse than letting it ring
        _ => CarrierFact::Noted,
    }
}

fn hang_up(payload: &Payload<'_>) -> HangUp {
    let code = payload.hangup_cause.get().unwrap_or("unspecified");
    HangUp {
        cause: match code {
            "normal_clearing" => HangUpCause::Normal,
            "originator_cancel" => HangUpCause::Cancelled,
            "user_busy" => HangUpCause::Busy,
            "timeout" | "no_answer" => HangUpCause::NoAnswer,
            "time_limit" => HangUpCause::TimeLimit,
            "call_rejected" => HangUpCause::Rejected,
            "not_found" => HangUpCause::NotFound,
            _ => HangUpCause::Unspecified,
        },
        source: match payload.hangup_source.get() {
            Some("caller") => HangUpSource::Caller,
            Some("callee") => HangUpSource::Callee,
            _ => HangUpSource::Unknown,
        },
        provider_code: code.to_owned(),
        sip_code: payload.sip_hangup_cause.get().and_then(sip_code),
    }
}

fn sip_code(text: &str) -> Option<u16> {
    text.parse().ok().filter(|code| (100..=699).contains(code))
}

fn speech_outcome(payload: &Payload<'_>) -> SpeechOutcome {
    match payload.status.get() {
        None | Some("completed") => SpeechOutcome::Completed,
        Some("call_hangup") => SpeechOutcome::CallHangup,
        Some(_) => SpeechOutcome::Cancelled,
    }
}

fn key(payload: &Payload<'_>) -> Option<char> {
    let mut keys = payload.digit.get()?.chars();
    let key = keys.next()?.to_ascii_uppercase();
    let known = matches!(key, '0'..='9' | '*' | '#' | 'A'..='D');
    (known && keys.next().is_none()).then_some(key)
}

fn answered_by(payload: &Payload<'_>) -> AnsweredBy {
    match payload.result.get() {
        Some("human" | "human_residence" | "human_business") => AnsweredBy::Human,
        Some("machine") => AnsweredBy::Machine,
        Some("fax_detected" | "fax") => AnsweredBy::Fax,
        _ => AnsweredBy::NotSure,
    }
}

fn recording(payload: &Payload<'_>, occurred_at: Time, received_at: Time) -> RecordingSaved {
    let time = |text: &Text<'_>| time(text, received_at);
    let wanted = match payload.format.get() {
        Some("mp3") => Some(RecordingFormat::Mp3),
        Some("wav") => Some(RecordingFormat::Wav),
        _ => None,
    };
    let pick = |urls: &Urls<'_>| {
        let mp3 = urls.mp3.owned().map(|url| (RecordingFormat::Mp3, url));
        let wav = urls.wav.owned().map(|url| (RecordingFormat::Wav, url));
        if wanted == Some(RecordingFormat::Wav) { wav.or(mp3) } else { mp3.or(wav) }
    };
    let signed = payload.recording_urls.0.as_ref().and_then(pick);
    // a bucket's own address (`s3://…`) and a public URL carry no signature that expires
    let expires = signed.as_ref().is_some_and(|(_, url)| url.starts_with("http"));
    let found = signed.or_else(|| payload.public_recording_urls.0.as_ref().and_then(pick));
    RecordingSaved {
        recording_id: payload.recording_id.owned(),
        format: found.as_ref().map(|(format, _)| *format).or(wanted),
        url: found.map(|(_, url)| Personal::new(url)),
        started_at: time(&payload.recording_started_at).or_else(|| time(&payload.start_time)),
        ended_at: time(&payload.recording_ended_at).or_else(|| time(&payload.end_time)),
        url_expires_at: if expires { occurred_at.checked_add_signed(URL_LIFE) } else { None },
        channels: match payload.channels.get() {
            Some("dual") => Some(2),
            Some("single") => Some(1),
            _ => None,
        },
    }
}

fn transcribed(data: &Transcription<'_>) -> Option<Transcribed> {
    let confidence =
        data.confidence.get().and_then(|text| text.parse::<f64>().ok()).filter(|c| c.is_finite());
    Some(Transcribed {
        text: Personal::new(data.transcript.owned()?),
        confidence_permille: confidence.map(|c| (c.clamp(0.0, 1.0) * 1000.0).round() as u16),
        // interim results are opt-in, so a line that does not say is final
        is_final: data.is_final.get() != Some("false"),
        track: match data.transcription_track.get() {
            Some("outbound" | "outbound_track") => TranscriptTrack::Outbound,
            _ => TranscriptTrack::Inbound,
        },
    })
}

fn cost(payload: &Payload<'_>) -> Option<Money> {
    let known = !matches!(payload.status.get(), Some(status) if status != "success");
    let amount_micros =
        payload.total_cost.get().filter(|_| known).and_then(|text| micros_from_decimal(text).ok())?;
    let currency = payload.cost_parts.0.as_ref().and_then(|part| part.currency.owned());
    let currency = currency.filter(|code| code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase()));
    Some(Money { amount_micros, currency: currency.unwrap_or_else(|| "USD".to_owned()) })
}

/// Parses RFC 3339, cut to microseconds; `None` for missing or implausible times.
fn time(text: &Text<'_>, received_at: Time) -> Option<Time> {
    use chrono::SubsecRound;
    let time = DateTime::parse_from_rfc3339(text.get()?).ok()?.with_timezone(&Utc).trunc_subsecs(6);
    let age = received_at - time;
    (-NEWEST <= age && age <= OLDEST).then_some(time)
}
