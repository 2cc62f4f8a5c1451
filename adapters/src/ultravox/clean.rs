//! Removes what must not be kept or shown from Ultravox's JSON: its call objects hold secrets of ours and join URLs.

use serde_json::Value;

/// Stands in place of what was removed.
const REMOVED: &str = "[removed]";
/// Fields whose value is a secret wherever they stand, in lower case.
const SECRETS: [&str; 12] = [
    "joinurl",
    "secrets",
    "secret",
    "webhooksecret",
    "sharedsecrets",
    "authtokens",
    "authtoken",
    "apikey",
    "password",
    "headers",
    "websocketurl",
    "staticparameters",
];

/// The JSON with secrets replaced by `[removed]`; everything else stays, also what nobody knows.
#[must_use]
pub fn without_secrets(mut value: Value) -> Value {
    clean(&mut value);
    value
}

fn clean(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let secret = SECRETS.contains(&name.to_ascii_lowercase().as_str());
                match value {
                    Value::Null => {}
                    value if secret => *value = Value::String(REMOVED.to_owned()),
                    value => clean(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(clean),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_go_at_any_depth_and_the_rest_stays() {
        let call = json!({
            "callId": "1", "joinUrl": "wss://voice.example/secret", "brandNew": [{"x": 1}],
            "callbacks": {"ended": {"url": "https://node.example/hook", "secrets": ["s3cr3t"]}},
            "dataConnectionConfig": {"websocketUrl": "wss://x/token", "headers": {"Authorization": "y"}},
            "medium": {"sip": {"outgoing": {"to": "sip:a@b", "password": "p"}}},
        });
        let cleaned = without_secrets(json!({"event": "call.ended", "call": call}));
        let text = cleaned.to_string();
        for secret in ["wss://", "s3cr3t", "Authorization", "\"p\""] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        assert_eq!(cleaned["call"]["brandNew"][0]["x"], 1);
        assert_eq!(cleaned["call"]["callbacks"]["ended"]["url"], "https://node.example/hook");
        assert_eq!(without_secrets(json!({"joinUrl": null})), json!({"joinUrl": null}));
    }
}
