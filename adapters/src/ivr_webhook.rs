//! Asks clients' own systems over HTTP for the next action of an IVR session.
//!
//! One attempt, no redirects, a small answer, and no address that only this machine or its network can reach,
//! unless the operator allows it: the SSRF guard of outbound webhooks checks the resolved address.

use std::sync::Arc;

use async_trait::async_trait;
use domain::ivr::session::{StepAnswer, WebhookOutcome};
use domain::json::{MAX_NESTING, nesting};
use domain::ports::ivr_webhook::{StepQuestion, StepWebhooks};
use projections::ivr_menus::{ActionShape, Reading};
use reqwest::Client;
use serde_json::{Map, Value, json};

use crate::trace::{Peer, send};
use crate::webhooks::Guard;

/// The most bytes of an answer, which is an action with its target.
const MAX_ANSWER: usize = 64 * 1024;

#[derive(Debug, Clone)]
pub struct HttpStepWebhooks {
    http: Client,
    guard: Guard,
}

enum Failure {
    TimedOut,
    Other(Option<u16>),
}

#[async_trait]
impl StepWebhooks for HttpStepWebhooks {
    async fn ask(&self, question: &StepQuestion) -> StepAnswer {
        let asked = tokio::time::timeout(question.timeout, self.post(question)).await;
        match asked.unwrap_or(Err(Failure::TimedOut)) {
            Ok((status, action)) => {
                StepAnswer { outcome: WebhookOutcome::Answered, status: Some(status), action }
            }
            Err(Failure::TimedOut) => {
                StepAnswer { outcome: WebhookOutcome::TimedOut, status: None, action: None }
            }
            Err(Failure::Other(status)) => {
                StepAnswer { outcome: WebhookOutcome::Failed, status, action: None }
            }
        }
    }
}

type WebhookReply = (u16, Option<domain::ivr::action::Action>);

impl HttpStepWebhooks {
    /// A client that connects wherever `guard` allows. Fails when TLS cannot be set up.
    pub fn new(guard: Guard) -> Result<Self, reqwest::Error> {
        let http = crate::http::client()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(Arc::new(guard.clone()))
            .user_agent(concat!("voxledger/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { http, guard })
    }

    async fn post(&self, question: &StepQuestion) -> Result<WebhookReply, Failure> {
        let nothing = || Failure::Other(None);
        let url = self.guard.url(&question.url).map_err(|_| nothing())?;
        let request = self
            .http
            .post(url)
            .timeout(question.timeout)
            .header("content-type", "application/json")
            .header("idempotency-key", question.id.to_string())
            .body(body(question).to_string());
        let peer = Peer { name: "ivr_webhook", template: None };
        let mut response = send(request, peer).await.map_err(|_| nothing())?;
        let status = response.status().as_u16();
        if !response.status().is_success() {
            return Err(Failure::Other(Some(status)));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| Failure::Other(Some(status)))? {
            if bytes.len() + chunk.len() > MAX_ANSWER {
                return Err(Failure::Other(Some(status)));
            }
            bytes.extend_from_slice(&chunk);
        }
        let action = read(&bytes).map_err(|()| Failure::Other(Some(status)))?;
        Ok((status, action))
    }
}

fn body(question: &StepQuestion) -> Value {
    let collected: Map<String, Value> =
        question.collected.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({
        "id": question.id,
        "session_id": question.session.to_string(),
        "menu_id": question.menu.map(|id| id.to_string()),
        "call_id": question.call.map(|id| id.to_string()),
        "collected": collected,
    })
}

/// The action in an answer; `None` when the answer is empty.
fn read(bytes: &[u8]) -> Result<Option<domain::ivr::action::Action>, ()> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    if nesting(bytes) > MAX_NESTING {
        return Err(());
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|_| ())?;
    match value.as_object() {
        Some(object) if !object.contains_key("action") => return Ok(None),
        None => return Err(()),
        Some(_) => {}
    }
    let shape: ActionShape = serde_json::from_value(value).map_err(|_| ())?;
    let mut reading = Reading::default();
    let action = reading.action(&shape, "");
    if reading.0.is_empty() { Ok(Some(action)) } else { Err(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_an_action_or_nothing() {
        assert_eq!(read(b""), Ok(None));
        assert_eq!(read(b" {\"ok\": true} "), Ok(None));
        assert_eq!(read(br#"{"action": "hangup"}"#), Ok(Some(domain::ivr::action::Action::Hangup)));
        for bad in [&b"no json"[..], b"[]", b"7", br#"{"action": "dance"}"#, br#"{"action": "submenu"}"#] {
            assert_eq!(read(bad), Err(()));
        }
    }
}
