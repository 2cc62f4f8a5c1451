//! Requests to Ultravox over HTTPS: one attempt each, every wait bounded, never faster than the account allows.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::metrics::{CARRIER_REQUEST_SECONDS, CARRIER_REQUESTS};
use domain::phone::Party;
use domain::ports::clock::Clock;
use domain::ports::telephony::{CarrierError, RefusedBecause};
use domain::retry_after::retry_after;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Response, StatusCode, Url};
use serde_json::Value;

use super::PROVIDER;
use super::pace::{Pace, Window};
use crate::telephony::breaker::{Breaker, BreakerConfig};
use crate::trace::{Peer, send};

/// The most bytes of an answer: a page of calls, each with its prompt, stays below 2 MiB.
const MAX_ANSWER: usize = 4 << 20;
/// Items asked for in a page.
const PAGE_SIZE: usize = 20;
/// Most pages of a list that are read.
const MAX_PAGES: usize = 50;
/// Requests a second, of the 200 that a key may send.
const REQUESTS: [Window; 1] = [(100, Duration::from_secs(1))];
/// Why nothing is sent while the circuit breaker is open.
const FAILED: &str = "ultravox failed several times in a row";
/// Pause after a 429 or 503 that does not say how long.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause that is kept.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// How Ultravox reaches the phone network: an account with a carrier that was imported there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Medium {
    #[default]
    Telnyx,
    Twilio,
    Sip,
}

impl Medium {
    /// Name on the wire, for example `telnyx`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Telnyx => "telnyx",
            Self::Twilio => "twilio",
            Self::Sip => "sip",
        }
    }

    /// The medium of which [`Medium::as_str`] is `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Telnyx, Self::Twilio, Self::Sip].into_iter().find(|medium| medium.as_str() == name)
    }
}

/// Where Ultravox tells of the calls that this node places. `Debug` hides the secret.
#[derive(Clone)]
pub struct Callbacks {
    pub url: String,
    /// Signs what comes to the URL.
    pub secret: String,
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callbacks").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Address, credentials and defaults of an account. `Debug` hides the key.
#[derive(Clone)]
pub struct UltravoxConfig {
    /// Base URL, without a trailing slash: `https://api.ultravox.ai`.
    pub api_base: String,
    pub api_key: String,
    pub medium: Medium,
    /// Caller id of calls that name none.
    pub caller_id: Option<Party>,
    /// Host of the SIP trunk that numbers are called through by [`Medium::Sip`].
    pub sip_gateway: Option<String>,
    /// Model of Ultravox's; `None` is its default.
    pub model: Option<String>,
    /// `None`: nothing is told, and calls are followed by asking alone.
    pub callbacks: Option<Callbacks>,
    /// Calls that may be created in a minute; the least plan has 30.
    pub calls_per_minute: usize,
    /// Calls that may be created in a second; the least plan has 5.
    pub calls_per_second: usize,
    /// Limit for a whole request, connecting included.
    pub timeout: Duration,
}

impl UltravoxConfig {
    /// An account on the least plan, whose calls go through Telnyx.
    #[must_use]
    pub fn new(api_base: impl Into<String>, api_key: impl Into<String>) -> Self {
        Self {
            api_base: api_base.into(),
            api_key: api_key.into(),
            medium: Medium::default(),
            caller_id: None,
            sip_gateway: None,
            model: None,
            callbacks: None,
            calls_per_minute: 30,
            calls_per_second: 5,
            timeout: Duration::from_secs(10),
        }
    }
}

impl fmt::Debug for UltravoxConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UltravoxConfig").field("api_base", &self.api_base).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadUltravoxConfig {
    #[error("ultravox api base is not an http(s) address, like https://api.ultravox.ai")]
    Base,
    /// The key contains a character that no header may contain, such as a line break.
    #[error("ultravox api key has characters that cannot be sent in a header; copy it again")]
    Key,
    #[error("http client cannot be made: {0}")]
    Client(String),
}

/// What one key may do and how its requests fare, whatever else the account is set to.
#[derive(Debug)]
pub struct UltravoxLimits {
    breaker: Breaker,
    requests: Pace,
    creations: Pace,
}

impl Default for UltravoxLimits {
    fn default() -> Self {
        Self {
            breaker: Breaker::new("voice_runtime", BreakerConfig::default()),
            requests: Pace::default(),
            creations: Pace::default(),
        }
    }
}

/// An account with Ultravox.
pub struct UltravoxClient {
    http: Client,
    pub(super) config: UltravoxConfig,
    limits: Arc<UltravoxLimits>,
    /// Calls that the account may create.
    creations: [Window; 2],
    pub(super) clock: Arc<dyn Clock>,
}

impl fmt::Debug for UltravoxClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UltravoxClient").field("config", &self.config).finish_non_exhaustive()
    }
}

/// A request: what it is for metrics, and where it goes.
#[derive(Debug, Clone)]
pub(super) struct Ask<'a> {
    pub name: &'static str,
    /// Path with names in place of ids.
    pub template: &'static str,
    pub method: Method,
    /// Path segments after the base.
    pub path: &'a [&'a str],
}

/// An answer of 2xx, or of 4xx that the caller looks at.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: StatusCode,
    pub body: Vec<u8>,
}

impl Answer {
    /// The JSON of the answer. Fails as a lost answer: what was asked for was done.
    pub(super) fn json(&self) -> Result<Value, CarrierError> {
        serde_json::from_slice(&self.body)
            .map_err(|_| CarrierError::Unknown { reason: "ultravox's answer cannot be read".to_owned() })
    }
}

impl UltravoxClient {
    /// Creates a client, which connects to nothing yet. Clients with the same key share `limits`. Fails on a wrong setting.
    pub fn new(
        config: UltravoxConfig,
        clock: Arc<dyn Clock>,
        limits: Arc<UltravoxLimits>,
    ) -> Result<Self, BadUltravoxConfig> {
        let url = Url::parse(&config.api_base).map_err(|_| BadUltravoxConfig::Base)?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() || url.query().is_some() {
            return Err(BadUltravoxConfig::Base);
        }
        let mut key = HeaderValue::from_str(&config.api_key).map_err(|_| BadUltravoxConfig::Key)?;
        key.set_sensitive(true);
        let http = crate::http::client()
            .default_headers(HeaderMap::from_iter([(HeaderName::from_static("x-api-key"), key)]))
            .user_agent(concat!("voxledger/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(3))
            .timeout(config.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| BadUltravoxConfig::Client(error.to_string()))?;
        let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
        let creations = [(config.calls_per_second, second), (config.calls_per_minute, minute)];
        Ok(Self { http, limits, creations, config, clock })
    }

    /// Takes up a place among the calls that may be created now. None is taken while no request may be sent at all.
    pub(super) fn may_create_call(&self) -> Result<(), CarrierError> {
        let now = self.clock.monotonic();
        if let Some(pause) = self.limits.breaker.wait(now) {
            return Err(held(FAILED, pause));
        }
        self.limits.requests.room(now, &REQUESTS).map_err(|pause| held("the account's pace", pause))?;
        self.limits
            .creations
            .take(now, &self.creations)
            .map_err(|pause| held("the account's pace of new calls", pause))
    }

    /// Sends a request. Any 4xx that is not about the account or its pace is answered; other failures are errors.
    pub(super) async fn ask(&self, ask: Ask<'_>, body: Option<&Value>) -> Result<Answer, CarrierError> {
        self.ask_with(ask, &[], body).await
    }

    pub(super) async fn ask_with(
        &self,
        ask: Ask<'_>,
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<Answer, CarrierError> {
        let now = self.clock.monotonic();
        self.limits.requests.take(now, &REQUESTS).map_err(|pause| held("the account's pace", pause))?;
        let permit = self.limits.breaker.admit(now).map_err(|pause| held(FAILED, pause))?;
        let answer = self.exchange(&ask, query, body).await;
        let now = self.clock.monotonic();
        match &answer {
            Err(CarrierError::Unknown { .. } | CarrierError::Unavailable { retry_after: None, .. }) => {
                permit.failure(now)
            }
            _ => permit.success(now),
        }
        if let Err(CarrierError::Unavailable { retry_after: Some(pause), .. }) = &answer {
            let pace = if ask.name == "create_call" { &self.limits.creations } else { &self.limits.requests };
            pace.hold(now, *pause);
        }
        answer
    }

    async fn exchange(
        &self,
        ask: &Ask<'_>,
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<Answer, CarrierError> {
        let url = self.url(ask.path, query)?;
        let mut request = self.http.request(ask.method.clone(), url);
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let began = Instant::now();
        let sent = send(request, Peer { name: PROVIDER, template: Some(ask.template) }).await;
        measure(ask.name, sent.as_ref().ok().map(Response::status), began.elapsed());
        let response = sent.map_err(|error| transport(&error))?;
        let status = response.status();
        let wish = self.wish(response.headers());
        match status.as_u16() {
            200..=299 => Ok(Answer { status, body: read(response).await? }),
            // Ultravox's own says how long to wait; a proxy's may come after the request went through
            503 if wish.is_none() && ask.method == Method::POST => {
                Err(CarrierError::Unknown { reason: "a 503 that asks for no pause".to_owned() })
            }
            429 | 503 => Err(CarrierError::Unavailable {
                reason: format!("ultravox asks for a pause ({})", status.as_u16()),
                retry_after: Some(wish.unwrap_or(DEFAULT_PAUSE).min(LONGEST_PAUSE)),
            }),
            408 | 500..=599 => {
                Err(CarrierError::Unknown { reason: format!("ultravox answered {}", status.as_u16()) })
            }
            401..=403 => Err(refused(RefusedBecause::Settings, status, &[])),
            _ => Ok(Answer { status, body: read(response).await.unwrap_or_default() }),
        }
    }

    /// How long Ultravox asks to wait, if it does.
    fn wish(&self, headers: &HeaderMap) -> Option<Duration> {
        let text = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        text.and_then(|text| retry_after(text, self.clock.now()))
    }

    fn url(&self, path: &[&str], query: &[(&str, String)]) -> Result<Url, CarrierError> {
        let unusable = || refused(RefusedBecause::Settings, StatusCode::BAD_REQUEST, b"");
        let mut url = Url::parse(&self.config.api_base).map_err(|_| unusable())?;
        // segments are escaped, so that an id cannot lead elsewhere
        url.path_segments_mut().map_err(|()| unusable())?.pop_if_empty().push("api").extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    /// The first item of a list that is wanted, through as many pages as it takes. Fails when the list does not end
    /// within bounds: «not found» would be wrong then, and create a second one.
    pub(super) async fn find<T>(
        &self,
        ask: &Ask<'_>,
        filter: &[(&str, String)],
        mut wanted: impl FnMut(&Value) -> Option<T>,
    ) -> Result<Option<T>, CarrierError> {
        let mut cursor: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut query = filter.to_vec();
            query.push(("pageSize", PAGE_SIZE.to_string()));
            query.extend(cursor.clone().map(|cursor| ("cursor", cursor)));
            let answer = self.ask_with(ask.clone(), &query, None).await.map_err(harmless)?;
            if !answer.status.is_success() {
                return Err(refusal(&answer));
            }
            let page = answer.json().map_err(harmless)?;
            if let Some(found) = page["results"].as_array().into_iter().flatten().find_map(&mut wanted) {
                return Ok(Some(found));
            }
            match next_cursor(&page) {
                None => return Ok(None),
                next if next == cursor => break,
                next => cursor = next,
            }
        }
        let reason = "ultravox's list cannot be read to its end".to_owned();
        Err(CarrierError::Unavailable { reason, retry_after: None })
    }
}

/// Where the next page of a list begins. Only the cursor of its address is used: the key goes to no other server.
pub(super) fn next_cursor(page: &Value) -> Option<String> {
    let next = page["next"].as_str().and_then(|next| Url::parse(next).ok())?;
    next.query_pairs().find(|(name, _)| name == "cursor").map(|(_, cursor)| cursor.into_owned())
}

fn held(reason: &str, pause: Duration) -> CarrierError {
    CarrierError::Held { reason: reason.to_owned(), pause }
}

/// A refusal that is an answer: its code, and the fields at fault.
pub(super) fn refusal(answer: &Answer) -> CarrierError {
    let fields = faults(&answer.body);
    let number = fields.iter().any(|field| field.ends_with(".to"));
    let because = if number { RefusedBecause::BadNumber } else { RefusedBecause::Other };
    refused(because, answer.status, &answer.body)
}

fn refused(because: RefusedBecause, status: StatusCode, body: &[u8]) -> CarrierError {
    let status = status.as_u16();
    CarrierError::Refused { because, status, code: format!("http_{status}"), title: faults(body).join(", ") }
}

/// Names of the fields that an error finds fault with. What it says of them may repeat a number or a prompt.
fn faults(body: &[u8]) -> Vec<String> {
    fn walk(value: &Value, path: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields.iter().take(20) {
                    let plain =
                        name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && name.len() <= 40;
                    let name = if plain { name } else { "?" };
                    walk(value, &format!("{path}.{name}"), found);
                }
            }
            _ if found.len() < 5 && path.len() <= 200 => found.push(path.trim_start_matches('.').to_owned()),
            _ => {}
        }
    }
    let mut found = Vec::new();
    if let Ok(value @ Value::Object(_)) = serde_json::from_slice(body) {
        walk(&value, "", &mut found);
    }
    found
}

/// Reads at most [`MAX_ANSWER`] bytes of the body.
async fn read(mut response: Response) -> Result<Vec<u8>, CarrierError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| transport(&error))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(CarrierError::Unknown { reason: "ultravox's answer is too large".to_owned() });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Without a connection nothing was done; after that nothing is certain.
fn transport(error: &reqwest::Error) -> CarrierError {
    if error.is_connect() {
        CarrierError::Unavailable { reason: "no connection to ultravox".to_owned(), retry_after: None }
    } else {
        let reason = if error.is_timeout() { "no answer in time" } else { "the connection broke" };
        CarrierError::Unknown { reason: reason.to_owned() }
    }
}

/// The error of a request that changes nothing: a lost answer only means that it can be repeated.
pub(super) fn harmless(error: CarrierError) -> CarrierError {
    match error {
        CarrierError::Unknown { reason } => CarrierError::Unavailable { reason, retry_after: None },
        other => other,
    }
}

fn measure(name: &'static str, status: Option<StatusCode>, took: Duration) {
    let class = match status.map(|status| status.as_u16() / 100) {
        Some(2) => "2xx",
        Some(3) => "3xx",
        Some(4) => "4xx",
        Some(5) => "5xx",
        _ => "error",
    };
    metrics::counter!(CARRIER_REQUESTS, "provider" => PROVIDER, "operation" => name, "status" => class)
        .increment(1);
    metrics::histogram!(CARRIER_REQUEST_SECONDS, "provider" => PROVIDER, "operation" => name).record(took);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_fields_and_never_what_stands_in_them() {
        let body = br#"{"medium": {"telnyx": {"outgoing": {"to": ["+12025550123 is no number"]}}}, "weird +1202": "x"}"#;
        let error = refusal(&Answer { status: StatusCode::BAD_REQUEST, body: body.to_vec() });
        let text = format!("{error} {error:?}");
        assert!(text.contains("medium.telnyx.outgoing.to") && !text.contains("1202"), "{text}");
        assert!(matches!(
            error,
            CarrierError::Refused { because: RefusedBecause::BadNumber, status: 400, .. }
        ));
        for odd in ["", "[]", "<html>", "{\"detail\": \"+12025550123\"}"] {
            let error = refusal(&Answer { status: StatusCode::NOT_FOUND, body: odd.into() });
            assert!(!format!("{error:?}").contains("1202"), "{odd}");
        }
    }

    #[test]
    fn a_path_segment_leads_nowhere_else() {
        let clock = Arc::new(crate::clock::SystemClock);
        let client =
            UltravoxClient::new(UltravoxConfig::new("http://127.0.0.1:1/base/", "k"), clock, Arc::default())
                .unwrap();
        let url = client
            .url(&["calls", "../agents?x=/y"], &[("metadata.voxledger_call", "a b".to_owned())])
            .unwrap();
        assert_eq!(
            url.as_str(),
            "http://127.0.0.1:1/base/api/calls/..%2Fagents%3Fx=%2Fy?metadata.voxledger_call=a+b"
        );
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let clock = Arc::new(crate::clock::SystemClock);
        let made = |base: &str, key: &str| {
            UltravoxClient::new(UltravoxConfig::new(base, key), clock.clone(), Arc::default()).map(|_| ())
        };
        assert_eq!(made("ftp://x", "k"), Err(BadUltravoxConfig::Base));
        assert_eq!(made("https://x?y", "k"), Err(BadUltravoxConfig::Base));
        assert_eq!(made("https://x", "k\n"), Err(BadUltravoxConfig::Key));
        assert!(!format!("{:?}", UltravoxConfig::new("https://x", "s3cr3t")).contains("s3cr3t"));
    }

    #[test]
    fn clients_with_one_key_share_their_pace_whatever_else_is_set() {
        let clock = Arc::new(crate::clock::SystemClock);
        let limits = Arc::new(UltravoxLimits::default());
        let with = |calls_per_minute| {
            let config = UltravoxConfig { calls_per_minute, ..UltravoxConfig::new("https://x", "k") };
            UltravoxClient::new(config, clock.clone(), limits.clone()).unwrap()
        };
        assert_eq!((with(2).may_create_call(), with(2).may_create_call()), (Ok(()), Ok(())));
        assert!(matches!(with(2).may_create_call(), Err(CarrierError::Held { .. })));
        assert_eq!(with(3).may_create_call(), Ok(()), "the plan allows more by now");
    }

    #[test]
    fn no_call_is_begun_while_requests_are_held_back_and_none_takes_a_place() {
        let clock = Arc::new(crate::clock::SystemClock);
        let limits = Arc::new(UltravoxLimits::default());
        let config = UltravoxConfig { calls_per_minute: 1, ..UltravoxConfig::new("https://x", "k") };
        let client = UltravoxClient::new(config, clock.clone(), limits.clone()).unwrap();
        let now = clock.monotonic();
        for _ in 0..BreakerConfig::default().failures {
            limits.breaker.admit(now).unwrap().failure(now);
        }
        for _ in 0..3 {
            assert!(matches!(client.may_create_call(), Err(CarrierError::Held { .. })));
        }
        let later = now + BreakerConfig::default().open_for;
        limits.breaker.admit(later).unwrap().success(later);
        assert_eq!(client.may_create_call(), Ok(()));
    }
}
