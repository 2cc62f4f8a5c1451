//! Copies of agents at Ultravox: how ours are written there, found again, and compared.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::agent::sync::{Difference, MAX_DIFFERENCES, MAX_SHOWN};
use domain::ports::hosted::{HostedAgent, HostedTool, RemoteAgent};
use domain::ports::telephony::{CarrierError, RefusedBecause};
use domain::tool::AuthKind;
use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::clean::without_secrets;
use super::client::{Answer, Ask, UltravoxClient, harmless, refusal};
use super::event::{milliseconds, word};

/// Characters of our name that fit before our id: theirs has at most 64.
const NAME: usize = 30;
/// Longest timeout of a tool there, in milliseconds.
const LONGEST_TOOL: u128 = 40_000;
/// How long the agent waits for somebody to speak first, after which it does. On a phone call the first words of whoever
/// speaks at once are lost.
const FIRST_WORDS: &str = "2s";
/// What is written and never compared: it is secret, and not shown there.
const UNSEEN: [&str; 2] = ["authTokens", "staticParameters"];

impl UltravoxClient {
    /// Looks for the copy of an agent by our id in its name.
    pub async fn find_agent(&self, agent: &HostedAgent) -> Result<Option<RemoteAgent>, CarrierError> {
        let ask =
            Ask { name: "list_agents", template: "/api/agents", method: Method::GET, path: &["agents"] };
        let mark = mark(agent);
        let ours = self.written(agent)?;
        let named = |there: &&Value| there["name"].as_str().is_some_and(|name| name.ends_with(&mark));
        let its_copy = |there: &Value| Some(there).filter(named).and_then(|there| remote(there, &ours));
        let filter = [("search", agent.id.to_string())];
        match self.find(&ask, &filter, its_copy).await? {
            // what a search compares is not documented: a second copy would be worse than a long list
            None => self.find(&ask, &[], its_copy).await,
            found => Ok(found),
        }
    }

    /// Reads a copy; `None` where it is not known.
    pub async fn read_agent(
        &self,
        remote_id: &str,
        agent: &HostedAgent,
    ) -> Result<Option<RemoteAgent>, CarrierError> {
        let path = ["agents", remote_id];
        let ask =
            Ask { name: "get_agent", template: "/api/agents/{agent_id}", method: Method::GET, path: &path };
        let answer = self.ask(ask, None).await.map_err(harmless)?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => {
                let there = answer.json().map_err(harmless)?;
                Ok(remote(&there, &self.written(agent)?))
            }
            _ => Err(refusal(&answer)),
        }
    }

    pub async fn create_agent(&self, agent: &HostedAgent) -> Result<RemoteAgent, CarrierError> {
        let ask =
            Ask { name: "create_agent", template: "/api/agents", method: Method::POST, path: &["agents"] };
        let answer = self.ask(ask, Some(&self.written(agent)?)).await?;
        settled(&answer)
    }

    pub async fn update_agent(
        &self,
        remote_id: &str,
        agent: &HostedAgent,
    ) -> Result<RemoteAgent, CarrierError> {
        let path = ["agents", remote_id];
        let ask = Ask {
            name: "patch_agent",
            template: "/api/agents/{agent_id}",
            method: Method::PATCH,
            path: &path,
        };
        // written twice it is the same
        let answer = self.ask(ask, Some(&self.written(agent)?)).await.map_err(harmless)?;
        settled(&answer)
    }

    /// Deletes a copy; one that is gone is no error.
    pub async fn delete_agent(&self, remote_id: &str) -> Result<(), CarrierError> {
        let path = ["agents", remote_id];
        let ask = Ask {
            name: "delete_agent",
            template: "/api/agents/{agent_id}",
            method: Method::DELETE,
            path: &path,
        };
        let answer = self.ask(ask, None).await.map_err(harmless)?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(()),
            status if status.is_success() => Ok(()),
            _ => Err(refusal(&answer)),
        }
    }

    /// The agent as it is written there. Fails for a text that would be filled in as a template.
    fn written(&self, agent: &HostedAgent) -> Result<Value, CarrierError> {
        let texts =
            std::iter::once(&agent.system_prompt).chain(agent.tools.iter().map(|tool| &tool.description));
        if texts.into_iter().any(|text| text.contains("{{")) {
            let title = "ultravox fills in what stands in double braces: write it without them".to_owned();
            let (because, code) = (RefusedBecause::Settings, "double_braces".to_owned());
            return Err(CarrierError::Refused { because, status: 422, code, title });
        }
        let first = match &agent.greeting {
            Some(greeting) => json!({"user": {"fallback": {"delay": FIRST_WORDS, "text": greeting}}}),
            None => json!({"user": {}}),
        };
        let mut template = json!({
            "systemPrompt": agent.system_prompt, "firstSpeakerSettings": first, "recordingEnabled": false,
            "selectedTools": agent.tools.iter().map(selected).collect::<Vec<_>>(),
        });
        if let Some(permille) = agent.temperature_permille {
            // there it goes up to 1
            template["temperature"] = json!(f64::from(permille.min(1_000)) / 1_000.0);
        }
        if let Some(voice) = &agent.voice {
            template["voice"] = json!(voice);
        }
        if let Some(model) = &self.config.model {
            template["model"] = json!(model);
        }
        let name: String = agent.name.chars().take(NAME).collect();
        Ok(json!({"name": format!("{} {}", name.trim(), mark(agent)), "callTemplate": template}))
    }
}

/// Ends the name of every copy, so that it is found again.
fn mark(agent: &HostedAgent) -> String {
    format!("[{}]", agent.id)
}

fn settled(answer: &Answer) -> Result<RemoteAgent, CarrierError> {
    if !answer.status.is_success() {
        return Err(refusal(answer));
    }
    let there = answer.json()?;
    let unreadable = || CarrierError::Unknown { reason: "ultravox named no agent".to_owned() };
    remote(&there, &Value::Null).ok_or_else(unreadable)
}

fn remote(there: &Value, ours: &Value) -> Option<RemoteAgent> {
    let mut differences = Vec::new();
    compare(ours, Some(there), String::new(), &mut differences);
    differences.truncate(MAX_DIFFERENCES);
    let revision = word(&there["publishedRevisionId"]);
    Some(RemoteAgent { remote_id: word(&there["agentId"])?, revision, differences })
}

/// Notes where `theirs` lacks or changes something of `ours`; what they add is their default.
fn compare(ours: &Value, theirs: Option<&Value>, path: String, found: &mut Vec<Difference>) {
    let missing = theirs.is_none_or(Value::is_null);
    let same = match (ours, theirs) {
        (Value::Null, _) => true,
        (Value::Object(fields), Some(Value::Object(of))) => {
            for (name, value) in fields.iter().filter(|(name, _)| !UNSEEN.contains(&name.as_str())) {
                let dot = if path.is_empty() { "" } else { "." };
                compare(value, of.get(name), format!("{path}{dot}{name}"), found);
            }
            true
        }
        (Value::Array(items), Some(Value::Array(of))) if items.len() == of.len() => {
            for (n, (item, theirs)) in items.iter().zip(of).enumerate() {
                compare(item, Some(theirs), format!("{path}[{n}]"), found);
            }
            true
        }
        (Value::Bool(false), _) if missing => true,
        (Value::Array(items), _) if missing => items.is_empty(),
        (Value::Object(fields), _) if missing => fields.is_empty(),
        (Value::Number(one), Some(Value::Number(other))) => one.as_f64() == other.as_f64(),
        (Value::String(one), Some(Value::String(other))) => {
            one == other || milliseconds(one).is_some_and(|ms| milliseconds(other) == Some(ms))
        }
        (ours, theirs) => theirs == Some(ours),
    };
    if !same && found.len() < MAX_DIFFERENCES {
        let shown = |value: &Value| -> String {
            without_secrets(value.clone()).to_string().chars().take(MAX_SHOWN).collect()
        };
        found.push(Difference {
            field: path,
            ours: shown(ours),
            theirs: theirs.filter(|_| !missing).map(shown),
        });
    }
}

/// A tool as the agent's template holds it.
fn selected(tool: &HostedTool) -> Value {
    let place = if tool.method.in_query() { "PARAMETER_LOCATION_QUERY" } else { "PARAMETER_LOCATION_BODY" };
    let required = tool.parameters["required"].as_array().cloned().unwrap_or_default();
    let properties = tool.parameters["properties"].as_object().cloned().unwrap_or_default();
    let dynamic = properties.into_iter().map(|(name, schema)| {
        let needed = required.contains(&json!(name));
        json!({"name": name, "location": place, "schema": schema, "required": needed})
    });
    let mut definition = json!({
        "modelToolName": tool.name, "description": tool.description, "dynamicParameters": dynamic.collect::<Vec<_>>(),
        "timeout": format!("{}s", seconds(tool.timeout.as_millis().min(LONGEST_TOOL))),
        "http": {"baseUrlPattern": tool.url, "httpMethod": tool.method.as_str()},
    });
    let fixed = tool
        .headers
        .iter()
        .map(|(name, value)| json!({"name": name, "location": "PARAMETER_LOCATION_HEADER", "value": value}));
    let fixed: Vec<Value> = fixed.collect();
    if !fixed.is_empty() {
        definition["staticParameters"] = json!(fixed);
    }
    let mut selected = Map::new();
    if let (Some((option, token)), true) = (security(tool), tool.auth != AuthKind::None) {
        definition["requirements"] =
            json!({"httpSecurityOptions": {"options": [{"requirements": {"tool": option}}]}});
        selected.insert("authTokens".to_owned(), json!({"tool": token}));
    }
    selected.insert("temporaryTool".to_owned(), definition);
    Value::Object(selected)
}

fn seconds(ms: u128) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

/// How the tool is authenticated, and with what.
fn security(tool: &HostedTool) -> Option<(Value, String)> {
    let (secret, name) = (tool.auth_secret.clone()?, tool.auth_name.clone().unwrap_or_default());
    match tool.auth {
        AuthKind::None => None,
        AuthKind::Bearer => Some((json!({"httpAuth": {"scheme": "Bearer"}}), secret)),
        AuthKind::Basic => {
            Some((json!({"httpAuth": {"scheme": "Basic"}}), STANDARD.encode(format!("{name}:{secret}"))))
        }
        AuthKind::ApiKey => Some((json!({"headerApiKey": {"name": name}}), secret)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use domain::ids::AgentId;
    use domain::tool::ToolMethod;
    use uuid::Uuid;

    use super::super::client::UltravoxConfig;
    use super::*;

    fn agent() -> HostedAgent {
        HostedAgent {
            id: AgentId(Uuid::from_u128(7)),
            name: "A very long name of an agent that does not fit".to_owned(),
            system_prompt: "You answer the phone.".to_owned(),
            temperature_permille: Some(1_400),
            greeting: Some("Hello.".to_owned()),
            voice: Some("Mark".to_owned()),
            tools: vec![HostedTool {
                name: "find_booking".to_owned(),
                description: "Looks a booking up".to_owned(),
                parameters: json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}),
                url: "https://clinic.example/bookings".to_owned(),
                method: ToolMethod::Post,
                timeout: Duration::from_millis(60_500),
                headers: vec![("x-team".to_owned(), "h34der".to_owned())],
                auth: AuthKind::Bearer,
                auth_name: None,
                auth_secret: Some("t0ken".to_owned()),
            }],
        }
    }

    fn written(agent: &HostedAgent) -> Result<Value, CarrierError> {
        let config = UltravoxConfig::new("https://api.ultravox.ai", "key");
        let clock = Arc::new(crate::clock::SystemClock);
        UltravoxClient::new(config, clock, Arc::default()).unwrap().written(agent)
    }

    #[test]
    fn an_agent_is_written_with_its_tools_within_their_limits() {
        let ours = written(&agent()).unwrap();
        let name = ours["name"].as_str().unwrap();
        assert!(name.chars().count() <= 64 && name.ends_with(&format!("[{}]", agent().id)), "{name}");
        let template = &ours["callTemplate"];
        assert_eq!(template["temperature"], 1.0);
        assert_eq!(template["firstSpeakerSettings"]["user"]["fallback"]["text"], "Hello.");
        let tool = &template["selectedTools"][0];
        assert_eq!(tool["authTokens"], json!({"tool": "t0ken"}));
        let definition = &tool["temporaryTool"];
        assert_eq!(
            (&definition["timeout"], &definition["http"]["httpMethod"]),
            (&json!("40.000s"), &json!("POST"))
        );
        let parameter = json!({"name": "n", "location": "PARAMETER_LOCATION_BODY", "schema": {"type": "integer"}, "required": true});
        assert_eq!(definition["dynamicParameters"], json!([parameter]));
        let option = &definition["requirements"]["httpSecurityOptions"]["options"][0]["requirements"]["tool"];
        assert_eq!(option, &json!({"httpAuth": {"scheme": "Bearer"}}));
    }

    #[test]
    fn what_would_be_filled_in_as_a_template_is_refused() {
        let braces = HostedAgent { system_prompt: "Hello {{name}}".to_owned(), ..agent() };
        assert!(
            matches!(written(&braces), Err(CarrierError::Refused { code, .. }) if code == "double_braces")
        );
    }

    #[test]
    fn a_comparison_shows_what_was_edited_and_no_secret() {
        let ours = written(&agent()).unwrap();
        let differences = |change: fn(&mut Value)| {
            // there is more than was written, and secrets are not shown
            let mut there = ours.clone();
            there["agentId"] = json!("3a4f2b1c");
            there["callTemplate"]["joinTimeout"] = json!("30s");
            there["callTemplate"]["selectedTools"][0]["authTokens"] = json!({"tool": null});
            there["callTemplate"]["selectedTools"][0]["temporaryTool"]["timeout"] = json!("40s");
            change(&mut there);
            remote(&there, &ours).unwrap().differences
        };
        assert_eq!(differences(|_| {}), []);
        let edited = differences(|there| {
            there["callTemplate"]["systemPrompt"] = json!("You sell.");
            there["callTemplate"]["voice"] = Value::Null;
            there["callTemplate"]["selectedTools"] = json!([]);
        });
        let fields: Vec<&str> = edited.iter().map(|difference| difference.field.as_str()).collect();
        assert_eq!(fields, ["callTemplate.selectedTools", "callTemplate.systemPrompt", "callTemplate.voice"]);
        assert_eq!(edited[1].theirs.as_deref(), Some("\"You sell.\""));
        let text = format!("{edited:?}");
        assert!(!text.contains("t0ken") && !text.contains("h34der"), "{text}");
    }
}
