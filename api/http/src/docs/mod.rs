//! Documentation that the node serves: the OpenAPI document, the interactive docs, the guide to errors.
//!
//! Nothing here loads from elsewhere: it works on a machine without a network.

mod error_guide;
mod idempotent_posts;
mod openapi;
mod published;
mod routes;
mod unmatched;

pub use openapi::document;
pub use published::{Published, published};
pub use routes::{OPENAPI_PATH, configure};
pub use unmatched::{Unmatched, unmatched};

/// The published document as text, in the form that is committed as `openapi/v1.json`. Fails only by a bug.
pub fn text() -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(&published()).map(|text| text + "\n")
}
