//! An HTTP client for one provider: bounded in time and memory; it retries only requests that generated nothing.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::ports::clock::Clock;
use domain::ports::llm::{ChatEvent, ChatEvents, ChatProvider, ChatRequest, Completion, LlmFailure};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;

use super::assembly::Assembly;
use super::body::{Body, Chunk};
use super::dialect::{Decoder, Dialect, gathered, protocol};
use super::gateway::LlmKey;
use crate::trace::ModelSpan;

/// The most bytes of an answer.
const MAX_ANSWER: usize = 8 << 20;
/// The most bytes read of an error response.
const MAX_ERROR: usize = 64 << 10;
/// How long to wait for more data after the answer's finish reason.
const AFTER_THE_END: Duration = Duration::from_secs(2);
/// How long the body may take to end after the protocol's end marker.
const AFTER_THE_LAST_WORD: Duration = Duration::from_millis(250);

/// Time limits and retries of a request.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Limit for opening a connection.
    pub connect: Duration,
    /// Limit from the request to the answer's first piece.
    pub first_token: Duration,
    /// Limit between two pieces of the answer.
    pub between: Duration,
    /// Limit for the whole answer.
    pub total: Duration,
    /// How often a refused request is retried.
    pub repeats: u32,
    /// The longest pause before a retry; a provider that asks for a longer one gets no retry.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            first_token: Duration::from_secs(10),
            between: Duration::from_secs(10),
            total: Duration::from_secs(90),
            repeats: 1,
            pause: Duration::from_secs(1),
        }
    }
}

/// A provider with the dialect that it speaks.
pub struct HttpChat<D> {
    dialect: D,
    provider: &'static str,
    http: Client,
    base: String,
    key: LlmKey,
    patience: Patience,
    clock: Arc<dyn Clock>,
}

impl<D: fmt::Debug> fmt::Debug for HttpChat<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpChat")
            .field("dialect", &self.dialect)
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

impl<D: Dialect> HttpChat<D> {
    /// A provider at the base URL `base`, without a trailing slash, reached through `http`.
    pub fn new(
        dialect: D,
        http: Client,
        base: &str,
        key: LlmKey,
        patience: Patience,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            dialect,
            provider: "",
            http,
            base: base.trim_end_matches('/').to_owned(),
            key,
            patience,
            clock,
        }
    }

    /// Sets the provider's name in traces.
    #[must_use]
    pub fn named(self, provider: &'static str) -> Self {
        Self { provider, ..self }
    }

    fn request(&self, request: RequestBuilder) -> RequestBuilder {
        let mut headers = HeaderMap::new();
        for (name, value) in self.dialect.credentials(self.key.reveal()) {
            if let Ok(mut value) = HeaderValue::from_str(&value) {
                value.set_sensitive(true);
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        request.headers(headers)
    }

    /// Sends the request, with retries. A request that was refused or never arrived generated nothing and may be
    /// sent again. A request that got no answer in time may have generated something and is not repeated.
    async fn send(
        &self,
        path: &str,
        body: &Value,
        deadline: Instant,
        span: &ModelSpan,
    ) -> Result<Response, LlmFailure> {
        let bytes = body.to_string();
        let mut repeats = 0;
        loop {
            let request =
                self.http.post(format!("{}{path}", self.base)).header("content-type", "application/json");
            let left = deadline.saturating_duration_since(Instant::now());
            let sending = span.carried_by(self.request(request)).body(bytes.clone()).send();
            let answered = tokio::time::timeout(left, sending).await;
            if let Ok(Ok(response)) = &answered {
                span.status(response.status().as_u16());
            }
            let failure = match answered {
                Err(_) => return Err(LlmFailure::TimedOut("first token")),
                Ok(Ok(response)) if response.status().is_success() => return Ok(response),
                Ok(Ok(response)) => self.turned_away(response).await,
                Ok(Err(error)) if error.is_connect() => LlmFailure::Transport("no connection".to_owned()),
                Ok(Err(_)) => return Err(LlmFailure::Transport("no answer".to_owned())),
            };
            let pause = match &failure {
                LlmFailure::RateLimited { retry_after } => retry_after.unwrap_or_else(spread),
                LlmFailure::Overloaded(_) | LlmFailure::Transport(_) => spread(),
                _ => return Err(failure),
            };
            let late = Instant::now() + pause >= deadline;
            if repeats >= self.patience.repeats || pause > self.patience.pause || late {
                return Err(failure);
            }
            repeats += 1;
            tokio::time::sleep(pause).await;
        }
    }

    /// Posts a request that is no chat to `path`, and waits for the whole answer. `operation` names it in traces.
    pub(crate) async fn post(
        &self,
        operation: &'static str,
        model: &str,
        path: &str,
        body: &Value,
    ) -> Result<Vec<u8>, LlmFailure> {
        let whole_by = Instant::now() + self.patience.total;
        let mut span = ModelSpan::begin(operation, self.provider, model, &self.base);
        let answered = async {
            let response = self.send(path, body, whole_by, &span).await?;
            self.whole(response, whole_by).await
        };
        let answered = answered.await;
        span.end(answered.as_ref().err().map(|failure| failure.fault().as_str()));
        answered
    }

    async fn turned_away(&self, mut response: Response) -> LlmFailure {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = Vec::new();
        let reading = async {
            while let Ok(Some(chunk)) = response.chunk().await {
                body.extend_from_slice(&chunk);
                if body.len() > MAX_ERROR {
                    break;
                }
            }
        };
        // the status says enough
        let _ = tokio::time::timeout(self.patience.connect, reading).await;
        self.dialect.failure(status, &headers, &body, self.clock.now())
    }

    async fn whole(&self, mut response: Response, deadline: Instant) -> Result<Vec<u8>, LlmFailure> {
        let mut body = Vec::new();
        let reading = async {
            while let Some(chunk) = response.chunk().await.map_err(|_| broke_off())? {
                body.extend_from_slice(&chunk);
                if body.len() > MAX_ANSWER {
                    return Err(protocol("the answer is too long"));
                }
            }
            Ok(())
        };
        let left = deadline.saturating_duration_since(Instant::now());
        tokio::time::timeout(left, reading).await.map_err(|_| LlmFailure::TimedOut("whole answer"))??;
        Ok(body)
    }

    /// The reader for the answer to a request.
    fn reading(&self, request: &ChatRequest) -> Reading {
        let (decoder, assembly) = (self.dialect.decoder(request), Assembly::new(request));
        Reading { body: Body::default(), decoder, assembly }
    }
}

/// Converts an answer's bytes into events.
struct Reading {
    body: Body,
    decoder: Box<dyn Decoder>,
    assembly: Assembly,
}

impl Reading {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<ChatEvent>) -> Result<(), LlmFailure> {
        let mut chunks = Vec::new();
        let pushed = self.body.push(bytes, &mut chunks);
        self.take(&chunks, out)?;
        // whatever follows a complete answer does not invalidate it
        if self.is_over() { Ok(()) } else { pushed }
    }

    fn end(&mut self, out: &mut Vec<ChatEvent>) -> Result<(), LlmFailure> {
        let mut chunks = Vec::new();
        let ended = self.body.end(&mut chunks);
        self.take(&chunks, out)?;
        if !self.is_over() {
            ended?;
        }
        let mut pieces = Vec::new();
        let finish = self.decoder.end(self.body.is_done(), &mut pieces);
        let finish = finish.map_err(|failure| match self.body.has_nonsense() {
            true => protocol("not JSON"),
            false => failure,
        })?;
        pieces.into_iter().for_each(|piece| self.assembly.take(piece, out));
        self.assembly.end(finish, out);
        Ok(())
    }

    fn take(&mut self, chunks: &[Chunk], out: &mut Vec<ChatEvent>) -> Result<(), LlmFailure> {
        for chunk in chunks {
            let mut pieces = Vec::new();
            let taken = self.decoder.take(chunk, &mut pieces);
            pieces.into_iter().for_each(|piece| self.assembly.take(piece, out));
            taken?;
        }
        Ok(())
    }

    /// Whether the answer is complete, whatever follows.
    fn is_over(&self) -> bool {
        self.body.is_done() || self.decoder.is_finished()
    }

    /// Whether more than thoughts and comments arrived.
    fn is_begun(&self) -> bool {
        self.decoder.is_calling() || self.body.is_coming()
    }
}

fn broke_off() -> LlmFailure {
    LlmFailure::Transport("the answer broke off".to_owned())
}

/// A random pause of 100 to 200 ms, so that requests refused together are not retried together.
fn spread() -> Duration {
    static SENT: AtomicU64 = AtomicU64::new(0);
    Duration::from_millis(100 + SENT.fetch_add(37, Ordering::Relaxed) % 100)
}

#[async_trait]
impl<D: Dialect> ChatProvider for HttpChat<D> {
    async fn stream(&self, model: &str, request: &ChatRequest) -> Result<Box<dyn ChatEvents>, LlmFailure> {
        let began = Instant::now();
        let written = self.dialect.write(model, request, true);
        let first_by = began + self.patience.first_token;
        let mut span = ModelSpan::begin("chat", self.provider, model, &self.base);
        let sent = self.send(&written.path, &written.body, first_by, &span).await;
        let response = sent.inspect_err(|failure| span.end(Some(failure.fault().as_str())))?;
        Ok(Box::new(Streamed {
            response,
            reading: self.reading(request),
            ready: VecDeque::new(),
            read: 0,
            first_by: Some(first_by),
            whole_by: began + self.patience.total,
            between: self.patience.between,
            over: false,
            span,
        }))
    }

    async fn complete(&self, model: &str, request: &ChatRequest) -> Result<Completion, LlmFailure> {
        let whole_by = Instant::now() + self.patience.total;
        let written = self.dialect.write(model, request, false);
        let mut span = ModelSpan::begin("chat", self.provider, model, &self.base);
        let completed = async {
            let response = self.send(&written.path, &written.body, whole_by, &span).await?;
            let body = self.whole(response, whole_by).await?;
            let (mut reading, mut events) = (self.reading(request), Vec::new());
            reading.push(&body, &mut events)?;
            reading.end(&mut events)?;
            gathered(events)
        };
        let completed = completed.await;
        if let Ok(completion) = &completed {
            span.usage(completion.usage);
        }
        span.end(completed.as_ref().err().map(|failure| failure.fault().as_str()));
        completed
    }

    async fn models(&self) -> Result<Vec<String>, LlmFailure> {
        let by = Instant::now() + self.patience.first_token;
        let request = self.request(self.http.get(format!("{}{}", self.base, self.dialect.models_path())));
        let sent = tokio::time::timeout(self.patience.first_token, request.send()).await;
        let response = sent.map_err(|_| LlmFailure::TimedOut("list of models"))?;
        let response = response.map_err(|_| LlmFailure::Transport("no connection".to_owned()))?;
        if !response.status().is_success() {
            return Err(self.turned_away(response).await);
        }
        let body = self.whole(response, by).await?;
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&body);
        let list: Value = serde_json::from_slice(body).map_err(|_| protocol("not JSON"))?;
        Ok(self.dialect.models(&list))
    }
}

struct Streamed {
    response: Response,
    reading: Reading,
    ready: VecDeque<ChatEvent>,
    read: usize,
    /// Deadline for the first piece; `None` after it arrived.
    first_by: Option<Instant>,
    whole_by: Instant,
    between: Duration,
    over: bool,
    span: ModelSpan,
}

impl Streamed {
    /// Reads until an event is ready; answers whether there is more.
    async fn read_on(&mut self) -> Result<bool, LlmFailure> {
        let now = Instant::now();
        let next_by = now + self.between;
        let (by, what) = match self.first_by {
            Some(first_by) => (first_by, "first token"),
            None if next_by <= self.whole_by => (next_by, "next token"),
            None => (self.whole_by, "whole answer"),
        };
        let mut left = by.min(self.whole_by).saturating_duration_since(now);
        let over = self.reading.is_over();
        if over {
            left = left.min(if self.reading.body.is_done() { AFTER_THE_LAST_WORD } else { AFTER_THE_END });
        }
        let chunk = match tokio::time::timeout(left, self.response.chunk()).await {
            Ok(Ok(chunk)) => chunk,
            // the answer is complete, only its body has not ended
            _ if over => None,
            Ok(Err(_)) => return Err(broke_off()),
            Err(_) => return Err(LlmFailure::TimedOut(what)),
        };
        let mut out = Vec::new();
        let read = match &chunk {
            Some(bytes) => {
                self.read += bytes.len();
                if self.read > MAX_ANSWER {
                    return Err(protocol("the answer is too long"));
                }
                self.reading.push(bytes, &mut out)
            }
            None => self.reading.end(&mut out),
        };
        self.ready.extend(out);
        read?;
        let told = self.ready.iter().any(|event| !matches!(event, ChatEvent::Usage(_)));
        if told || self.reading.is_begun() {
            self.first_by = None;
        }
        Ok(chunk.is_some())
    }
}

#[async_trait]
impl ChatEvents for Streamed {
    async fn next(&mut self) -> Option<Result<ChatEvent, LlmFailure>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                match &event {
                    ChatEvent::Usage(usage) => self.span.usage(*usage),
                    ChatEvent::Finished(_) => self.span.whole(),
                    _ => {}
                }
                return Some(Ok(event));
            }
            if self.over {
                self.span.end(None);
                return None;
            }
            let more = self.read_on().await;
            if let Err(failure) = &more {
                self.span.end(Some(failure.fault().as_str()));
            }
            match more {
                Ok(true) => {}
                Ok(false) => self.over = true,
                // events of earlier reads were delivered already
                Err(failure) if self.ready.is_empty() => {
                    self.over = true;
                    return Some(Err(failure));
                }
                Err(failure) => {
                    self.over = true;
                    self.whole_by = Instant::now();
                    return self.put_off(failure);
                }
            }
        }
    }
}

impl Streamed {
    /// Drops the pieces that came with a failure, because they do not make the answer complete,
    /// and delivers the failure.
    fn put_off(&mut self, failure: LlmFailure) -> Option<Result<ChatEvent, LlmFailure>> {
        self.ready.clear();
        Some(Err(failure))
    }
}
