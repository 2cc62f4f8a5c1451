//! A client of the REST API, as a customer would write it.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::contract::{self, Seen};

/// The owner key nodes under test are started with; its checksum is right.
pub const TEST_KEY: &str = "vx_VoxledgerTestOwnerKey0123456789abcdefghijklcc9dd2c6";

/// A REST client with a key.
#[derive(Debug, Clone)]
pub struct Api {
    http: reqwest::Client,
    base: String,
    key: Option<String>,
}

/// An answer: status, headers, body as JSON (`null` if it is not).
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
    /// Body as it came.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// The `data` of a success.
    pub fn data(self) -> Result<Value> {
        if !(200..300).contains(&self.status) {
            bail!("answered {}: {}", self.status, self.body);
        }
        self.body.get("data").cloned().context("no data")
    }

    /// The `code` of a problem; empty when it is none.
    #[must_use]
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// An answer that is read as it comes.
fn opened(method: &str, path: &str, response: reqwest::Response) -> reqwest::Response {
    let (status, headers) = (response.status().as_u16(), response.headers());
    contract::hold(&Seen { method, path, status, headers, body: None });
    response
}

impl Api {
    /// A client of the node at `base`, with the test owner's key.
    pub fn new(base: &str) -> Result<Self> {
        let http = adapters::http::client().timeout(Duration::from_secs(30)).build()?;
        Ok(Self { http, base: base.to_owned(), key: Some(TEST_KEY.to_owned()) })
    }

    /// The same without credentials, or with others.
    #[must_use]
    pub fn with_key(&self, key: Option<&str>) -> Self {
        Self { key: key.map(str::to_owned), ..self.clone() }
    }

    /// The credentials it sends.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Sends a request; `path` begins with `/`. The answer is held against the OpenAPI document, as all are
    /// that a client gets.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Result<Answer> {
        let mut request = self.http.request(method.parse()?, format!("{}{path}", self.base));
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        if let Some(body) = body {
            if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
                request = request.header("content-type", "application/json");
            }
            request = request.body(body);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await?;
        contract::hold(&Seen { method, path, status, headers: &headers, body: Some(&bytes) });
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Ok(Answer { status, headers, body, bytes: bytes.to_vec() })
    }

    /// Sends a request and answers its status and, when it is a problem, its code. The body of a success is not
    /// waited for: it may be a stream.
    pub async fn outcome(
        &self,
        method: &str,
        path: &str,
        body: Option<&'static str>,
    ) -> Result<(u16, String)> {
        let mut request = self.http.request(method.parse()?, format!("{}{path}", self.base));
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        if status < 400 {
            contract::hold(&Seen { method, path, status, headers: &headers, body: None });
            return Ok((status, String::new()));
        }
        let bytes = response.bytes().await?;
        contract::hold(&Seen { method, path, status, headers: &headers, body: Some(&bytes) });
        let problem: Value = serde_json::from_slice(&bytes)?;
        Ok((status, problem["code"].as_str().unwrap_or_default().to_owned()))
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.send("GET", path, &[], None).await
    }

    /// POST of JSON.
    pub async fn post(&self, path: &str, body: Value) -> Result<Answer> {
        self.send("POST", path, &[], Some(body.to_string().into_bytes())).await
    }

    /// POST of JSON under an idempotency key.
    pub async fn post_once(&self, path: &str, key: &str, body: &Value) -> Result<Answer> {
        self.send("POST", path, &[("idempotency-key", key)], Some(body.to_string().into_bytes())).await
    }

    /// PATCH with JSON, on the condition that the resource is at `version` if one is given.
    pub async fn patch(&self, path: &str, version: Option<u64>, body: Value) -> Result<Answer> {
        let version = version.map(|version| format!("\"{version}\""));
        let headers: Vec<_> = version.iter().map(|version| ("if-match", version.as_str())).collect();
        self.send("PATCH", path, &headers, Some(body.to_string().into_bytes())).await
    }

    /// Gives the client of this key a carrier account of its own, so that it takes numbers into use by itself.
    pub async fn use_own_carrier(&self) -> Result<()> {
        let settings = json!({"connection_id": "1"});
        let account = json!({"provider": "telnyx", "api_key": "KEY_of_its_own", "settings": settings});
        self.patch("/api/v1/auth/providers/telephony", None, account).await?.data().map(drop)
    }

    /// A webhook as the carrier sends it: signed now.
    pub async fn webhook(&self, event: &Value) -> Result<Answer> {
        let body = event.to_string().into_bytes();
        let headers = crate::webhook::signed(&body, crate::webhook::unix_now());
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.with_key(None).send("POST", "/api/v1/webhooks/telnyx", &headers, Some(body)).await
    }

    /// POST of a body in chunks, whose length nobody says before.
    pub async fn send_stream<S>(&self, path: &str, headers: &[(&str, String)], body: S) -> Result<Answer>
    where
        S: futures::Stream<Item = Result<Vec<u8>, std::io::Error>> + Send + Sync + 'static,
    {
        let mut request = self.http.post(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response = request.body(reqwest::Body::wrap_stream(body)).send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await?;
        contract::hold(&Seen { method: "POST", path, status, headers: &headers, body: Some(&bytes) });
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok(Answer { status, headers, body, bytes: bytes.to_vec() })
    }

    /// A GET whose answer is read as it comes.
    pub async fn open(&self, path: &str, headers: &[(&str, &str)]) -> Result<reqwest::Response> {
        let mut request = self.http.get(format!("{}{path}", self.base));
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Ok(opened("GET", path, request.send().await?))
    }

    /// A POST of JSON whose answer is read as it comes: server-sent events.
    pub async fn open_post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Result<reqwest::Response> {
        let mut request =
            self.http.post(format!("{}{path}", self.base)).header("accept", "text/event-stream");
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.header("content-type", "application/json").body(body.to_string());
        Ok(opened("POST", path, request.send().await?))
    }

    /// Every page of a list, as one.
    pub async fn list_all(&self, path: &str) -> Result<Vec<Value>> {
        self.list_in_pages(path, 200).await
    }

    /// The same in pages of `limit`.
    pub async fn list_in_pages(&self, path: &str, limit: usize) -> Result<Vec<Value>> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        let joint = if path.contains('?') { '&' } else { '?' };
        loop {
            let answer = self.get(&format!("{path}{joint}limit={limit}{cursor}")).await?;
            let meta = answer.body["meta"].clone();
            items.extend(answer.data()?.as_array().context("not a list")?.iter().cloned());
            if meta["has_more"] != true {
                return Ok(items);
            }
            cursor = format!("&cursor={}", meta["next_cursor"].as_str().context("no cursor")?);
        }
    }
}
