//! A client of the node under simulation.

use std::time::Duration;

use anyhow::{Context as _, bail};
use chrono::{DateTime, Utc};
use domain::envelope::Time;
use domain::ids::CallId;
use projections::calls::CallView;
use projections::edge::format_time;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

/// Time limit for an answer of the node.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How often a request is retried while the node is overloaded.
const TRIES: u32 = 5;
/// Calls listed on one page, which is the maximum.
const PAGE: usize = 200;

/// The REST API of the node.
#[derive(Debug)]
pub struct NodeApi {
    http: reqwest::Client,
    base: String,
    /// `Authorization`, marked sensitive, so that `Debug` hides it.
    authorization: HeaderValue,
}

#[derive(Deserialize)]
struct Body<T> {
    data: T,
    #[serde(default)]
    meta: Meta,
}

#[derive(Default, Deserialize)]
struct Meta {
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct NumberShown {
    number: String,
    route: Value,
}

/// Result of creating a number.
#[derive(Debug, PartialEq, Eq)]
enum Taken {
    Now,
    Before,
}

impl NodeApi {
    /// A client of the node at `url`, with an API key. Fails when either is malformed.
    pub fn new(url: &str, key: &str) -> anyhow::Result<Self> {
        let parsed = Url::parse(url).with_context(|| format!("--url {url} is no address"))?;
        anyhow::ensure!(
            matches!(parsed.scheme(), "http" | "https"),
            "--url {url} must begin with http:// or https://"
        );
        let http = adapters::http::client().timeout(TIMEOUT).no_proxy().build()?;
        let mut authorization = HeaderValue::try_from(format!("Bearer {key}"))
            .context("the key has characters that no key has")?;
        authorization.set_sensitive(true);
        Ok(Self { http, base: url.trim_end_matches('/').to_owned(), authorization })
    }

    /// Base URL of the node.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The URL at which the node receives the carrier's webhooks.
    pub fn webhook_url(&self) -> String {
        format!("{}/api/v1/webhooks/telnyx", self.base)
    }

    /// Checks that the node answers and accepts the key; returns the node's time.
    pub async fn greet(&self) -> anyhow::Result<Option<Time>> {
        let sent = self.request(Method::GET, "/api/v1/numbers?limit=1").send().await;
        let response = sent.map_err(reqwest::Error::without_url);
        let response = response.with_context(|| format!("no node answers at {}", self.base))?;
        match response.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => bail!(
                "the node at {} does not take this API key; give its owner key with --key or \
                VOXLEDGER_BOOTSTRAP_KEY",
                self.base
            ),
            status if !status.is_success() => bail!("{} answers {status}: no Voxledger node?", self.base),
            _ => {}
        }
        let date = response.headers().get("date").and_then(|date| date.to_str().ok());
        Ok(date.and_then(|date| DateTime::parse_from_rfc2822(date).ok()).map(|date| date.with_timezone(&Utc)))
    }

    /// Ensures that a number exists with this route.
    pub async fn route(&self, number: &str, route: &Value) -> anyhow::Result<()> {
        let taken = self
            .ask::<Value>(Method::POST, "/api/v1/numbers", Some(&json!({ "number": number, "route": route })))
            .await;
        let taken = match taken {
            Ok(_) => Taken::Now,
            Err(Refused { status: StatusCode::CONFLICT, .. }) => Taken::Before,
            Err(refused) => return Err(refused).context("cannot take a number into use"),
        };
        if taken == Taken::Before {
            let known = self.numbers().await?;
            let found = known.into_iter().find(|known| known.number == number);
            let found = found.context("a number of the simulation belongs to another client of this node")?;
            anyhow::ensure!(
                found.route["type"] == route["type"],
                "a number of the simulation leads elsewhere on this node: remove {number}, or use another client"
            );
        }
        Ok(())
    }

    /// Creates a webhook endpoint that delivers all call events to `url`.
    pub async fn deliver_to(&self, url: &str) -> anyhow::Result<()> {
        let webhook =
            json!({"url": url, "events": ["call.*", "ivr.*"], "description": "the demo's own receiver"});
        let made = self.ask::<Value>(Method::POST, "/api/v1/webhooks", Some(&webhook)).await;
        made.map(drop).context("cannot create a webhook")
    }

    /// The id of a menu with this name; `None` when there is none.
    pub async fn menu_named(&self, name: &str) -> Result<Option<String>, Refused> {
        let mut path = format!("/api/v1/ivr/menus?limit={PAGE}");
        loop {
            let body: Body<Vec<Value>> = self.ask(Method::GET, &path, None).await?;
            let found = body.data.iter().find(|menu| menu["name"] == name);
            if let Some(id) = found.and_then(|menu| menu["id"].as_str()) {
                return Ok(Some(id.to_owned()));
            }
            let Some(cursor) = body.meta.next_cursor else { return Ok(None) };
            path = format!("/api/v1/ivr/menus?limit={PAGE}&cursor={cursor}");
        }
    }

    /// Creates a menu and returns its id.
    pub async fn make_menu(&self, menu: &Value) -> Result<String, Refused> {
        let made: Body<Value> = self.ask(Method::POST, "/api/v1/ivr/menus", Some(menu)).await?;
        Ok(made.data["id"].as_str().unwrap_or_default().to_owned())
    }

    /// Creates an agent, deploys it and returns its id.
    pub async fn make_agent(&self, agent: &Value) -> anyhow::Result<String> {
        let made: Body<Value> =
            self.ask(Method::POST, "/api/v1/agents", Some(agent)).await.context("cannot create an agent")?;
        let id = made.data["id"].as_str().unwrap_or_default().to_owned();
        let deploy = format!("/api/v1/agents/{id}/deploy");
        self.ask::<Body<Value>>(Method::POST, &deploy, Some(&json!({}))).await.context("cannot deploy it")?;
        Ok(id)
    }

    /// Sends these messages to an agent, one after the other, in one conversation.
    pub async fn talk(&self, agent: &str, words: &[&str]) -> anyhow::Result<()> {
        let mut next = json!({ "agent_id": agent });
        for message in words {
            next["message"] = json!(message);
            let said: Body<Value> = self
                .ask(Method::POST, "/api/v1/conversation", Some(&next))
                .await
                .context("cannot talk with the agent")?;
            next = json!({ "conversation_id": said.data["conversation_id"] });
        }
        Ok(())
    }

    async fn numbers(&self) -> anyhow::Result<Vec<NumberShown>> {
        let mut numbers = Vec::new();
        let mut path = format!("/api/v1/numbers?limit={PAGE}");
        loop {
            let body: Body<Vec<NumberShown>> = self.ask(Method::GET, &path, None).await?;
            numbers.extend(body.data);
            let Some(cursor) = body.meta.next_cursor else { return Ok(numbers) };
            path = format!("/api/v1/numbers?limit={PAGE}&cursor={cursor}");
        }
    }

    /// Makes the node place an outbound call.
    pub async fn call_out(&self, from: &str, to: &str) -> Result<CallView, Refused> {
        let body = json!({
            "from": from, "to": to, "ring_timeout_ms": 10_000, "record": true,
            "metadata": { "placed_by": "simulate" },
        });
        Ok(self.ask::<Body<CallView>>(Method::POST, "/api/v1/calls", Some(&body)).await?.data)
    }

    pub async fn call(&self, id: CallId) -> Result<CallView, Refused> {
        Ok(self.ask::<Body<CallView>>(Method::GET, &format!("/api/v1/calls/{id}"), None).await?.data)
    }

    /// Makes the node speak a text on a call.
    pub async fn say(&self, id: CallId, text: &str) -> Result<(), Refused> {
        let body = json!({ "text": text });
        self.ask::<Value>(Method::POST, &format!("/api/v1/calls/{id}/say"), Some(&body)).await.map(drop)
    }

    pub async fn hang_up(&self, id: CallId) -> Result<(), Refused> {
        self.ask::<Value>(Method::POST, &format!("/api/v1/calls/{id}/hangup"), None).await.map(drop)
    }

    /// The newest calls that began after `since`, at most `limit`.
    pub async fn calls_since(&self, since: Time, limit: usize) -> Result<Vec<CallView>, Refused> {
        let mut calls = Vec::new();
        let first = format!("/api/v1/calls?limit={PAGE}&created_after={}", format_time(since));
        let mut path = first.clone();
        loop {
            let body: Body<Vec<CallView>> = self.ask(Method::GET, &path, None).await?;
            calls.extend(body.data);
            match body.meta.next_cursor {
                Some(cursor) if calls.len() < limit => path = format!("{first}&cursor={cursor}"),
                _ => return Ok(calls),
            }
        }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.base))
            .header(AUTHORIZATION, self.authorization.clone())
    }

    /// Sends a request, with a few retries while the node is overloaded.
    pub(crate) async fn ask<T: for<'a> Deserialize<'a>>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, Refused> {
        let mut tries = 1;
        loop {
            let mut request = self.request(method.clone(), path);
            if let Some(body) = body {
                request = request.json(body);
            }
            let response = request.send().await.map_err(Refused::unanswered)?;
            let status = response.status();
            let busy = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
            if busy && tries < TRIES {
                let wait =
                    response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
                tokio::time::sleep(Duration::from_secs(wait.unwrap_or(1).min(5))).await;
                tries += 1;
                continue;
            }
            if status.is_success() {
                return response.json().await.map_err(Refused::unanswered);
            }
            let problem: Value = response.json().await.unwrap_or_default();
            let text = problem["detail"].as_str().or(problem["title"].as_str()).unwrap_or("no reason given");
            return Err(Refused { status, text: text.to_owned() });
        }
    }
}

/// The node refused a request.
#[derive(Debug, thiserror::Error)]
#[error("the node answers {status}: {text}")]
pub struct Refused {
    status: StatusCode,
    text: String,
}

impl Refused {
    /// The node gave no answer, or an unreadable one.
    fn unanswered(error: reqwest::Error) -> Self {
        Self { status: StatusCode::default(), text: error.without_url().to_string() }
    }
}
