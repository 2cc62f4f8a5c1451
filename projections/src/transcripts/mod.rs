//! The view of transcripts: what was said and keyed on calls, line by line.

use async_trait::async_trait;
use domain::aggregate::Aggregate;
use domain::call::terms::{LineKind, Speaker};
use domain::call::{Call, CallEvent};
use domain::envelope::{Position, Recorded, Time};
use domain::ids::{CallId, ClientId};
use domain::personal::Personal;
use domain::ports::StoreUnavailable;
use domain::wire::{DecodeError, DomainEvent};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::said::{Place, SaidPage, SaidRows};
use crate::view::{At, Row, View};

/// A line of a call's transcript. Every field is always present; what is not known is `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = TranscriptLine)]
pub struct LineView {
    /// Number of the line in the call, from 1.
    #[schema(minimum = 1)]
    pub seq: u32,
    /// Speaker of the line: `caller`, `agent` or `system`.
    #[schema(value_type = crate::words::TranscriptRole)]
    pub role: Speaker,
    /// Kind of the line: `utterance`, `dtmf`, `tool_call` or `tool_result`.
    #[schema(value_type = crate::words::TranscriptKind)]
    pub kind: LineKind,
    /// The words or keys; `[erased]` once erased, `null` when they are not kept.
    #[schema(required)]
    pub text: Option<String>,
    /// Begin in milliseconds since the answer, where the carrier says it.
    #[schema(required)]
    pub start_ms: Option<u64>,
    /// End in milliseconds since the answer, where the carrier says it.
    #[schema(required)]
    pub end_ms: Option<u64>,
    /// Confidence of the transcription, from 0 to 1.
    #[schema(required, minimum = 0, maximum = 1)]
    pub confidence: Option<f64>,
    /// When it was said, heard, or requested to be said.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq)]
pub struct LineRow {
    pub call: CallId,
    pub client: ClientId,
    /// Position of the event that the line comes from.
    pub position: Position,
    /// Place of the line in the order it was said.
    pub place: Place,
    pub view: LineView,
}

impl Row for LineRow {
    type Key = (Uuid, u32);

    fn key(&self) -> (Uuid, u32) {
        (self.call.0, self.view.seq)
    }
}

/// The view of transcripts: one row a line.
#[derive(Debug)]
pub struct Transcripts;

impl View for Transcripts {
    const NAME: &'static str = "transcripts";
    const FOLDS: bool = false;
    const PERSONAL: Option<&'static [&'static str]> = Some(&[
        "call.speech_requested",
        "call.gather_requested",
        "call.line_transcribed",
        "call.dtmf_received",
        "call.digits_gathered",
        "call.dtmf_requested",
    ]);
    type Row = LineRow;
    type Fact = (Place, LineView);

    fn read(event: &Recorded) -> Result<Option<((Uuid, u32), (Place, LineView))>, DecodeError> {
        if event.stream.category() != Call::CATEGORY {
            return Ok(None);
        }
        match event.event_type.as_str() {
            "call.speech_requested"
            | "call.gather_requested"
            | "call.line_transcribed"
            | "call.dtmf_received"
            | "call.digits_gathered"
            | "call.dtmf_requested" => {}
            _ => return Ok(None),
        }
        let fact = CallEvent::decode(&event.event_type, event.schema, &event.payload)?;
        let before = match &fact {
            CallEvent::LineTranscribed(line) => line.place,
            CallEvent::DtmfReceived(key) => key.place,
            CallEvent::DigitsGathered(keys) => keys.line.as_ref().and_then(|line| line.place),
            _ => None,
        };
        Ok(line(&fact)
            .map(|line| ((event.stream.id(), line.seq), (Place::of(line.seq, before, line.at), line))))
    }

    fn apply(row: &mut Option<LineRow>, at: &At, (place, view): (Place, LineView)) {
        *row = Some(LineRow { call: CallId(at.id), client: at.client, position: at.position, place, view });
    }
}

fn line(event: &CallEvent) -> Option<LineView> {
    let line = |seq, role, kind, text: Option<String>, at| LineView {
        seq,
        role,
        kind,
        text,
        start_ms: None,
        end_ms: None,
        confidence: None,
        at,
    };
    let plain = |text: &Personal<String>| text.shown(String::clone);
    Some(match event {
        CallEvent::SpeechRequested(e) => {
            line(e.seq, Speaker::Agent, LineKind::Utterance, plain(&e.text), e.at)
        }
        CallEvent::GatherRequested(e) => {
            line(e.seq, Speaker::Agent, LineKind::Utterance, plain(&e.text), e.at)
        }
        CallEvent::LineTranscribed(e) => LineView {
            confidence: e.confidence_permille.map(|permille| f64::from(permille) / 1000.0),
            ..line(e.seq, e.speaker, LineKind::Utterance, plain(&e.text), e.at)
        },
        // a gather that reported the key before has made the line already
        CallEvent::DtmfReceived(e) if e.repeated => return None,
        CallEvent::DigitsGathered(e) => {
            let keys = e.line.as_ref()?;
            line(keys.seq, Speaker::Caller, LineKind::Dtmf, plain(&keys.digits), e.at)
        }
        CallEvent::DtmfReceived(e) => {
            line(e.seq, Speaker::Caller, LineKind::Dtmf, e.digit.shown(char::to_string), e.at)
        }
        CallEvent::DtmfRequested(e) => line(e.seq, Speaker::Agent, LineKind::Dtmf, plain(&e.digits), e.at),
        _ => return None,
    })
}

/// Queries of transcripts. None of them ever answers with another client's lines.
#[async_trait]
pub trait TranscriptQueries: Send + Sync {
    /// A page of a call's transcript: [lines](LineView) in the order they were said. An unknown call has no lines;
    /// ask [`CallQueries`](crate::calls::CallQueries) whether the call exists.
    async fn transcript(
        &self,
        client: ClientId,
        call: CallId,
        page: SaidPage,
    ) -> Result<SaidRows, StoreUnavailable>;
}
