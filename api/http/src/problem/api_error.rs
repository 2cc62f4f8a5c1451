//! The one error type of handlers.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use domain::json::MAX_NESTING;

use super::code::Code;
use super::fields::FieldError;
use super::schema::Problem;
use crate::context;

/// Why a request is refused. Each constructor below makes one kind.
#[derive(Debug)]
pub struct ApiError {
    code: Code,
    detail: Cow<'static, str>,
    fields: Vec<FieldError>,
    /// Value of `Retry-After`, in whole seconds.
    retry_after: Option<u64>,
    /// Value of `Allow`, for 405.
    allow: Option<String>,
    /// The cause, for the log only.
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl ApiError {
    /// An error with any code and a sentence for the client: lower case, no personal data.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), fields: Vec::new(), retry_after: None, allow: None, source: None }
    }

    /// 404: no such resource, or another client's; the two look alike. `kind` is for example `call` or `number`.
    #[must_use]
    pub fn not_found(kind: &str) -> Self {
        Self::new(Code::NotFound, format!("there is no such {kind}"))
    }

    /// 401: the request carries no key.
    #[must_use]
    pub fn missing_credentials() -> Self {
        Self::new(
            Code::MissingCredentials,
            "send an API key or an access token as `Authorization: Bearer …`, or a key as `X-API-Key: vx_…`",
        )
    }

    /// 401: the text sent is not an API key.
    #[must_use]
    pub fn api_key_malformed() -> Self {
        Self::new(
            Code::ApiKeyMalformed,
            "the text you sent is not an API key: look for a typo or a missing end",
        )
    }

    /// 401: the API key is unknown.
    #[must_use]
    pub fn api_key_unknown() -> Self {
        Self::new(Code::ApiKeyUnknown, "no client has this API key, or it was deleted: use another key")
    }

    /// 401: the API key has expired.
    #[must_use]
    pub fn api_key_expired() -> Self {
        Self::new(Code::ApiKeyExpired, "the API key has expired: use another key")
    }

    /// 401: the API key was revoked.
    #[must_use]
    pub fn api_key_revoked() -> Self {
        Self::new(Code::ApiKeyRevoked, "the API key was revoked: use another key")
    }

    /// 401: the API key is disabled.
    #[must_use]
    pub fn api_key_disabled() -> Self {
        Self::new(Code::ApiKeyDisabled, "the API key is disabled: enable it or use another key")
    }

    /// 401: the access token was not issued by this node; sign in again.
    #[must_use]
    pub fn token_invalid() -> Self {
        Self::new(Code::TokenInvalid, "this node does not accept the access token; sign in again")
    }

    /// 401: the access token has expired; refresh it.
    #[must_use]
    pub fn token_expired() -> Self {
        Self::new(Code::TokenExpired, "the access token has expired; refresh it")
    }

    /// 401: the access token was revoked; sign in again.
    #[must_use]
    pub fn token_revoked() -> Self {
        Self::new(Code::TokenRevoked, "the access token was revoked; sign in again")
    }

    /// 401: no user has this e-mail address together with this password.
    #[must_use]
    pub fn invalid_credentials() -> Self {
        Self::new(Code::InvalidCredentials, "no user has this e-mail address together with this password")
    }

    /// 403: the key lacks `scope`.
    #[must_use]
    pub fn insufficient_scope(scope: &str) -> Self {
        Self::new(Code::InsufficientScope, format!("the request needs the scope `{scope}`"))
    }

    /// 401: the webhook has no signature.
    #[must_use]
    pub fn signature_missing() -> Self {
        Self::new(Code::SignatureMissing, "the webhook carries no signature")
    }

    /// 401: the signature does not match the webhook's bytes.
    #[must_use]
    pub fn signature_invalid() -> Self {
        Self::new(Code::SignatureInvalid, "the signature does not match the body and the timestamp")
    }

    /// 401: the webhook was signed too long ago or in the future.
    #[must_use]
    pub fn signature_stale() -> Self {
        Self::new(Code::SignatureStale, "the timestamp is more than 300 seconds away from this node's clock")
    }

    /// 409: the state of the resource does not allow this.
    pub fn conflict(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Conflict, detail)
    }

    /// 412: the resource has changed since the client read it.
    #[must_use]
    pub fn precondition_failed(version: u64) -> Self {
        Self::new(Code::PreconditionFailed, format!("the resource is at version {version}: read it again"))
    }

    /// 413: the body has more than `limit` bytes.
    #[must_use]
    pub fn payload_too_large(limit: usize) -> Self {
        Self::new(Code::PayloadTooLarge, format!("a body may have at most {limit} bytes"))
    }

    /// 415: the body is not JSON.
    #[must_use]
    pub fn unsupported_media_type() -> Self {
        Self::new(Code::UnsupportedMediaType, "send JSON, with `Content-Type: application/json`")
    }

    /// 415: the body is compressed.
    #[must_use]
    pub fn unsupported_encoding() -> Self {
        Self::new(Code::UnsupportedMediaType, "send the body as it is, without `Content-Encoding`")
    }

    /// 400: the body is not JSON; `at` says where.
    #[must_use]
    pub fn malformed_json(at: &str) -> Self {
        Self::new(Code::MalformedJson, format!("the body is not JSON: {at}"))
    }

    /// 422: the JSON is nested too deeply.
    #[must_use]
    pub fn too_deep() -> Self {
        Self::invalid("body", "too_deep", format!("JSON may nest at most {MAX_NESTING} deep"))
    }

    /// 408: the body arrived too slowly.
    #[must_use]
    pub fn request_timeout() -> Self {
        Self::new(
            Code::RequestTimeout,
            "the body arrived too slowly: repeat the request and send its body at once",
        )
    }

    /// 400: a part of the request outside the body is invalid.
    pub fn malformed_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::MalformedRequest, detail)
    }

    /// 422: these fields are invalid.
    #[must_use]
    pub fn invalid_fields(fields: Vec<FieldError>) -> Self {
        let detail: Cow<'static, str> = match fields.as_slice() {
            [only] => format!("`{}`: {}", only.field, only.detail).into(),
            several => format!("{} fields are at fault, see `errors`", several.len()).into(),
        };
        Self { fields, ..Self::new(Code::InvalidRequest, detail) }
    }

    /// 422: this field is invalid.
    pub fn invalid(field: impl Into<String>, code: &str, detail: impl Into<String>) -> Self {
        Self::invalid_fields(vec![FieldError {
            field: field.into(),
            code: code.to_owned(),
            detail: detail.into(),
        }])
    }

    /// 404: only the first `sealed` events are sealed.
    #[must_use]
    pub fn beyond_tree(sealed: u64) -> Self {
        Self::new(
            Code::BeyondTree,
            format!("only the first {sealed} events are sealed so far: ask about those, or wait a second"),
        )
    }

    /// 404: there is no such path.
    #[must_use]
    pub fn route_not_found() -> Self {
        Self::new(Code::RouteNotFound, "no endpoint has this path: see /docs")
    }

    /// 405: the path takes only the methods `allow`, with commas between them.
    #[must_use]
    pub fn method_not_allowed(allow: String) -> Self {
        let detail = format!("this path takes {allow}");
        Self { allow: Some(allow), ..Self::new(Code::MethodNotAllowed, detail) }
    }

    /// 429: too many requests; the client may retry after `wait`, rounded up to seconds.
    #[must_use]
    pub fn rate_limited(wait: Duration) -> Self {
        Self::new(Code::RateLimited, "too many requests: wait as long as `Retry-After` says")
            .retry_after(wait)
    }

    /// 429: a quota is used up, which the detail names. A retry before `wait` is over is useless.
    pub fn quota_exhausted(detail: impl Into<Cow<'static, str>>, wait: Duration) -> Self {
        Self::new(Code::QuotaExhausted, detail).retry_after(wait)
    }

    /// 503: a queue is full; the client may retry after `wait`, rounded up to seconds.
    #[must_use]
    pub fn overloaded(wait: Duration) -> Self {
        Self::new(Code::Overloaded, "the node has more work than it can take: try again later")
            .retry_after(wait)
    }

    /// 503: something that the node needs is unavailable. The cause goes to the log.
    pub fn unavailable(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(Code::Unavailable, "a store of this node does not answer: try again later")
            .retry_after(Duration::from_secs(1))
            .because(source)
    }

    /// 500: a bug of this program. The cause goes to the log.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(Code::InternalError, "this is a fault of the node: report it with the request id")
            .because(source)
    }

    /// Adds `Retry-After`, rounded up to whole seconds, at least one.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait.as_millis().div_ceil(1000).max(1) as u64);
        self
    }

    /// Adds the cause, for the log only.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// The sentence for the client.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The whole chain of causes on one line, for the log; `None` when there is no cause.
    #[must_use]
    pub fn causes(&self) -> Option<String> {
        let mut cause: Option<&(dyn StdError + 'static)> = self.source.as_deref().map(|s| s as _);
        let mut text = String::new();
        while let Some(error) = cause {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&error.to_string());
            cause = error.source();
        }
        (!text.is_empty()).then_some(text)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.as_str())
    }
}

impl StdError for ApiError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl ApiError {
    /// The value of `WWW-Authenticate` (RFC 6750 §3); `None` where no credential would help.
    fn challenge(&self) -> Option<HeaderValue> {
        const REALM: &str = "Bearer realm=\"voxledger\"";
        let error = match self.code {
            Code::ApiKeyMalformed
            | Code::ApiKeyUnknown
            | Code::ApiKeyExpired
            | Code::ApiKeyRevoked
            | Code::ApiKeyDisabled
            | Code::TokenInvalid
            | Code::TokenExpired
            | Code::TokenRevoked => "invalid_token",
            Code::InsufficientScope => "insufficient_scope",
            _ if self.code.status() == StatusCode::UNAUTHORIZED => {
                return Some(HeaderValue::from_static(REALM));
            }
            _ => return None,
        };
        let plain = |c: &char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
        let detail: String = self.detail.chars().filter(plain).collect();
        let challenge = format!("{REALM}, error=\"{error}\", error_description=\"{detail}\"");
        HeaderValue::try_from(challenge).ok()
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    fn error_response(&self) -> HttpResponse {
        let problem = context::with(|context| Problem {
            type_: format!("{}/docs/errors#{}", context.map_or("", |c| c.public_url()), self.code.as_str()),
            title: self.code.title().to_owned(),
            status: self.code.status().as_u16(),
            code: self.code.as_str().to_owned(),
            detail: self.detail.clone().into_owned(),
            request_id: context.map_or_else(String::new, |c| c.request_id().to_string()),
            errors: self.fields.clone(),
        });
        let mut response = HttpResponse::build(self.code.status());
        response.content_type(HeaderValue::from_static("application/problem+json"));
        if let Some(challenge) = self.challenge() {
            response.insert_header((header::WWW_AUTHENTICATE, challenge));
        }
        if let Some(seconds) = self.retry_after {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        // 408: the rest of the body is not waited for; `unavailable`: behind a balancer that passes connections on, the
        // client's next attempt reaches another node
        if self.code.status() == StatusCode::REQUEST_TIMEOUT || self.code == Code::Unavailable {
            response.force_close();
        }
        if let Some(allow) = &self.allow {
            response.insert_header((header::ALLOW, allow.as_str()));
        }
        // plain strings and numbers always serialise; an empty body would still carry the status
        response.body(serde_json::to_vec(&problem).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody as _;
    use actix_web::http::ConnectionType;
    use serde_json::{Value, json};

    use super::*;

    fn body(error: &ApiError) -> Value {
        serde_json::from_slice(&error.error_response().into_body().try_into_bytes().unwrap()).unwrap()
    }

    #[test]
    fn a_problem_names_its_code_its_page_and_the_fields_at_fault() {
        let error = ApiError::invalid("to", "invalid", "not a phone number");
        assert_eq!(
            body(&error),
            json!({
                "type": "/docs/errors#invalid_request",
                "title": "The request is invalid",
                "status": 422,
                "code": "invalid_request",
                "detail": "`to`: not a phone number",
                "request_id": "",
                "errors": [{"field": "to", "code": "invalid", "detail": "not a phone number"}],
            })
        );
    }

    #[test]
    fn a_wait_is_said_in_whole_seconds_rounded_up() {
        for (wait, seconds) in [(Duration::ZERO, "1"), (Duration::from_millis(1001), "2")] {
            let response = ApiError::overloaded(wait).error_response();
            let sent = response.headers().get(header::RETRY_AFTER).unwrap().to_str().unwrap();
            assert_eq!((response.status().as_u16(), sent), (503, seconds));
        }
    }

    #[test]
    fn a_node_without_its_stores_keeps_no_connection_and_an_overloaded_one_does() {
        let closes =
            |error: ApiError| error.error_response().head().connection_type() == ConnectionType::Close;
        assert!(closes(ApiError::unavailable(std::io::Error::other("away"))));
        // a new connection each would be more work, not less
        assert!(!closes(ApiError::overloaded(Duration::from_secs(1))));
    }

    #[test]
    fn a_cause_goes_to_the_log_and_not_to_the_client() {
        let error = ApiError::internal(std::io::Error::other("disk on fire"));
        assert_eq!(error.causes().as_deref(), Some("disk on fire"));
        assert!(!body(&error).to_string().contains("fire"));
    }
}
