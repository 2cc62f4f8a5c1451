//! `voxledger openapi`: prints the OpenAPI document, which is committed as `openapi/v1.json`.

use crate::cli::out::put;
use crate::http::docs;

/// The document as text, in the form that is committed. Fails only by a bug.
pub fn text() -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(&docs::published()).map(|text| text + "\n")
}

/// Prints the document. Fails only by a bug.
pub fn run() -> anyhow::Result<()> {
    put!("{}", text()?);
    Ok(())
}
