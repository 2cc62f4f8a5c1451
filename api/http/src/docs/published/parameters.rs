//! Gives parameters of the same meaning the same schema.

use serde_json::{Value, json};

use super::node::{operations_mut, reference};
use crate::query::{DEFAULT_LIMIT, MAX_LIMIT};

/// Filters by a closed set: operation, parameter, set, and whether several values may be given with commas.
const FILTERS: [(&str, &str, &str, bool); 22] = [
    ("listCalls", "status", "CallStatus", true),
    ("listCalls", "direction", "CallDirection", false),
    ("listCalls", "end_reason", "CallEndReason", true),
    ("listConversations", "status", "ConversationStatus", false),
    ("listConversations", "channel", "ConversationChannel", false),
    ("listIvrSessions", "status", "IvrSessionStatus", false),
    ("listWebhookDeliveries", "status", "WebhookDeliveryStatus", true),
    ("getAnalyticsTimeseries", "metric", "AnalyticsMetric", false),
    ("getAnalyticsTimeseries", "interval", "AnalyticsInterval", false),
    ("getAnalyticsTimeseries", "group_by", "AnalyticsGrouping", false),
    ("listAgents", "provider", "LlmProvider", false),
    ("listAgents", "status", "AgentStatus", false),
    ("listUsers", "role", "UserRole", false),
    ("getProvider", "kind", "ProviderKind", false),
    ("listProviderEvents", "kind", "ProviderKind", false),
    ("patchProvider", "kind", "ProviderKind", false),
    ("removeProvider", "kind", "ProviderKind", false),
    ("listTransactions", "kind", "TransactionKind", false),
    ("listBillingMatches", "state", "MatchState", false),
    ("listCustomerMemories", "kind", "MemoryKind", false),
    ("listCustomerMemories", "status", "MemoryStatus", false),
    ("listKnowledgeDocuments", "status", "DocumentStatus", false),
];

/// Sets the schema of every parameter.
pub(super) fn settle(document: &mut Value) {
    for (.., operation) in operations_mut(&mut document["paths"]) {
        let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
        let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
        for parameter in parameters.into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap_or_default().to_owned();
            let text = parameter["description"].as_str().unwrap_or_default().to_owned();
            let schema = &mut parameter["schema"];
            // a parameter is present or absent, never `null`
            if let Some(kinds) = schema["type"].as_array()
                && let [kind] = &kinds.iter().filter(|kind| *kind != "null").collect::<Vec<_>>()[..]
            {
                schema["type"] = (*kind).clone();
            }
            if let Some((.., set, several)) =
                FILTERS.iter().find(|(of, filter, ..)| *of == id && *filter == name)
            {
                *schema = match several {
                    true => {
                        json!({"anyOf": [reference(set), {"type": "string", "pattern": "^[a-z_]+( *, *[a-z_]+)*$"}]})
                    }
                    false => reference(set),
                };
                continue;
            }
            match name.as_str() {
                "limit" => {
                    *schema = json!({
                        "type": "integer", "format": "int32", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT,
                    });
                }
                "order" => *schema = json!({"type": "string", "enum": ["asc", "desc"]}),
                "version" if schema["minimum"] != 0 => schema["minimum"] = json!(1),
                "metadata" => schema["additionalProperties"] = json!({"type": "string"}),
                "If-Match" => parameter["example"] = json!("\"3\""),
                _ if text.contains("RFC 3339") => schema["format"] = json!("date-time"),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::node::operations;
    use super::super::published;
    use super::FILTERS;

    #[test]
    fn every_filter_by_a_word_names_its_words() {
        let document = serde_json::to_value(published()).unwrap();
        let mut found = 0;
        for (.., operation) in operations(&document["paths"]) {
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let is_listed = FILTERS
                    .iter()
                    .any(|(of, filter, ..)| operation["operationId"] == *of && parameter["name"] == *filter);
                let text = parameter["schema"].to_string();
                found += usize::from(is_listed && text.contains("#/components/schemas/"));
                let word = ["status", "direction", "channel", "end_reason", "kind", "metric", "order"];
                if word.iter().any(|word| parameter["name"] == *word) {
                    assert!(
                        text.contains("$ref") || text.contains("enum"),
                        "{} {}",
                        operation["operationId"],
                        parameter["name"]
                    );
                }
                assert_ne!(parameter["schema"], Value::Null);
            }
        }
        assert_eq!(found, FILTERS.len());
    }
}
