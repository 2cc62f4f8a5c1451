//! Strict JSON bodies, with precise errors.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpRequest};
use bytes::Bytes;
use domain::json::{MAX_NESTING, nesting};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::body_shapes;
use super::raw_body::{RawBody, ReadBody};
use crate::problem::ApiError;

/// A JSON body. `T` must deny unknown fields (`#[serde(deny_unknown_fields)]`), so that a typo answers 422
/// instead of being ignored.
#[derive(Debug)]
pub struct JsonBody<T> {
    pub value: T,
    /// Bytes of the body as they were sent.
    pub bytes: Bytes,
}

impl<T: DeserializeOwned> FromRequest for JsonBody<T> {
    type Error = ApiError;
    type Future = ReadJson<T>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let declared = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        ReadJson {
            body: ReadBody::begin(request, payload),
            is_json: declared.is_some_and(is_json),
            request: request.clone(),
            kind: PhantomData,
        }
    }
}

#[derive(Debug)]
pub struct ReadJson<T> {
    body: ReadBody,
    is_json: bool,
    request: HttpRequest,
    kind: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Future for ReadJson<T> {
    type Output = Result<JsonBody<T>, ApiError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if !this.is_json {
            return Poll::Ready(Err(ApiError::unsupported_media_type()));
        }
        let RawBody(bytes) = ready!(Pin::new(&mut this.body).poll(cx))?;
        Poll::Ready(from_json(&this.request, &bytes).map(|value| JsonBody { value, bytes }))
    }
}

fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
        || (kind.len() > 5 && kind.is_char_boundary(kind.len() - 5))
            && kind[..kind.len() - 5].starts_with("application/")
            && kind[kind.len() - 5..].eq_ignore_ascii_case("+json")
}

/// Reads JSON and names the field at fault. Answers 400 when it is not JSON, 422 when it does not match `T`
/// or nests too deep.
pub fn from_json<T: DeserializeOwned>(request: &HttpRequest, bytes: &[u8]) -> Result<T, ApiError> {
    // a byte order mark has no meaning in UTF-8 (RFC 8259 §8.1)
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if nesting(bytes) > MAX_NESTING {
        return Err(ApiError::too_deep());
    }
    body_shapes::check(request, bytes)?;
    read(bytes)
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        json_fault(if path == "." { "" } else { &path }, error.inner())
    })?;
    json.end().map_err(|error| json_fault("", &error))?;
    Ok(value)
}

/// Converts an error of serde to a problem. `path` is the field at fault, empty for the whole body.
#[must_use]
pub fn json_fault(path: &str, error: &serde_json::Error) -> ApiError {
    let place = format!("line {}, column {}", error.line(), error.column());
    if error.classify() != Category::Data {
        return ApiError::malformed_json(&place);
    }
    let text = error.to_string();
    let message = text.split(" at line ").next().unwrap_or_default();
    let named = |prefix: &str| message.strip_prefix(prefix)?.split('`').next();
    let below = |name: &str| match path {
        "" => name.to_owned(),
        path if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
        path => format!("{path}.{name}"),
    };
    if let Some(name) = named("missing field `") {
        ApiError::invalid(below(name), "required", "this field is required")
    } else if let Some(name) = named("unknown field `") {
        ApiError::invalid(below(name), "unknown_field", unknown_field(message))
    } else if let Some(name) = named("duplicate field `") {
        ApiError::invalid(below(name), "duplicate_field", "this field is given twice")
    } else {
        let field = if path.is_empty() { "body" } else { path };
        ApiError::invalid(field, "invalid", plainly(message))
    }
}

/// Kinds of JSON values, as serde names them and as error texts name them.
const KINDS: [(&str, &str); 8] = [
    ("sequence", "an array"),
    ("map", "an object"),
    ("string", "a text"),
    ("boolean", "true or false"),
    ("integer", "a whole number"),
    ("floating point", "a number with a fraction"),
    ("number", "a number"),
    ("null", "null"),
];

/// Rewrites serde's message without type names and without the value, which may be a secret.
fn plainly(message: &str) -> String {
    if let Some((_, known)) =
        message.strip_prefix("unknown variant `").and_then(|rest| rest.split_once("`, expected "))
    {
        return format!("{known} is expected here");
    }
    let wrong = ["invalid type: ", "invalid value: "];
    let Some((found, expected)) =
        wrong.iter().find_map(|wrong| message.strip_prefix(wrong)?.rsplit_once(", expected "))
    else {
        return message.to_owned();
    };
    let found =
        KINDS.iter().find(|(kind, _)| found.starts_with(kind)).map_or("something else", |(_, told)| told);
    let is_any = |names: &[&str]| names.iter().any(|name| expected.starts_with(name));
    let expected =
        if is_any(&["struct ", "internally tagged enum ", "adjacently tagged enum ", "map", "a map"]) {
            "an object"
        } else if is_any(&["a sequence", "sequence", "tuple struct ", "an array"]) {
            "an array"
        } else if is_any(&["enum ", "a string", "string", "borrowed str", "variant identifier"]) {
            "a text"
        } else if ["u8", "u16", "u32", "u64", "usize", "i8", "i16", "i32", "i64", "isize"].contains(&expected)
        {
            "a whole number that is in range"
        } else if ["f32", "f64"].contains(&expected) {
            "a number"
        } else if expected == "a boolean" {
            "true or false"
        } else {
            expected
        };
    format!("{expected} is expected here, not {found}")
}

fn unknown_field(message: &str) -> String {
    match message.split_once(", ") {
        Some((_, expected)) => format!("there is no such field; {expected}"),
        None => "there is no such field".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::error::PayloadError;
    use actix_web::test::TestRequest;
    use serde::Deserialize;

    use super::*;
    use crate::BodyLimit;
    use crate::problem::Code;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(clippy::allow_attributes, dead_code, reason = "each includer uses some of it")]
    struct Dial {
        to: String,
        #[serde(default)]
        ring_timeout_ms: Option<u32>,
        #[serde(default)]
        route: Option<Route>,
        #[serde(default)]
        kind: Option<Voice>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Voice {
        Loud,
        Low,
        Calm,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(clippy::allow_attributes, dead_code, reason = "each includer uses some of it")]
    struct Route {
        id: u8,
    }

    fn fault(json: &str) -> (Code, String) {
        let error = read::<Dial>(json.as_bytes()).unwrap_err();
        let detail = error.detail();
        (error.code(), detail.split('`').nth(1).unwrap_or(detail).to_owned())
    }

    #[test]
    fn a_field_at_fault_is_named_by_its_path() {
        let invalid = |field: &str| (Code::InvalidRequest, field.to_owned());
        assert_eq!(fault("{}"), invalid("to"));
        assert_eq!(fault(r#"{"to":"x","tow":1}"#), invalid("tow"));
        assert_eq!(fault(r#"{"to":"x","to":"y"}"#), invalid("to"));
        assert_eq!(fault(r#"{"to":"x","ring_timeout_ms":"soon"}"#), invalid("ring_timeout_ms"));
        assert_eq!(fault(r#"{"to":"x","route":{}}"#), invalid("route.id"));
        assert_eq!(fault(r#"{"to":"x","route":{"id":1,"idd":1}}"#), invalid("route.idd"));
        assert_eq!(fault("[]"), invalid("body"));
    }

    #[test]
    fn what_is_not_json_is_malformed_and_not_invalid() {
        for text in ["", "{", "{\"to\":}", "{\"to\":\"x\"} {}"] {
            assert_eq!(fault(text).0, Code::MalformedJson, "{text}");
        }
    }

    #[test]
    fn what_nests_too_deep_is_invalid_and_nothing_to_repeat() {
        let deep = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
        let request = TestRequest::post().to_http_request();
        let from_json = |text: &str| from_json::<serde_json::Value>(&request, text.as_bytes());
        assert!(from_json(&deep(MAX_NESTING)).is_ok());
        for n in [MAX_NESTING + 1, 127, 128, 20_000] {
            let error = from_json(&deep(n)).unwrap_err();
            assert_eq!(error.code(), Code::InvalidRequest, "{n}");
        }
    }

    #[test]
    fn a_wrong_kind_is_told_without_names_of_types_and_without_the_value() {
        for (json, said) in [
            (r#"{"to":7}"#, "a text is expected here, not a whole number"),
            (
                r#"{"to":"x","ring_timeout_ms":"s3cret"}"#,
                "a whole number that is in range is expected here, not a text",
            ),
            (
                r#"{"to":"x","ring_timeout_ms":-1}"#,
                "a whole number that is in range is expected here, not a whole number",
            ),
            (r#"{"to":"x","route":true}"#, "an object is expected here, not true or false"),
            (r#""s3cret""#, "an object is expected here, not a text"),
            (r#"{"to":"x","kind":"s3cret"}"#, "one of `loud`, `low`, `calm` is expected here"),
        ] {
            let error = read::<Dial>(json.as_bytes()).unwrap_err();
            assert!(error.detail().contains(said), "{json}: {}", error.detail());
            assert!(!error.detail().contains("s3cret"), "{}", error.detail());
        }
    }

    async fn read_as(content_type: &str, body: &str, limit: usize) -> Result<Dial, Code> {
        let (request, mut payload) = TestRequest::post()
            .insert_header(("content-type", content_type))
            .insert_header(("content-length", body.len().to_string()))
            .app_data(BodyLimit(limit))
            .set_payload(body.to_owned())
            .to_http_parts();
        JsonBody::from_request(&request, &mut payload).await.map(|body| body.value).map_err(|e| e.code())
    }

    #[actix_web::test]
    async fn a_body_is_read_when_it_is_declared_as_json_and_small_enough() {
        let body = r#"{"to":"x"}"#;
        assert_eq!(read_as("application/json; charset=utf-8", body, 10).await.unwrap().to, "x");
        assert!(read_as("application/merge-patch+json", body, 10).await.is_ok());
        assert_eq!(read_as("text/plain", body, 10).await.unwrap_err(), Code::UnsupportedMediaType);
        assert_eq!(read_as("application/json", body, 9).await.unwrap_err(), Code::PayloadTooLarge);
    }

    #[actix_web::test]
    async fn a_body_that_says_nothing_of_its_length_is_stopped_at_the_limit() {
        let chunks = ["{\"to\"", ":\"x\"}"].map(Bytes::from);
        for (limit, read) in [(10, Ok("x".to_owned())), (9, Err(Code::PayloadTooLarge))] {
            let (request, _) = TestRequest::post()
                .insert_header(("content-type", "application/json"))
                .app_data(BodyLimit(limit))
                .to_http_parts();
            let stream = futures::stream::iter(chunks.clone().map(Ok::<_, PayloadError>));
            let mut payload: Payload = Payload::Stream { payload: Box::pin(stream) };
            let body = JsonBody::<Dial>::from_request(&request, &mut payload).await;
            assert_eq!(body.map(|body| body.value.to).map_err(|error| error.code()), read);
        }
    }
}
