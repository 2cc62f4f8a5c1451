//! Faults of single fields, gathered so that a client hears of all of them at once.

use serde::Serialize;
use utoipa::ToSchema;

use super::api_error::ApiError;

/// A field at fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Its path in the body (`route.type`), or the name of the query parameter or header.
    #[schema(example = "to")]
    pub field: String,
    /// What is wrong, for programs: `required`, `unknown_field`, `invalid`, ….
    #[schema(example = "invalid")]
    pub code: String,
    /// What is wrong, for people, and what would be right.
    #[schema(example = "a phone number in E.164 form, such as +15550100123")]
    pub detail: String,
}

/// Faults that are told; what else is at fault shows when these are mended.
const TOLD: usize = 100;

/// Gathers faults, the first hundred. Check every field, then [`Fields::finish`].
#[derive(Debug, Default)]
pub struct Fields {
    faults: Vec<FieldError>,
}

impl Fields {
    /// Notes a fault.
    pub fn fault(&mut self, field: impl Into<String>, code: &str, detail: impl Into<String>) {
        if self.faults.len() < TOLD {
            self.faults.push(FieldError {
                field: field.into(),
                code: code.to_owned(),
                detail: detail.into(),
            });
        }
    }

    /// Keeps what is right; notes what is wrong as `invalid`, with the error's text as detail.
    pub fn keep<T, E: std::fmt::Display>(&mut self, field: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.fault(field, "invalid", error.to_string())).ok()
    }

    /// Refuses the request if anything was at fault.
    ///
    /// # Errors
    /// 422 `invalid_request` with every fault.
    pub fn finish(self) -> Result<(), ApiError> {
        if self.faults.is_empty() { Ok(()) } else { Err(ApiError::invalid_fields(self.faults)) }
    }
}
