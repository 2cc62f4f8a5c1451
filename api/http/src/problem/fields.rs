//! Collects the faults of single fields, so that a client receives all of them at once.

use serde::Serialize;
use utoipa::ToSchema;

use super::api_error::ApiError;

/// A field of the request that is invalid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Path of the field in the body (`route.type`), or the name of the query parameter or header.
    #[schema(example = "to")]
    pub field: String,
    /// What is wrong, for programs, for example `required`, `unknown_field` or `invalid`.
    #[schema(example = "invalid")]
    pub code: String,
    /// What is wrong, for people, and what would be right.
    #[schema(example = "a phone number in E.164 form, such as +15550100123")]
    pub detail: String,
}

/// The most faults reported; others show when these are fixed.
const TOLD: usize = 100;

/// Collects faults, the first hundred. Check every field, then call [`Fields::finish`].
#[derive(Debug, Default)]
pub struct Fields {
    faults: Vec<FieldError>,
}

impl Fields {
    pub fn fault(&mut self, field: impl Into<String>, code: &str, detail: impl Into<String>) {
        if self.faults.len() < TOLD {
            self.faults.push(FieldError {
                field: field.into(),
                code: code.to_owned(),
                detail: detail.into(),
            });
        }
    }

    /// Returns the value of a valid field; adds an error as `invalid`, with its text as detail.
    pub fn keep<T, E: std::fmt::Display>(&mut self, field: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.fault(field, "invalid", error.to_string())).ok()
    }

    /// Answers 422 `invalid_request` with every fault, if there was any.
    pub fn finish(self) -> Result<(), ApiError> {
        if self.faults.is_empty() { Ok(()) } else { Err(ApiError::invalid_fields(self.faults)) }
    }
}
