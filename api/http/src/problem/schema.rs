//! The JSON form of a problem, as sent and as documented.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use super::fields::FieldError;

/// A problem (RFC 9457), sent as `application/problem+json`. List it among an operation's `responses`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Address of the page that explains the code.
    #[serde(rename = "type")]
    #[schema(example = "http://localhost:9011/docs/errors#invalid_request", format = "uri-reference")]
    pub type_: String,
    /// A short summary, the same for every problem of the code.
    #[schema(example = "The request is invalid")]
    pub title: String,
    /// HTTP status code of the response.
    #[schema(example = 422, minimum = 400, maximum = 599)]
    pub status: u16,
    /// Stable code of the problem, for programs.
    #[schema(value_type = crate::words::ProblemCode)]
    pub code: String,
    /// What is wrong this time and what to do about it.
    #[schema(example = "`to`: a phone number in E.164 form, such as +15550100123")]
    pub detail: String,
    /// Id of the request, to be named in a report.
    #[schema(example = "req_01jd0xq3c9e8r9w2x4y6z8a0bc")]
    pub request_id: String,
    /// The invalid fields; absent when no field is at fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FieldError>,
}

impl IntoResponses for Problem {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let response = ResponseBuilder::new()
            .description("A problem; its `code` is explained at /docs/errors")
            .content("application/problem+json", content)
            .build();
        BTreeMap::from([("default".to_owned(), response.into())])
    }
}
