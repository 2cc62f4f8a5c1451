//! Makes one delivery attempt over HTTP/1.1, bounded in time and memory whatever the receiver does.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::ports::webhooks::{WebhookRequest, WebhookSender};
use domain::webhook::delivery::{Attempt, ErrorClass, MAX_RESPONSE_BODY};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use reqwest::{Client, Response, Url, redirect};
use serde_bytes::ByteBuf;

use super::guard::{BlockedAddress, Guard, NoAddress};
use crate::trace::{Peer, send};

/// The `User-Agent` that endpoints see.
const AGENT: &str = concat!("Voxledger-Webhooks/", env!("CARGO_PKG_VERSION"));
/// Headers of an answer that are stored.
const KEPT_HEADERS: [&str; 5] = ["content-type", "location", "retry-after", "server", "x-request-id"];
/// The most bytes stored of a header's value.
const KEPT_VALUE: usize = 300;
/// The most bytes read of an answer so that the connection can be reused; after more it is closed.
const DRAINED: usize = 64 << 10;

/// Time limits of a delivery attempt.
#[derive(Debug, Clone, Copy)]
pub struct SenderConfig {
    /// Limit until the answer's head must have arrived.
    pub timeout: Duration,
    /// Limit until a connection must be established; part of `timeout`.
    pub connect_timeout: Duration,
    /// How long to wait for the answer's body after its head; what has arrived by then is stored.
    pub body_timeout: Duration,
}

impl Default for SenderConfig {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(15),
            connect_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(2),
        }
    }
}

/// Sends with one HTTP client for all endpoints. It follows no redirect and uses no proxy of the environment, which
/// would connect to unchecked addresses.
#[derive(Debug, Clone)]
pub struct HttpSender {
    http: Client,
    guard: Guard,
    config: SenderConfig,
}

impl HttpSender {
    /// A sender that connects wherever `guard` allows. Fails when TLS cannot be set up.
    pub fn new(guard: Guard, config: SenderConfig) -> Result<Self, reqwest::Error> {
        let http = crate::http::client()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .dns_resolver(std::sync::Arc::new(guard.clone()))
            .connect_timeout(config.connect_timeout)
            .http1_only()
            .tcp_nodelay(true)
            .pool_max_idle_per_host(64)
            // many servers close after five seconds: a connection must not be used while it is being closed
            .pool_idle_timeout(Duration::from_secs(4))
            .build()?;
        Ok(Self { http, guard, config })
    }

    fn headers(request: &WebhookRequest) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            // validated when the endpoint was created
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
                headers.insert(name, value);
            }
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers
    }

    async fn answer(&self, url: Url, request: &WebhookRequest) -> Result<Response, (ErrorClass, String)> {
        let post = self.http.post(url).headers(Self::headers(request)).body(request.body.clone());
        let sending = send(post, Peer { name: "webhook", template: None });
        match tokio::time::timeout(self.config.timeout, sending).await {
            Err(_) => {
                Err((ErrorClass::Timeout, format!("no answer within {} ms", self.config.timeout.as_millis())))
            }
            Ok(answered) => answered.map_err(|error| classify(&error)),
        }
    }

    /// The first bytes of the body; the rest is read for a while, so that the connection can be reused.
    async fn body(&self, mut response: Response) -> Option<ByteBuf> {
        let mut kept: Vec<u8> = Vec::new();
        let mut read = 0;
        let reading = async {
            while let Ok(Some(chunk)) = response.chunk().await {
                read += chunk.len();
                let room = MAX_RESPONSE_BODY - kept.len();
                kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if read > DRAINED {
                    break;
                }
            }
        };
        // whatever has arrived is stored: only the status counts
        let _ = tokio::time::timeout(self.config.body_timeout, reading).await;
        (!kept.is_empty()).then(|| ByteBuf::from(kept))
    }
}

/// The class of an error, and a description that repeats nothing of what was sent.
fn classify(error: &reqwest::Error) -> (ErrorClass, String) {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    let mut last = String::new();
    while let Some(at) = cause {
        if let Some(blocked) = at.downcast_ref::<BlockedAddress>() {
            return (ErrorClass::Blocked, blocked.to_string());
        }
        if let Some(unknown) = at.downcast_ref::<NoAddress>() {
            return (ErrorClass::Dns, unknown.to_string());
        }
        if is_tls(at) {
            return (ErrorClass::Tls, at.to_string());
        }
        last = at.to_string();
        cause = at.source();
    }
    if error.is_timeout() {
        (ErrorClass::Timeout, "no connection in time".to_owned())
    } else if error.is_connect() {
        (ErrorClass::Connect, last)
    } else {
        (ErrorClass::Protocol, last)
    }
}

/// Whether the error is caused by TLS, however deeply wrapped.
fn is_tls(error: &(dyn StdError + 'static)) -> bool {
    let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    error.is::<rustls::Error>() || inner.is_some_and(|inner| is_tls(inner))
}

fn kept_headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    let kept = |name: &&str| {
        let value = String::from_utf8_lossy(headers.get(*name)?.as_bytes()).into_owned();
        Some(((*name).to_owned(), value.chars().take(KEPT_VALUE).collect()))
    };
    KEPT_HEADERS.iter().filter_map(kept).collect()
}

#[async_trait]
impl WebhookSender for HttpSender {
    async fn send(&self, request: &WebhookRequest) -> Attempt {
        let began = Instant::now();
        let mut attempt = Attempt {
            began_at: request.now,
            latency_ms: 0,
            status: None,
            error: None,
            detail: None,
            address: None,
            headers: BTreeMap::new(),
            body: None,
        };
        // the settings may be stricter than when the endpoint was created
        let outcome = match self.guard.url(&request.url) {
            Err(fault) => Err((ErrorClass::Blocked, fault.to_string())),
            Ok(url) => match self.guard.refused_literal(&url) {
                Some(address) => Err((ErrorClass::Blocked, BlockedAddress(address).to_string())),
                None => self.answer(url, request).await,
            },
        };
        attempt.latency_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        match outcome {
            Err((class, detail)) => {
                attempt.error = Some(class);
                attempt.detail = Some(detail);
            }
            Ok(response) => {
                let status = response.status();
                attempt.status = Some(status.as_u16());
                attempt.address = response.remote_addr().map(|address| address.to_string());
                attempt.headers = kept_headers(response.headers());
                if !status.is_success() {
                    attempt.error = Some(ErrorClass::Status);
                    attempt.detail = Some(match status.is_redirection() {
                        true => format!("the answer is {}; redirects are not followed", status.as_u16()),
                        false => format!("the answer is {}", status.as_u16()),
                    });
                }
                attempt.body = self.body(response).await.map(Into::into);
            }
        }
        attempt
    }
}
