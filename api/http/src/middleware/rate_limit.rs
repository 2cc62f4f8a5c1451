//! Response headers that describe the sender's rate limit.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::limits::Standing;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Adds the tighter of the sender's limits: how many requests it allows at once, how many are left, and in how many
/// seconds without a request all are allowed again, rounded up.
pub(super) fn put(headers: &mut HeaderMap, standing: &Standing) {
    let reset = standing.reset.as_millis().div_ceil(1_000);
    headers.insert(LIMIT, HeaderValue::from(standing.limit));
    headers.insert(REMAINING, HeaderValue::from(standing.remaining));
    headers.insert(RESET, HeaderValue::from(u64::try_from(reset).unwrap_or(u64::MAX)));
}
