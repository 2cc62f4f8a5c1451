//! Commands to Telnyx over HTTPS: one attempt each, every wait bounded.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::billing::matching::CarrierId;
use domain::call::report::{CarrierReport, FoundRecording, LegRef, LegRole, LegTag};
use domain::call::terms::RecordingFormat;
use domain::envelope::Time;
use domain::ids::ClientId;
use domain::metrics::{CARRIER_REQUEST_SECONDS, CARRIER_REQUESTS};
use domain::personal::Personal;
use domain::phone::Party;
use domain::ports::clock::Clock;
use domain::ports::telephony::{
    CarrierAccount, CarrierError, Dial, LegAction, LegCommand, LegState, RecordPage, RefusedBecause,
    Telephony,
};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::PROVIDER;
use super::active_calls::{Ask, Behind, LegBody, Page};
use super::client_state::{decode_client_state, encode_client_state, encode_with_ask};
use super::detail_records::{RecordsAsk, RecordsBody};
use super::ingress::{Ingress, parse};
use super::rejection::rejection;
use crate::telephony::national::Country;
use crate::trace::{Peer, send};

/// The most bytes of an answer. Answers to commands are a few hundred bytes, a full page of active calls below 200 KiB.
const MAX_ANSWER: usize = 512 * 1024;
/// The most pages of active calls searched for a leg: 10,000 calls at once.
const MAX_PAGES: usize = 40;
/// Characters to escape in a path segment (RFC 3986 §3.3): all that are not unreserved, so also the `:` and `/`
/// of a control id.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'/')
    .add(b':')
    .add(b';')
    .add(b'<')
    .add(b'=')
    .add(b'>')
    .add(b'?')
    .add(b'@')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A Telnyx API key. `Debug` hides it.
#[derive(Clone)]
pub struct ApiKey(String);

impl ApiKey {
    /// Takes the key as Telnyx's portal shows it.
    #[must_use]
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    /// Whether it is this key.
    #[must_use]
    pub fn is(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// Address, credentials and defaults for commands to Telnyx.
#[derive(Debug, Clone)]
pub struct TelnyxConfig {
    /// Base URL of the API, without a trailing slash.
    pub api_base: String,
    /// Sent as a bearer token.
    pub api_key: ApiKey,
    /// Id of the Call Control application that places calls.
    pub connection_id: String,
    /// Caller id of dials that name none.
    pub caller_id: Option<Party>,
    /// Country of numbers written in national form; `None`: all numbers must carry their country code.
    pub country: Option<Country>,
    /// A voice of Telnyx, `<provider>.<model>.<voice>`.
    pub voice: String,
    /// Encoding of recordings that a dial starts.
    pub recording_format: RecordingFormat,
    /// Whether the carrier transcribes answered calls, which it charges for.
    pub transcribe: bool,
    /// Mode of answering machine detection on dials, for example `premium`; `None` for off.
    pub machine_detection: Option<String>,
    /// Limit for connecting, TLS handshake included.
    pub connect_timeout: Duration,
    /// Limit for a whole command, connecting included.
    pub timeout: Duration,
}

impl TelnyxConfig {
    /// Settings for Telnyx itself, with the defaults of a voice application.
    #[must_use]
    pub fn new(api_key: ApiKey, connection_id: impl Into<String>) -> Self {
        Self {
            api_base: "https://api.telnyx.com/v2".to_owned(),
            api_key,
            connection_id: connection_id.into(),
            caller_id: None,
            country: None,
            voice: "Telnyx.KokoroTTS.af".to_owned(),
            recording_format: RecordingFormat::Mp3,
            transcribe: false,
            machine_detection: None,
            connect_timeout: Duration::from_secs(3),
            timeout: Duration::from_secs(10),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTelnyxConfig {
    /// The base is not an `http` or `https` address.
    #[error("telnyx api base is not an http(s) address, like https://api.telnyx.com/v2")]
    Base,
    /// The key contains a character that no header may contain, such as a line break.
    #[error("telnyx api key has characters that cannot be sent in a header; copy it again")]
    Key,
    #[error("http client cannot be made: {0}")]
    Client(String),
}

/// Telnyx as a carrier.
pub struct TelnyxClient {
    http: Client,
    base: String,
    config: TelnyxConfig,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for TelnyxClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelnyxClient").field("config", &self.config).finish_non_exhaustive()
    }
}

impl TelnyxClient {
    /// Creates a client, which connects to nothing yet. The error says which setting is wrong.
    pub fn new(config: TelnyxConfig, clock: Arc<dyn Clock>) -> Result<Self, BadTelnyxConfig> {
        let base = config.api_base.trim_end_matches('/').to_owned();
        let url = Url::parse(&base).map_err(|_| BadTelnyxConfig::Base)?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() || url.query().is_some() {
            return Err(BadTelnyxConfig::Base);
        }
        let bearer = format!("Bearer {}", config.api_key.0);
        let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| BadTelnyxConfig::Key)?;
        bearer.set_sensitive(true);
        let http = crate::http::client()
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, bearer)]))
            .user_agent(concat!("voxledger/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(config.connect_timeout)
            .timeout(config.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| BadTelnyxConfig::Client(error.to_string()))?;
        Ok(Self { http, base, config, clock })
    }

    fn url(&self, path: &[&str]) -> String {
        let mut url = self.base.clone();
        for segment in path {
            url.push('/');
            url.extend(utf8_percent_encode(segment, SEGMENT));
        }
        url
    }

    async fn post(
        &self,
        operation: Operation<'_>,
        path: &[&str],
        body: &Value,
    ) -> Result<Response, CarrierError> {
        let request = self.http.post(self.url(path)).header(CONTENT_TYPE, "application/json");
        self.send(operation, request.body(body.to_string())).await
    }

    async fn send(
        &self,
        operation: Operation<'_>,
        request: RequestBuilder,
    ) -> Result<Response, CarrierError> {
        let began = Instant::now();
        let sent = send(request, Peer { name: PROVIDER, template: Some(operation.template) }).await;
        operation.measure(sent.as_ref().ok().map(Response::status), began.elapsed());
        let response = sent.map_err(|error| transport(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, headers) = (response.status(), response.headers().clone());
        // a body that breaks off takes its error code with it, but the status stands
        let body = read(response).await.unwrap_or_default();
        Err(rejection(status, &headers, &body, self.clock.now()))
    }

    fn recording(&self, body: &mut Value) {
        body["record"] = json!("record-from-answer");
        body["record_channels"] = json!("dual");
        body["record_format"] = json!(self.config.recording_format.as_str());
    }

    fn dial_body(&self, dial: &Dial) -> Result<Value, CarrierError> {
        let from = match &dial.from {
            Some(from) => reveal(from)?,
            None => self.config.caller_id.as_ref().ok_or_else(no_caller_id)?,
        };
        let mut body = json!({
            "connection_id": self.config.connection_id,
            "to": reveal(&dial.to)?.as_str(),
            "from": from.as_str(),
            "timeout_secs": seconds(dial.ring_timeout).clamp(5, 600),
            "time_limit_secs": seconds(dial.max_duration).clamp(60, 14_400),
            "client_state": encode_client_state(&dial.tag),
            "command_id": dial.command_id,
        });
        if dial.record {
            self.recording(&mut body);
        }
        if self.config.transcribe || dial.transcribe {
            body["transcription"] = json!(true);
        }
        if let Some(mode) = &self.config.machine_detection {
            body["answering_machine_detection"] = json!(mode);
        }
        Ok(body)
    }

    fn action(&self, command: &LegCommand) -> Result<(&'static str, Value), CarrierError> {
        let mut body = json!({
            "client_state": encode_client_state(&command.tag),
            "command_id": command.command_id,
        });
        let name = match &command.action {
            LegAction::Answer | LegAction::AnswerListening => {
                if self.config.transcribe || matches!(command.action, LegAction::AnswerListening) {
                    body["transcription"] = json!(true);
                }
                "answer"
            }
            LegAction::Reject => {
                body["cause"] = json!("CALL_REJECTED");
                "reject"
            }
            LegAction::HangUp => "hangup",
            LegAction::Speak { text } => {
                body["payload"] = json!(reveal(text)?);
                body["voice"] = json!(self.config.voice);
                "speak"
            }
            LegAction::Transfer { to, from } => {
                let target = LegTag { role: LegRole::TransferTarget, ..command.tag };
                body["to"] = json!(reveal(to)?.as_str());
                body["target_leg_client_state"] = json!(encode_client_state(&target));
                if let Some(from) = from {
                    body["from"] = json!(reveal(from)?.as_str());
                }
                "transfer"
            }
            LegAction::SendDtmf { digits } => {
                body["digits"] = json!(reveal(digits)?);
                "send_dtmf"
            }
            LegAction::Gather(gather) => {
                body["client_state"] = json!(encode_with_ask(&command.tag, command.command_id));
                body["payload"] = json!(reveal(&gather.text)?);
                body["voice"] = json!(self.config.voice);
                body["minimum_digits"] = json!(1);
                body["maximum_digits"] = json!(gather.max_digits.clamp(1, 128));
                body["timeout_millis"] = json!(millis(gather.timeout));
                body["inter_digit_timeout_millis"] = json!(millis(gather.inter_digit_timeout));
                body["terminating_digit"] = json!(gather.terminator.map_or(String::new(), String::from));
                // the menu handles invalid input and what is said then
                body["maximum_tries"] = json!(1);
                "gather_using_speak"
            }
            // the carrier's own engine transcribes only the other end
            LegAction::Transcribe => "transcription_start",
            LegAction::StartRecording { format } => {
                body["format"] = json!(format.as_str());
                body["channels"] = json!("dual");
                "record_start"
            }
        };
        Ok((name, body))
    }

    async fn active_calls(&self, ask: &Ask) -> Result<Page, CarrierError> {
        let operation =
            Operation { name: "list_active_calls", template: "/connections/{connection_id}/active_calls" };
        let request = self.http.get(self.url(&["connections", &self.config.connection_id, "active_calls"]));
        let response = self.send(operation, request.query(&ask.query())).await.map_err(harmless)?;
        let body = read(response).await.map_err(harmless)?;
        serde_json::from_slice(&body).map_err(|_| unreadable()).map_err(harmless)
    }

    fn tagged(&self, page: &Page, tag: &LegTag) -> Option<LegRef> {
        let tag_of = |leg: &LegBody| leg.client_state.as_deref().and_then(decode_client_state);
        let leg = page.data.iter().find(|leg| tag_of(leg).as_ref() == Some(tag))?;
        leg.leg(Some(&self.config.connection_id))
    }
}

#[async_trait]
impl Telephony for TelnyxClient {
    fn provider(&self) -> &'static str {
        PROVIDER
    }

    async fn dial(&self, dial: &Dial) -> Result<LegRef, CarrierError> {
        let operation = Operation { name: "dial", template: "/calls" };
        let response = self.post(operation, &["calls"], &self.dial_body(dial)?).await?;
        // 2xx without readable ids: the call was placed, and only the webhooks will give its ids
        let placed: Placed = serde_json::from_slice(&read(response).await?).map_err(|_| unreadable())?;
        placed.data.leg(Some(&self.config.connection_id)).ok_or_else(unreadable)
    }

    async fn command(&self, command: &LegCommand) -> Result<(), CarrierError> {
        let (name, body) = self.action(command)?;
        // the status is the whole answer: 2xx is "accepted", and the outcome comes by webhook
        let template = format!("/calls/{{call_control_id}}/actions/{name}");
        let operation = Operation { name, template: &template };
        let response = self.post(operation, &["calls", &command.control_id, "actions", name], &body).await?;
        let _ = read(response).await; // to its end, so that the connection can be used again
        Ok(())
    }

    async fn leg_state(&self, _: ClientId, control_id: &str) -> Result<LegState, CarrierError> {
        let operation = Operation { name: "retrieve", template: "/calls/{call_control_id}" };
        let response = match self.send(operation, self.http.get(self.url(&["calls", control_id]))).await {
            Ok(response) => response,
            // ten minutes after its end Telnyx no longer knows a call
            Err(CarrierError::Gone { .. } | CarrierError::Refused { status: 404, .. }) => {
                return Ok(LegState::Gone);
            }
            Err(error) => return Err(harmless(error)),
        };
        let body = read(response).await.map_err(harmless)?;
        let leg: Placed = serde_json::from_slice(&body).map_err(|_| harmless(unreadable()))?;
        Ok(if leg.data.is_alive { LegState::Alive } else { LegState::Gone })
    }

    async fn find_leg(&self, tag: &LegTag) -> Result<Option<LegRef>, CarrierError> {
        let (mut ask, mut before) = (Ask::Number(1), None);
        for _ in 0..MAX_PAGES {
            let page = self.active_calls(&ask).await?;
            if let Some(leg) = self.tagged(&page, tag) {
                return Ok(Some(leg));
            }
            match page.behind(&ask, before.as_deref()) {
                Behind::Ask(next) => (before, ask) = (page.first().map(str::to_owned), next),
                Behind::Unknown => break,
                Behind::Nothing => {
                    // legs that ended meanwhile moved those behind them to pages that were read already
                    let Ask::Number(last) = ask else { return Ok(None) };
                    for number in (1..last).rev() {
                        let found = self.tagged(&self.active_calls(&Ask::Number(number)).await?, tag);
                        if found.is_some() {
                            return Ok(found);
                        }
                    }
                    return Ok(None);
                }
            }
        }
        // "not found" would be wrong and cause a second call
        let reason = "the list of active calls cannot be read to its end".to_owned();
        Err(CarrierError::Unavailable { reason, retry_after: None })
    }

    async fn read_webhook(
        &self,
        _: ClientId,
        raw: &[u8],
        received_at: Time,
    ) -> Result<Option<CarrierReport>, CarrierError> {
        Ok(match parse(raw, received_at, self.config.country) {
            Ok(Ingress::Report(report)) => Some(*report),
            Ok(Ingress::NoLeg { .. }) | Err(_) => None,
        })
    }

    async fn find_recording(
        &self,
        _: ClientId,
        recording_id: &str,
    ) -> Result<Option<FoundRecording>, CarrierError> {
        let operation = Operation { name: "retrieve_recording", template: "/recordings/{recording_id}" };
        let request = self.http.get(self.url(&["recordings", recording_id]));
        match self.send(operation, request).await.map_err(harmless) {
            Ok(response) => {
                let body = read(response).await.map_err(harmless)?;
                let body: KeptBody = serde_json::from_slice(&body).map_err(|_| harmless(unreadable()))?;
                let KeptUrls { mp3, wav } = body.data.download_urls;
                Ok(mp3.or(wav).map(|url| FoundRecording { url: url.into() }))
            }
            Err(CarrierError::Gone { .. } | CarrierError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn delete_recording(&self, _: ClientId, recording_id: &str) -> Result<(), CarrierError> {
        let operation = Operation { name: "delete_recording", template: "/recordings/{recording_id}" };
        match self.send(operation, self.http.delete(self.url(&["recordings", recording_id]))).await {
            Ok(response) => {
                let _ = read(response).await; // to its end, so that the connection can be used again
                Ok(())
            }
            Err(CarrierError::Gone { .. } | CarrierError::Refused { status: 404, .. }) => Ok(()),
            // a repeated delete finds nothing, which counts as success
            Err(error) => Err(harmless(error)),
        }
    }

    async fn call_records(
        &self,
        _: CarrierAccount,
        period: (Time, Time),
        after: Option<&str>,
    ) -> Result<RecordPage, CarrierError> {
        let ask = match after {
            Some(text) => RecordsAsk::read(text).ok_or_else(unreadable).map_err(harmless)?,
            None => RecordsAsk::first(period),
        };
        let operation = Operation { name: "search_detail_records", template: "/detail_records" };
        let request = self.http.get(self.url(&["detail_records"])).query(&ask.query());
        let response = self.send(operation, request).await.map_err(harmless)?;
        let body = read(response).await.map_err(harmless)?;
        let body: RecordsBody = serde_json::from_slice(&body).map_err(|_| not_understood())?;
        let read = ask.read_answer(&body, period);
        let connection = &self.config.connection_id;
        let records = if read.counts { body.records(connection) } else { Vec::new() };
        let unreadable = body.unreadable();
        if read.counts && unreadable > 0 {
            tracing::warn!(unreadable, "the carrier has records that cannot be read");
        }
        let (part, next) = (read.part, read.next.map(|next| next.text()));
        Ok(RecordPage { records, part, connection: Some(CarrierId::of(connection)), next })
    }
}

#[derive(Deserialize)]
struct KeptBody {
    data: KeptRecording,
}

#[derive(Deserialize)]
struct KeptRecording {
    #[serde(default)]
    download_urls: KeptUrls,
}

/// Only the format of the recording is there; the other is missing or null.
#[derive(Deserialize, Default)]
struct KeptUrls {
    #[serde(default)]
    mp3: Option<String>,
    #[serde(default)]
    wav: Option<String>,
}

#[derive(Deserialize)]
struct Placed {
    data: LegBody,
}

/// An API operation, for metrics and traces.
#[derive(Debug, Clone, Copy)]
struct Operation<'a> {
    name: &'static str,
    /// Path template with names in place of ids.
    template: &'a str,
}

impl Operation<'_> {
    fn measure(self, status: Option<StatusCode>, took: Duration) {
        let class = match status.map(|status| status.as_u16() / 100) {
            Some(2) => "2xx",
            Some(3) => "3xx",
            Some(4) => "4xx",
            Some(5) => "5xx",
            _ => "error",
        };
        metrics::counter!(
            CARRIER_REQUESTS, "provider" => PROVIDER, "operation" => self.name, "status" => class
        )
        .increment(1);
        metrics::histogram!(CARRIER_REQUEST_SECONDS, "provider" => PROVIDER, "operation" => self.name)
            .record(took);
    }
}

/// Reads at most [`MAX_ANSWER`] bytes of the body.
async fn read(mut response: Response) -> Result<Vec<u8>, CarrierError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| transport(&error))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(unreadable());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Maps a transport error: without a connection the command was certainly not carried out; after
/// that nothing is certain.
fn transport(error: &reqwest::Error) -> CarrierError {
    if error.is_builder() {
        let title = "the request cannot be written".to_owned();
        CarrierError::Refused { because: RefusedBecause::Other, status: 0, code: "request".to_owned(), title }
    } else if error.is_connect() {
        CarrierError::Unavailable { reason: "no connection to the carrier".to_owned(), retry_after: None }
    } else if error.is_timeout() {
        CarrierError::Unknown { reason: "no answer in time".to_owned() }
    } else {
        CarrierError::Unknown { reason: "the connection broke".to_owned() }
    }
}

/// Maps the error of a read: it changes nothing, so a lost answer only means that it can be repeated.
fn harmless(error: CarrierError) -> CarrierError {
    match error {
        CarrierError::Unknown { reason } => CarrierError::Unavailable { reason, retry_after: None },
        other => other,
    }
}

fn unreadable() -> CarrierError {
    CarrierError::Unknown { reason: "the carrier's answer cannot be read".to_owned() }
}

/// The answer came and is none that is known: it will be the same another time.
fn not_understood() -> CarrierError {
    CarrierError::Refused {
        because: RefusedBecause::Other,
        status: StatusCode::OK.as_u16(),
        code: "unreadable".to_owned(),
        title: "the carrier's records cannot be read".to_owned(),
    }
}

fn no_caller_id() -> CarrierError {
    CarrierError::Refused {
        because: RefusedBecause::Settings,
        status: StatusCode::UNPROCESSABLE_ENTITY.as_u16(),
        code: "no_caller_id".to_owned(),
        title: "name a number to call from, or configure the node's default caller id".to_owned(),
    }
}

fn reveal<T>(value: &Personal<T>) -> Result<&T, CarrierError> {
    value.reveal().ok_or_else(|| CarrierError::Refused {
        because: RefusedBecause::Other,
        status: StatusCode::UNPROCESSABLE_ENTITY.as_u16(),
        code: "erased".to_owned(),
        title: "the personal data of the command was erased".to_owned(),
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Whole seconds, rounded up, so that a limit never ends early.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
