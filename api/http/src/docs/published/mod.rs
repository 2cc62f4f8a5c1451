//! The OpenAPI document as it is published: collected from the handlers, and finished for client generators. What
//! many operations share is added here once.

mod bodies;
mod envelopes;
mod events;
mod headers;
mod node;
mod open_sets;
mod parameters;
mod problems;
mod variants;

use serde::Serialize;
use serde_json::Value;

/// The published document, its parts in reading order.
#[derive(Debug, Serialize)]
pub struct Published {
    openapi: Value,
    info: Value,
    servers: Value,
    security: Value,
    tags: Value,
    paths: Value,
    webhooks: Value,
    components: Value,
}

/// Collects the document and finishes it.
#[must_use]
pub fn published() -> Published {
    let mut document = serde_json::to_value(super::document()).unwrap_or_default();
    envelopes::refer(&mut document);
    events::describe(&mut document);
    variants::discriminate(&mut document);
    bodies::settle(&mut document);
    open_sets::declare(&mut document);
    parameters::settle(&mut document);
    problems::declare(&mut document);
    headers::declare(&mut document);
    node::drop_unused(&mut document);
    let mut part = |name: &str| document[name].take();
    Published {
        openapi: part("openapi"),
        info: part("info"),
        servers: part("servers"),
        security: part("security"),
        tags: part("tags"),
        paths: part("paths"),
        webhooks: part("webhooks"),
        components: part("components"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::node::{operations, reference, walk};
    use super::published;

    fn document() -> Value {
        serde_json::to_value(published()).unwrap()
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_component_is_used() {
        let document = document();
        let mut referred = BTreeSet::new();
        walk(&document, &mut |node| {
            if let Some(target) = node["$ref"].as_str() {
                assert!(document.pointer(target.trim_start_matches('#')).is_some(), "{target}");
                referred.insert(target.to_owned());
            }
        });
        for kind in ["schemas", "responses", "headers"] {
            for name in document["components"][kind].as_object().unwrap().keys() {
                let target = format!("#/components/{kind}/{name}");
                assert!(referred.contains(&target) || document.to_string().contains(&target), "{target}");
            }
        }
    }

    #[test]
    fn names_are_those_of_the_api_and_not_of_its_source() {
        let document = document();
        for name in document["components"]["schemas"].as_object().unwrap().keys() {
            let ours = ["_", "Vec", "BTreeMap", "Enveloped", "Listed", "View", "Body", "Shape"];
            assert!(!ours.iter().any(|part| name.contains(part)), "{name}");
            assert!(name.starts_with(|first: char| first.is_ascii_uppercase()), "{name}");
        }
        walk(&document, &mut |node| {
            let text = node["description"].as_str().unwrap_or_default();
            assert!(!text.contains("::") && !text.contains("[`"), "{text}");
        });
    }

    #[test]
    fn every_answer_is_a_reference_to_what_it_holds() {
        let document = document();
        for (path, method, operation) in operations(&document["paths"]) {
            for (status, response) in operation["responses"].as_object().unwrap() {
                for (kind, content) in response["content"].as_object().into_iter().flatten() {
                    let by_reference = content["schema"]["$ref"].is_string();
                    assert!(by_reference || kind != "application/json", "{method} {path} {status}");
                }
            }
        }
    }

    #[test]
    fn every_operation_names_its_statuses_and_every_status_its_headers() {
        let document = document();
        for (path, method, operation) in operations(&document["paths"]) {
            let responses = operation["responses"].as_object().unwrap();
            assert!(!responses.contains_key("default"), "{method} {path}");
            for (status, response) in responses {
                let response = match response["$ref"].as_str() {
                    Some(target) => document.pointer(target.trim_start_matches('#')).unwrap(),
                    None => response,
                };
                assert!(response["headers"]["X-Request-Id"].is_object(), "{method} {path} {status}");
                let waits = ["429", "503"].contains(&status.as_str()) && path != "/readyz";
                assert_eq!(
                    response["headers"]["Retry-After"].is_object(),
                    waits || status == "409",
                    "{method} {path} {status}"
                );
            }
            let secured = operation["security"] != json!([{}]);
            assert_eq!(
                responses.contains_key("401"),
                secured
                    || ["/auth/", "/telnyx", "/hubspot", "/stripe", "/ultravox"]
                        .iter()
                        .any(|part| path.contains(part)),
                "{method} {path}"
            );
        }
    }

    #[test]
    fn every_tag_is_described_and_every_described_one_used() {
        let document = document();
        let described: BTreeSet<&str> =
            document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
        let mut used = BTreeSet::new();
        for (.., operation) in operations(&document["paths"]) {
            used.extend(operation["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap()));
            assert!(operation["description"].is_string(), "{}", operation["operationId"]);
        }
        assert_eq!(described, used);
    }

    #[test]
    fn the_words_of_growing_sets_are_listed_and_answers_may_hold_others() {
        let document = document();
        let schemas = &document["components"]["schemas"];
        let set = |name: &str| schemas[name]["enum"].as_array().unwrap().len();
        assert_eq!(set("ProblemCode"), crate::problem::Code::ALL.len());
        assert_eq!(set("PublicEventType"), domain::webhook::public::PUBLIC_TYPES.len());
        let open = |name: &str| json!([reference(name), {"type": "string"}]);
        assert_eq!(schemas["Problem"]["properties"]["code"]["anyOf"], open("ProblemCode"));
        let events = |schema: &str| schemas[schema]["properties"]["events"]["items"].clone();
        assert_eq!(events("WebhookEndpoint")["anyOf"], open("WebhookEventFilter"));
        for request in ["NewWebhook", "WebhookPatch", "WebhookReplay"] {
            assert_eq!(events(request), reference("WebhookEventFilter"), "{request}");
        }
        for answer in ["WebhookDelivery", "WebhookAttempt"] {
            let event = &schemas[answer]["properties"]["event"]["anyOf"];
            assert_eq!(*event, open("DeliveredEventType"), "{answer}");
        }
    }

    #[test]
    fn every_public_event_is_a_webhook_with_its_own_body() {
        let document = document();
        for kind in domain::webhook::public::PUBLIC_TYPES {
            let body = &document["webhooks"][kind.name]["post"]["requestBody"]["content"]["application/json"]
                ["schema"];
            let target = body["$ref"].as_str().unwrap();
            let schema = document.pointer(target.trim_start_matches('#')).unwrap();
            assert_eq!(schema["properties"]["type"]["const"], kind.name);
            let all = &document["components"]["schemas"]["PublicEvent"];
            assert_eq!(all["discriminator"]["mapping"][kind.name], target);
        }
    }
}
