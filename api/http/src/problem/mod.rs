//! Errors as clients see them: RFC 9457 problems with stable codes, a page for each code in `errors/`.
//!
//! The client gets the code and a sentence that says what to do; the cause stays in the log.

mod api_error;
mod code;
mod extractors;
mod fields;
mod schema;

pub use api_error::ApiError;
pub use code::Code;
pub use extractors::{json_config, path_config, query_config};
pub use fields::{FieldError, Fields};
pub use schema::Problem;
