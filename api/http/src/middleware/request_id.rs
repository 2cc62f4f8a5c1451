//! Id of a request: the client's own, if it is valid, else a new one.

use std::sync::Arc;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use domain::ids::encode_type_id;
use domain::ports::ids::Ids;

/// Header of the request's id, on requests and on every response.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The client's own id, if it is 1 to 128 visible ASCII characters; else a new `req_…`.
pub(super) fn request_id(headers: &HeaderMap, ids: &dyn Ids) -> (Arc<str>, HeaderValue) {
    if let Some(value) = headers.get(REQUEST_ID)
        && (1..=128).contains(&value.len())
        && value.as_bytes().iter().all(u8::is_ascii_graphic)
        && let Ok(text) = value.to_str()
    {
        return (Arc::from(text), value.clone());
    }
    let text = encode_type_id("req", ids.next());
    let value = HeaderValue::try_from(text.as_str()).unwrap_or_else(|_| HeaderValue::from_static("req"));
    (Arc::from(text), value)
}
