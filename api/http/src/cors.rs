//! CORS: which other web origins may call the API (Fetch standard).

use actix_cors::Cors;
use actix_web::http::Method;

use super::middleware::{IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED, REQUEST_ID, X_IDEMPOTENCY_KEY};

/// How long a browser caches a preflight answer, in seconds.
const REMEMBERED: usize = 600;

/// Allows these origins; `*` stands for all. Requests carry credentials in a header of their own, never in a cookie.
pub fn cors(origins: &[String]) -> Cors {
    let cors = origins.iter().fold(Cors::default(), |cors, origin| match origin.as_str() {
        "*" => cors.allow_any_origin(),
        origin => cors.allowed_origin(origin),
    });
    cors.allowed_methods([
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ])
    .allowed_headers([
        "authorization",
        "x-api-key",
        "content-type",
        "accept",
        "if-match",
        "if-none-match",
        "last-event-id",
        "traceparent",
        IDEMPOTENCY_KEY.as_str(),
        X_IDEMPOTENCY_KEY.as_str(),
        REQUEST_ID.as_str(),
    ])
    .expose_headers([
        "etag",
        "location",
        "retry-after",
        "ratelimit",
        "ratelimit-policy",
        "ratelimit-limit",
        "ratelimit-remaining",
        "ratelimit-reset",
        IDEMPOTENT_REPLAYED.as_str(),
        REQUEST_ID.as_str(),
    ])
    .max_age(REMEMBERED)
}
