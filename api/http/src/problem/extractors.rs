//! Makes actix's extractors answer with problems.

use actix_web::error::{JsonPayloadError, PathError, QueryPayloadError};
use actix_web::web::{JsonConfig, PathConfig, QueryConfig};

use super::api_error::ApiError;
use super::code::Code;
use crate::json_fault;

/// Configures `web::Json`. Prefer [`JsonBody`](crate::JsonBody), which names the path of the invalid field.
#[must_use]
pub fn json_config(limit: usize) -> JsonConfig {
    JsonConfig::default().limit(limit).error_handler(|error, _| json_error(&error).into())
}

/// Configures `web::Path`: a path segment in the wrong form answers 404.
#[must_use]
pub fn path_config() -> PathConfig {
    PathConfig::default().error_handler(|_: PathError, _| ApiError::not_found("resource").into())
}

/// Configures `web::Query`. Prefer [`Query`](crate::Query), which names the invalid parameter.
#[must_use]
pub fn query_config() -> QueryConfig {
    QueryConfig::default().error_handler(|error: QueryPayloadError, _| {
        ApiError::new(Code::InvalidRequest, format!("query: {error}")).into()
    })
}

fn json_error(error: &JsonPayloadError) -> ApiError {
    match error {
        JsonPayloadError::OverflowKnownLength { limit, .. } | JsonPayloadError::Overflow { limit } => {
            ApiError::payload_too_large(*limit)
        }
        JsonPayloadError::ContentType => ApiError::unsupported_media_type(),
        JsonPayloadError::Deserialize(error) => json_fault("", error),
        _ => ApiError::malformed_request("the body arrived incomplete: repeat the request"),
    }
}
