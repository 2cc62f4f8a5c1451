//! Asking clients' own systems over HTTP what a caller is to come to next.
//!
//! One attempt, no redirects, a small answer, and no address that only this machine or its network can reach, unless
//! the operator allows it: what is looked up is what is connected to.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use domain::ivr::session::{StepAnswer, WebhookOutcome};
use domain::ports::ivr_webhook::{StepQuestion, StepWebhooks};
use projections::ivr_menus::{ActionShape, Reading};
use reqwest::Url;
use serde_json::{Map, Value, json};

/// An answer is an action with its target.
const MAX_ANSWER: usize = 64 * 1024;

/// Asks over HTTP.
#[derive(Debug, Clone, Copy)]
pub struct HttpStepWebhooks {
    /// Whether private and loopback addresses, and plain `http`, are allowed.
    pub allow_private: bool,
}

/// Why there was no answer.
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

type Answered = (u16, Option<domain::ivr::action::Action>);

impl HttpStepWebhooks {
    async fn post(&self, question: &StepQuestion) -> Result<Answered, Failure> {
        let nothing = || Failure::Other(None);
        let url = Url::parse(&question.url).map_err(|_| nothing())?;
        let plain = url.scheme() == "http" && !self.allow_private;
        let host = url.host_str().filter(|_| !plain).ok_or_else(nothing)?.to_owned();
        let port = url.port_or_known_default().ok_or_else(nothing)?;
        let addresses = self.look_up(host.trim_matches(['[', ']']), port).await.ok_or_else(nothing)?;
        let client = crate::http::client()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(question.timeout + Duration::from_secs(1))
            .resolve_to_addrs(&host, &addresses)
            .user_agent(concat!("voxledger/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|_| nothing())?;
        let request = client
            .post(url)
            .header("content-type", "application/json")
            .header("idempotency-key", question.id.to_string())
            .body(body(question).to_string());
        let mut response = request.send().await.map_err(|_| nothing())?;
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

    async fn look_up(&self, host: &str, port: u16) -> Option<Vec<SocketAddr>> {
        let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await.ok()?.collect();
        let fine = |address: &SocketAddr| self.allow_private || is_public(address.ip());
        (!found.is_empty() && found.iter().all(fine)).then_some(found)
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

/// The action of an answer; nothing in an empty one.
fn read(bytes: &[u8]) -> Result<Option<domain::ivr::action::Action>, ()> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
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

/// Whether an address is one that anybody on the Internet could mean.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            !(ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_broadcast()
                || ip.is_multicast()
                || ip.is_documentation()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && (b == 18 || b == 19)))
        }
        IpAddr::V6(ip) => {
            let [first, second, ..] = ip.segments();
            let mapped = ip
                .to_ipv4_mapped()
                .or_else(|| (first == 0x2002 || first == 0).then(|| ip.to_ipv4()).flatten());
            !(ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_multicast()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
                || first == 0x2002
                || first == 0x0064
                || (first == 0x2001 && (second == 0xdb8 || second == 0))
                || mapped.is_some_and(|ip| !is_public(IpAddr::V4(ip))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_internet_are_reached() {
        for bad in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.3.4",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "ff02::1",
            "2002:7f00:1::",
            "64:ff9b::7f00:1",
            "2001:db8::1",
        ] {
            assert!(!is_public(bad.parse().unwrap()), "{bad}");
        }
        for good in ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111"] {
            assert!(is_public(good.parse().unwrap()), "{good}");
        }
    }

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
