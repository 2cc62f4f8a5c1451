//! Calls of Ultravox's, behind the port of carriers.

use async_trait::async_trait;
use domain::call::report::{CarrierReport, FoundRecording, LegRef, LegTag};
use domain::envelope::Time;
use domain::ids::ClientId;
use domain::personal::Personal;
use domain::ports::telephony::{
    CarrierError, Dial, LegAction, LegCommand, LegState, MessagePage, RefusedBecause, Telephony,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::client::{Answer, Ask, Medium, UltravoxClient, harmless, next_cursor, refusal};
use super::event::{CALL_KEY, CLIENT_KEY, UltravoxEvent, leg, message, parse, report, tag, word};
use super::{PROVIDER, UNKNOWN_CALL};

impl UltravoxClient {
    /// Calls somebody with the copy of an agent. Without an idempotency key at Ultravox, a lost answer is looked for by
    /// our ids in the call's metadata, and the request never sent again.
    pub async fn create_call(&self, remote_agent: &str, dial: &Dial) -> Result<LegRef, CarrierError> {
        let body = self.call_body(dial)?;
        let (template, path) = ("/api/agents/{agent_id}/calls", ["agents", remote_agent, "calls"]);
        let ask = Ask { name: "create_call", template, method: Method::POST, path: &path };
        let answer = self.ask(ask, Some(&body)).await?;
        if !answer.status.is_success() {
            return Err(refusal(&answer));
        }
        // 2xx without a readable id: the call was placed
        let call = answer.json()?;
        let unreadable = || CarrierError::Unknown { reason: "ultravox named no call".to_owned() };
        word(&call["callId"]).map(|id| leg(&id)).ok_or_else(unreadable)
    }

    fn call_body(&self, dial: &Dial) -> Result<Value, CarrierError> {
        let mut body = json!({
            "metadata": {CLIENT_KEY: dial.tag.client.to_string(), CALL_KEY: dial.tag.call.to_string()},
            "medium": self.medium(dial)?,
            "joinTimeout": format!("{}s", dial.ring_timeout.as_secs().max(1)),
            "maxDuration": format!("{}s", dial.max_duration.as_secs().max(1)),
            // nothing here fetches it
            "recordingEnabled": false,
        });
        if let Some(callbacks) = &self.config.callbacks {
            let hook = json!({"url": callbacks.url, "secrets": [callbacks.secret]});
            body["callbacks"] = json!({"joined": hook, "ended": hook, "billed": hook});
        }
        Ok(body)
    }

    fn medium(&self, dial: &Dial) -> Result<Value, CarrierError> {
        let to = reveal(&dial.to)?.as_str();
        let from = match &dial.from {
            Some(from) => reveal(from)?,
            None => self.config.caller_id.as_ref().ok_or_else(|| unusable("no_caller_id"))?,
        };
        let is_uri = to.starts_with("sip:") || to.starts_with("sips:");
        let (medium, to) = match (self.config.medium, &self.config.sip_gateway) {
            _ if is_uri => (Medium::Sip, to.to_owned()),
            (Medium::Sip, Some(gateway)) => (Medium::Sip, format!("sip:{to}@{gateway}")),
            (Medium::Sip, None) => return Err(unusable("no_sip_gateway")),
            (medium, _) => (medium, to.to_owned()),
        };
        Ok(json!({medium.as_str(): {"outgoing": {"to": to, "from": from.as_str()}}}))
    }

    /// The call as it is now; `None` where it is not known.
    async fn call(&self, call_id: &str) -> Result<Option<Value>, CarrierError> {
        let path = ["calls", call_id];
        let ask =
            Ask { name: "get_call", template: "/api/calls/{call_id}", method: Method::GET, path: &path };
        let answer = self.ask(ask, None).await.map_err(harmless)?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => answer.json().map(Some).map_err(harmless),
            _ => Err(refusal(&answer)),
        }
    }

    /// A message to a call under way.
    async fn send_message(&self, call_id: &str, body: &Value) -> Result<(), CarrierError> {
        let path = ["calls", call_id, "send_data_message"];
        let template = "/api/calls/{call_id}/send_data_message";
        let ask = Ask { name: "send_data_message", template, method: Method::POST, path: &path };
        let answer: Answer = self.ask(ask, Some(body)).await?;
        match answer.status {
            status if status.is_success() => Ok(()),
            StatusCode::NOT_FOUND => Err(CarrierError::Gone { code: UNKNOWN_CALL.to_owned() }),
            // the call is not live: not joined yet, or over
            StatusCode::UNPROCESSABLE_ENTITY => match self.call(call_id).await? {
                Some(call) if call["ended"].is_null() => {
                    Err(CarrierError::NotReady { code: "not_joined".to_owned() })
                }
                _ => Err(CarrierError::Gone { code: "ended".to_owned() }),
            },
            StatusCode::TOO_EARLY => Err(CarrierError::NotReady { code: "too_early".to_owned() }),
            _ => Err(refusal(&answer)),
        }
    }
}

#[async_trait]
impl Telephony for UltravoxClient {
    fn provider(&self) -> &'static str {
        PROVIDER
    }

    fn drops_repeats(&self) -> bool {
        false
    }

    async fn may_dial(&self, _: &Dial) -> Result<(), CarrierError> {
        self.may_create_call()
    }

    /// Fails: only with the copy of an agent is a call placed, by [`UltravoxClient::create_call`].
    async fn dial(&self, _: &Dial) -> Result<LegRef, CarrierError> {
        Err(unusable("no_agent"))
    }

    async fn command(&self, command: &LegCommand) -> Result<(), CarrierError> {
        let body = match &command.action {
            LegAction::HangUp => json!({"type": "hang_up"}),
            LegAction::Speak { text } => json!({
                "type": "forced_agent_message", "content": reveal(text)?, "toolCalls": [], "uninterruptible": true,
                "urgency": "immediate",
            }),
            // the runtime's own tools do these
            _ => return Err(unusable("not_at_ultravox")),
        };
        self.send_message(&command.control_id, &body).await
    }

    async fn leg_state(&self, _: ClientId, control_id: &str) -> Result<LegState, CarrierError> {
        let call = self.call(control_id).await?;
        Ok(if call.is_some_and(|call| call["ended"].is_null()) { LegState::Alive } else { LegState::Gone })
    }

    async fn read_call(&self, _: ClientId, control_id: &str) -> Result<Option<CarrierReport>, CarrierError> {
        let call = self.call(control_id).await?;
        Ok(call.and_then(|call| report(&call, "call.read", self.clock.now())))
    }

    async fn read_messages(
        &self,
        _: ClientId,
        control_id: &str,
        began: Time,
        cursor: Option<String>,
    ) -> Result<Option<MessagePage>, CarrierError> {
        let (template, path) = ("/api/calls/{call_id}/messages", ["calls", control_id, "messages"]);
        let ask = Ask { name: "list_messages", template, method: Method::GET, path: &path };
        let mut query = vec![("mode", "in_call".to_owned()), ("pageSize", "50".to_owned())];
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        let answer = self.ask_with(ask, &query, None).await.map_err(harmless)?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::TOO_EARLY => Err(CarrierError::NotReady { code: "too_early".to_owned() }),
            status if status.is_success() => {
                let page = answer.json().map_err(harmless)?;
                let messages = page["results"].as_array().into_iter().flatten();
                let reports = messages.filter_map(|said| message(said, control_id, began)).collect();
                Ok(Some(MessagePage { reports, next: next_cursor(&page) }))
            }
            _ => Err(refusal(&answer)),
        }
    }

    async fn find_leg(&self, wanted: &LegTag) -> Result<Option<LegRef>, CarrierError> {
        let ask = Ask { name: "list_calls", template: "/api/calls", method: Method::GET, path: &["calls"] };
        let filter = [("metadata.voxledger_call", wanted.call.to_string()), ("sort", "-created".to_owned())];
        // the tag is compared: a filter that is not known there would show all calls
        let ours = |call: &Value| word(&call["callId"]).filter(|_| tag(call).as_ref() == Some(wanted));
        let found = self.find(&ask, &filter, |call| ours(call)).await?;
        Ok(found.map(|call_id| leg(&call_id)))
    }

    async fn read_webhook(
        &self,
        _: ClientId,
        raw: &[u8],
        received_at: Time,
    ) -> Result<Option<CarrierReport>, CarrierError> {
        Ok(match parse(raw, received_at) {
            Ok(UltravoxEvent::Report(report)) => Some(*report),
            Ok(UltravoxEvent::Unread { .. }) | Err(_) => None,
        })
    }

    async fn find_recording(&self, _: ClientId, _: &str) -> Result<Option<FoundRecording>, CarrierError> {
        Ok(None)
    }

    async fn delete_recording(&self, _: ClientId, _: &str) -> Result<(), CarrierError> {
        Ok(())
    }
}

fn unusable(code: &str) -> CarrierError {
    let title = "ultravox cannot be asked for this".to_owned();
    CarrierError::Refused { because: RefusedBecause::Settings, status: 422, code: code.to_owned(), title }
}

fn reveal<T>(value: &Personal<T>) -> Result<&T, CarrierError> {
    value.reveal().ok_or_else(|| unusable("erased"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use domain::agent::AgentRuntime;
    use domain::call::report::LegRole;
    use domain::ids::CallId;
    use domain::phone::Party;
    use uuid::Uuid;

    use super::super::client::UltravoxConfig;
    use super::*;

    fn medium(change: impl FnOnce(&mut UltravoxConfig), to: &str) -> Result<Value, CarrierError> {
        let mut config = UltravoxConfig::new("https://api.ultravox.ai", "key");
        config.caller_id = Some(Party::new("+12025550100"));
        change(&mut config);
        let client =
            UltravoxClient::new(config, Arc::new(crate::clock::SystemClock), Arc::default()).unwrap();
        let id = Uuid::from_u128(1);
        let tag = LegTag { client: ClientId(id), call: CallId(id), role: LegRole::Main };
        let (ring_timeout, max_duration) = (Duration::from_secs(30), Duration::from_secs(900));
        let to = Personal::new(Party::new(to));
        let (runtime, agent) = (AgentRuntime::Ultravox, None);
        client.medium(&Dial {
            command_id: id,
            tag,
            to,
            from: None,
            ring_timeout,
            max_duration,
            record: false,
            transcribe: true,
            runtime,
            agent,
        })
    }

    #[test]
    fn a_number_is_called_through_the_accounts_carrier_and_a_sip_uri_directly() {
        let number = "+12025550123";
        let to = |medium: &str, to: &str| json!({medium: {"outgoing": {"to": to, "from": "+12025550100"}}});
        assert_eq!(medium(|_| {}, number), Ok(to("telnyx", number)));
        assert_eq!(medium(|config| config.medium = Medium::Twilio, number), Ok(to("twilio", number)));
        assert_eq!(medium(|_| {}, "sip:desk@pbx.example"), Ok(to("sip", "sip:desk@pbx.example")));
        let trunk = |config: &mut UltravoxConfig| {
            (config.medium, config.sip_gateway) = (Medium::Sip, Some("trunk.example".to_owned()));
        };
        assert_eq!(medium(trunk, number), Ok(to("sip", "sip:+12025550123@trunk.example")));
        assert!(medium(|config| config.medium = Medium::Sip, number).is_err());
        assert!(medium(|config| config.caller_id = None, number).is_err());
    }
}
