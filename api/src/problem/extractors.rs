//! The extractors of actix answer with problems too.

use actix_web::error::{JsonPayloadError, PathError, QueryPayloadError};
use actix_web::web::{JsonConfig, PathConfig, QueryConfig};

use super::api_error::ApiError;
use super::code::Code;
use crate::http::json_fault;

/// For `web::Json`. [`JsonBody`](crate::http::JsonBody) names the path of the field at fault and is to be preferred.
#[must_use]
pub fn json_config(limit: usize) -> JsonConfig {
    JsonConfig::default().limit(limit).error_handler(|error, _| json_error(&error).into())
}

/// For `web::Path`: what is not of the path's form does not exist.
#[must_use]
pub fn path_config() -> PathConfig {
    PathConfig::default().error_handler(|_: PathError, _| ApiError::not_found("resource").into())
}

/// For `web::Query`. [`Query`](crate::http::Query) names the parameter at fault and is to be preferred.
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
        _ => ApiError::malformed_request("the body did not arrive whole"),
    }
}
