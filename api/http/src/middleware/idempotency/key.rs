//! Reads the idempotency key, and identifies the request it stands for.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderName};
use domain::ids::ClientId;
use domain::ports::idempotency::KeyName;
use sha2::{Digest as _, Sha256};

use crate::auth::Principal;
use crate::problem::ApiError;

/// Header that carries the key.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Older name of the header.
pub const X_IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("x-idempotency-key");

const LONGEST: usize = 255;
const DAY: Duration = Duration::from_secs(86_400);
/// Path of calls, whose keys are kept longer: a call placed twice costs money and rings twice.
const CALLS: &str = "/api/v1/calls";

/// Whether the request carries a key, valid or not.
pub(super) fn is_given(headers: &HeaderMap) -> bool {
    headers.contains_key(IDEMPOTENCY_KEY) || headers.contains_key(X_IDEMPOTENCY_KEY)
}

/// Text of the key, which is not stored. Answers 422 when it is not 1 to 255 visible ASCII characters, or when two
/// different keys are given.
pub(super) fn read(headers: &HeaderMap) -> Result<&[u8], ApiError> {
    let mut given = headers.get_all(IDEMPOTENCY_KEY).chain(headers.get_all(X_IDEMPOTENCY_KEY));
    let fault = |code, detail: &str| ApiError::invalid("Idempotency-Key", code, detail);
    let key = given.next().map(|value| value.as_bytes()).unwrap_or_default();
    if key.is_empty() || key.len() > LONGEST || !key.iter().all(u8::is_ascii_graphic) {
        return Err(fault("invalid", "1 to 255 visible ASCII characters, without spaces"));
    }
    if given.any(|other| other.as_bytes() != key) {
        return Err(fault("contradictory", "the request carries two keys that differ"));
    }
    Ok(key)
}

/// The key as it is stored: by its hash.
pub(super) fn name(client: ClientId, key: &[u8]) -> KeyName {
    KeyName { client, hash: Sha256::digest(key).into() }
}

/// Hash of caller, method, path, content type and body. The same request of another caller in the same client
/// differs: an answer may hold what only its caller may see.
pub(super) fn request_hash(request: &HttpRequest, caller: &Principal, body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    let path = request.uri().path_and_query().map_or("", |path| path.as_str());
    let kind = request.headers().get(CONTENT_TYPE).map(|value| value.as_bytes()).unwrap_or_default();
    // plain names and ids always serialise
    let actor = serde_json::to_vec(&caller.actor()).unwrap_or_default();
    for part in [actor.as_slice(), request.method().as_str().as_bytes(), path.as_bytes(), kind, body] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// How long a key is remembered: 7 days for calls, 1 day for others.
pub(super) fn keep_for(path: &str) -> Duration {
    if path == CALLS { 7 * DAY } else { DAY }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use domain::ids::ApiKeyId;
    use uuid::Uuid;

    use super::*;
    use crate::auth::{Bounds, Scopes, Who};

    fn key_of(headers: &[(&'static str, &str)]) -> Result<String, String> {
        let request = headers.iter().fold(TestRequest::post(), |r, header| r.append_header(*header));
        let request = request.to_http_request();
        assert!(is_given(request.headers()));
        let key = read(request.headers());
        key.map(|key| String::from_utf8_lossy(key).into_owned()).map_err(|error| error.detail().to_owned())
    }

    #[test]
    fn a_key_is_1_to_255_visible_characters_in_either_header_or_the_same_in_both() {
        let longest = "k".repeat(255);
        for (name, key) in
            [("Idempotency-Key", "a"), ("X-Idempotency-Key", "\"~!\""), ("idempotency-key", &longest)]
        {
            assert_eq!(key_of(&[(name, key)]).as_deref(), Ok(key));
        }
        assert_eq!(key_of(&[("Idempotency-Key", "a"), ("X-Idempotency-Key", "a")]).as_deref(), Ok("a"));
        for bad in ["", "a b", "\u{e9}", "a\tb", &"k".repeat(256)] {
            assert!(key_of(&[("Idempotency-Key", bad)]).unwrap_err().contains("visible ASCII"), "{bad:?}");
        }
        for second in ["Idempotency-Key", "X-Idempotency-Key"] {
            let fault = key_of(&[("Idempotency-Key", "a"), (second, "b")]).unwrap_err();
            assert!(fault.contains("two keys"), "{fault}");
        }
    }

    #[test]
    fn a_request_is_its_caller_method_path_query_kind_and_body() {
        let caller = |key| Principal {
            client: ClientId(Uuid::from_u128(1)),
            who: Who::Key { id: ApiKeyId(Uuid::from_u128(key)), bounds: Bounds::default() },
            scopes: Scopes::EVERYTHING,
            platform: false,
        };
        let hash = |caller: Principal, uri, kind: &str, body: &[u8]| {
            let request =
                TestRequest::post().uri(uri).insert_header(("content-type", kind)).to_http_request();
            request_hash(&request, &caller, body)
        };
        let this = hash(caller(1), "/a?b=1", "application/json", b"{}");
        assert_eq!(this, hash(caller(1), "/a?b=1", "application/json", b"{}"));
        let others = [
            hash(caller(2), "/a?b=1", "application/json", b"{}"),
            hash(caller(1), "/a?b=2", "application/json", b"{}"),
            hash(caller(1), "/a", "application/json", b"{}"),
            hash(caller(1), "/a?b=1", "application/jso", b"n{}"),
            hash(caller(1), "/a?b=1", "application/json", b"{ }"),
        ];
        assert!(others.iter().all(|other| *other != this));
        assert_eq!((keep_for("/api/v1/calls"), keep_for("/api/v1/numbers")), (7 * DAY, DAY));
    }
}
