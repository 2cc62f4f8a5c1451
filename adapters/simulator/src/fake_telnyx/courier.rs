//! Delivers webhooks: signs every attempt anew, retries after failures, and counts.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::ports::clock::Clock;
use parking_lot::Mutex;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use reqwest::{Client, Url};
use tokio::sync::Semaphore;

use super::config::FakeConfig;
use super::ledger::{Book, WebhookRecord};
use super::notice::Notice;
use super::switch::Closing;
use adapters::telephony::telnyx::{SIGNATURE_HEADER, Signer, TIMESTAMP_HEADER};

/// Failed attempts on the first URL before the failover URL is tried.
const FAILURES_BEFORE_FAILOVER: u32 = 2;
/// The most bytes read of an answer, so that the connection stays usable.
const MAX_ANSWER: usize = 64 * 1024;

pub(super) struct DeliverySender {
    http: Client,
    signer: Signer,
    url: Arc<str>,
    failover: Option<Arc<str>>,
    attempts: u32,
    backoff: Duration,
    permits: Semaphore,
    clock: Arc<dyn Clock>,
    closing: Closing,
    book: Arc<Mutex<Book>>,
}

impl fmt::Debug for DeliverySender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeliverySender").field("url", &self.url).finish_non_exhaustive()
    }
}

impl DeliverySender {
    pub fn new(
        config: &FakeConfig,
        clock: Arc<dyn Clock>,
        closing: Closing,
        book: Arc<Mutex<Book>>,
    ) -> Result<Self, reqwest::Error> {
        let http = adapters::http::client()
            .timeout(config.webhook_timeout)
            .pool_max_idle_per_host(config.max_in_flight)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .http1_only()
            .default_headers(HeaderMap::from_iter([
                (CONTENT_TYPE, HeaderValue::from_static("application/json")),
                (USER_AGENT, HeaderValue::from_static("telnyx-webhooks")),
            ]))
            .build()?;
        Ok(Self {
            http,
            signer: Signer::from_seed(&config.signing_seed),
            url: config.webhook_url.as_str().into(),
            failover: config.failover_url.as_deref().map(Arc::from),
            attempts: config.attempts.max(1),
            backoff: config.retry_backoff,
            permits: Semaphore::new(config.max_in_flight.max(1)),
            clock,
            closing,
            book,
        })
    }

    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Makes one attempt. True when the server accepted the webhook, or refused it for good.
    pub async fn attempt(&self, notice: &Notice, attempt: u32) -> bool {
        let url = match &self.failover {
            Some(failover) if attempt > FAILURES_BEFORE_FAILOVER => failover,
            _ => notice.url.as_ref().unwrap_or(&self.url),
        };
        let body = notice.body(attempt, url);
        let Ok(_permit) = self.permits.acquire().await else { return true };
        let at = self.clock.now();
        let timestamp = at.timestamp().to_string();
        let signature = self.signer.sign(&timestamp, body.as_bytes());
        let headers = [(SIGNATURE_HEADER, signature), (TIMESTAMP_HEADER, timestamp)];
        let sent = Instant::now();
        let status = self.post(url, headers, body.into()).await;
        let record = WebhookRecord {
            event_id: notice.event_id.clone(),
            event_type: notice.event_type.clone(),
            leg_id: notice.leg_id.clone(),
            attempt,
            status,
            latency: sent.elapsed(),
            at,
        };
        self.lock().webhook(record);
        !matches!(status, None | Some(408 | 429 | 500..))
    }

    /// Retries until the webhook is accepted or refused for good; false when the server never accepted it.
    pub async fn insist(&self, notice: &Notice, failed: u32) -> bool {
        let mut closing = self.closing.clone();
        for attempt in failed + 1..=self.attempts {
            let wait = self.backoff.saturating_mul(1 << (attempt - failed - 1).min(16));
            tokio::select! {
                () = self.clock.sleep(wait) => {}
                () = closing.announced() => return false,
            }
            if self.attempt(notice, attempt).await {
                return true;
            }
        }
        false
    }

    /// Sends a body and headers unchanged.
    pub async fn raw<N: AsRef<str>>(
        &self,
        headers: impl IntoIterator<Item = (N, String)>,
        body: Bytes,
    ) -> Option<u16> {
        let _permit = self.permits.acquire().await.ok()?;
        self.post(&self.url, headers, body).await
    }

    async fn post<N: AsRef<str>>(
        &self,
        url: &str,
        headers: impl IntoIterator<Item = (N, String)>,
        body: Bytes,
    ) -> Option<u16> {
        let mut request = self.http.post(Url::parse(url).ok()?);
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_ref().as_bytes()).ok()?;
            request = request.header(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
        }
        let mut response = request.body(body).send().await.ok()?;
        let status = response.status().as_u16();
        let mut read = 0;
        while let Ok(Some(chunk)) = response.chunk().await {
            read += chunk.len();
            if read > MAX_ANSWER {
                break;
            }
        }
        Some(status)
    }

    pub fn lock(&self) -> parking_lot::MutexGuard<'_, Book> {
        self.book.lock()
    }
}
