//! One provider over HTTP: bounded in time and memory, repeated only where nothing was generated.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::ports::llm::{ChatEvent, ChatEvents, ChatProvider, ChatRequest, Completion, LlmFailure};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;

use super::dialect::{Decoder, Dialect, json};
use super::gateway::LlmKey;
use super::sse::SseParser;
use crate::trace::ModelSpan;

/// The longest answer, in bytes.
const MAX_ANSWER: usize = 8 << 20;
/// The longest error that is read, in bytes.
const MAX_ERROR: usize = 64 << 10;

/// How long is waited for what.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// From the request to the answer's first piece.
    pub first_token: Duration,
    /// From one sign of life to the next.
    pub between: Duration,
    /// For the whole answer.
    pub total: Duration,
    /// How often a request that was turned away is repeated.
    pub repeats: u32,
    /// The longest pause before that; who wants a longer one is not asked again.
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

/// A provider, spoken to in its dialect.
pub struct HttpChat<D> {
    dialect: D,
    provider: &'static str,
    http: Client,
    base: String,
    key: LlmKey,
    patience: Patience,
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
    /// A provider at `base`, without a slash at its end, reached through `http`.
    pub fn new(dialect: D, http: Client, base: &str, key: LlmKey, patience: Patience) -> Self {
        Self { dialect, provider: "", http, base: base.trim_end_matches('/').to_owned(), key, patience }
    }

    /// The same by the name it has in traces.
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

    /// Sends until somebody answers. A request that was turned away, or never arrived, has generated nothing: it may
    /// be sent again. One that got no answer in time may have.
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
        self.dialect.failure(status, &headers, &body)
    }

    async fn whole(&self, mut response: Response, deadline: Instant) -> Result<Value, LlmFailure> {
        let mut body = Vec::new();
        let reading = async {
            while let Some(chunk) = response.chunk().await.map_err(|_| broke_off())? {
                body.extend_from_slice(&chunk);
                if body.len() > MAX_ANSWER {
                    return Err(LlmFailure::Protocol("the answer is too long".to_owned()));
                }
            }
            Ok(())
        };
        let left = deadline.saturating_duration_since(Instant::now());
        tokio::time::timeout(left, reading).await.map_err(|_| LlmFailure::TimedOut("whole answer"))??;
        json(&String::from_utf8_lossy(&body))
    }
}

fn broke_off() -> LlmFailure {
    LlmFailure::Transport("the answer broke off".to_owned())
}

/// 100 to 200 ms: those that were turned away together do not come back together.
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
        let mut span = ModelSpan::begin(self.provider, model, &self.base);
        let sent = self.send(&written.path, &written.body, first_by, &span).await;
        let response = sent.inspect_err(|failure| span.end(Some(failure.fault().as_str())))?;
        Ok(Box::new(Streamed {
            response,
            decoder: self.dialect.decoder(),
            parser: SseParser::default(),
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
        let mut span = ModelSpan::begin(self.provider, model, &self.base);
        let completed = async {
            let response = self.send(&written.path, &written.body, whole_by, &span).await?;
            self.dialect.completion(&self.whole(response, whole_by).await?)
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
        Ok(self.dialect.models(&self.whole(response, by).await?))
    }
}

/// A streamed answer.
struct Streamed {
    response: Response,
    decoder: Box<dyn Decoder>,
    parser: SseParser,
    ready: VecDeque<ChatEvent>,
    read: usize,
    /// Until there is a first piece.
    first_by: Option<Instant>,
    whole_by: Instant,
    between: Duration,
    over: bool,
    span: ModelSpan,
}

impl Streamed {
    /// Reads until something is ready; whether there is more.
    async fn read_on(&mut self) -> Result<bool, LlmFailure> {
        let now = Instant::now();
        let next_by = now + self.between;
        let (by, what) = match self.first_by {
            Some(first_by) => (first_by, "first token"),
            None if next_by <= self.whole_by => (next_by, "next token"),
            None => (self.whole_by, "whole answer"),
        };
        let left = by.min(self.whole_by).saturating_duration_since(now);
        let chunk = tokio::time::timeout(left, self.response.chunk()).await;
        let chunk = chunk.map_err(|_| LlmFailure::TimedOut(what))?.map_err(|_| broke_off())?;
        let mut events = Vec::new();
        let bad = |error: super::sse::BadSse| LlmFailure::Protocol(error.to_string());
        match &chunk {
            Some(bytes) => {
                self.read += bytes.len();
                if self.read > MAX_ANSWER {
                    return Err(LlmFailure::Protocol("the answer is too long".to_owned()));
                }
                self.parser.push(bytes, &mut events).map_err(bad)?;
            }
            None => self.parser.end(&mut events).map_err(bad)?,
        }
        let mut out = Vec::new();
        for event in &events {
            let taken = self.decoder.take(event, &mut out);
            self.ready.extend(out.drain(..));
            taken?;
        }
        if self.ready.iter().any(|event| !matches!(event, ChatEvent::Usage(_))) {
            self.first_by = None;
        }
        if chunk.is_none() {
            self.decoder.end()?;
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
                // what came before the failure is told before it
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
    /// Pieces that came with a failure do not make the answer whole: the failure is what counts.
    fn put_off(&mut self, failure: LlmFailure) -> Option<Result<ChatEvent, LlmFailure>> {
        self.ready.clear();
        Some(Err(failure))
    }
}
