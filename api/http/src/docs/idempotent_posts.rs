//! Documents `Idempotency-Key` for all POST operations at once. Operations without credentials do not take it: a
//! key belongs to a client, a carrier's webhook has an id of its own, and each sign-in gives new tokens.

use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{HeaderBuilder, OpenApi, RefOr, Required};

use crate::middleware::{IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED};

const KEY: &str = "Makes it safe to repeat the request: the same key with the same request gets the answer of the first \
one, byte for byte (including its `meta.request_id`), and nothing is done twice. A request that was refused before it \
did anything leaves the key free: correct the request and send it with the same key. Choose 1 to 255 visible ASCII \
characters, a new key for each new request. The node keeps a key for 24 hours, for 7 days when a call is placed. \
The key with a different request is answered 409 `idempotency_key_reused`; while the first request is running, 409 \
`idempotency_in_progress`. `X-Idempotency-Key` means the same.";
const REPLAYED: &str = "`true` when this repeats the answer to an earlier request with the same key";

/// Adds the request header to every POST, and the replay header to its successful answers.
pub(super) fn describe(document: &mut OpenApi) {
    for item in document.paths.paths.values_mut() {
        if let Some(post) = item.post.as_mut().filter(|post| is_touched(post)) {
            take_key(post);
        }
    }
}

fn is_touched(post: &Operation) -> bool {
    !post.security.iter().flatten().any(|needed| *needed == SecurityRequirement::default())
}

fn take_key(post: &mut Operation) {
    let text = || ObjectBuilder::new().schema_type(SchemaType::new(Type::String));
    let key = ParameterBuilder::new()
        .name(capitals(IDEMPOTENCY_KEY.as_str()))
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(KEY))
        .schema(Some(text().min_length(Some(1)).max_length(Some(255))))
        .build();
    post.parameters.get_or_insert_default().push(key);
    let replayed =
        HeaderBuilder::new().description(Some(REPLAYED)).schema(text().enum_values(Some(["true"]))).build();
    for (status, response) in &mut post.responses.responses {
        if let (true, RefOr::T(response)) = (status.starts_with('2'), response) {
            response.headers.insert(capitals(IDEMPOTENT_REPLAYED.as_str()), replayed.clone());
        }
    }
}

/// Spells `idempotency-key` as `Idempotency-Key`.
fn capitals(name: &str) -> String {
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::document;

    #[test]
    fn every_post_with_credentials_takes_a_key_and_tells_a_replay() {
        let document = serde_json::to_value(document()).unwrap();
        let (mut with, mut without) = (0, 0);
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
                let takes = parameters.iter().filter(|p| p["name"] == "Idempotency-Key").count();
                let expected = method == "post" && operation["security"] != json!([{}]);
                assert_eq!(takes, usize::from(expected), "{method} {path}");
                let (mut successes, mut tell) = (0, 0);
                for (status, response) in operation["responses"].as_object().unwrap() {
                    successes += usize::from(status.starts_with('2'));
                    tell += usize::from(response["headers"]["Idempotent-Replayed"] != Value::Null);
                }
                assert_eq!(tell, if expected { successes } else { 0 }, "{method} {path}");
                *(if expected { &mut with } else { &mut without }) += 1;
            }
        }
        assert!(with >= 6 && without > 10, "{with} {without}");
    }
}
