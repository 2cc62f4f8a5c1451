//! The headers that tell how much more may be asked.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::limits::Standing;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Of the tighter of the sender's limits: how many requests it allows at once, how many of them are left, and after
/// how many seconds without a request it allows all of them again, rounded up.
pub(super) fn put(headers: &mut HeaderMap, standing: &Standing) {
    let reset = standing.reset.as_millis().div_ceil(1_000);
    headers.insert(LIMIT, HeaderValue::from(standing.limit));
    headers.insert(REMAINING, HeaderValue::from(standing.remaining));
    headers.insert(RESET, HeaderValue::from(u64::try_from(reset).unwrap_or(u64::MAX)));
}
