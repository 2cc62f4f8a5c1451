//! `voxledger openapi`: the contract, as it is committed in `openapi/v1.json`.

use crate::cli::out::put;
use crate::http::docs;

/// The document as text, in the form that is committed.
///
/// # Errors
/// When it cannot be written as JSON, which would be a bug.
pub fn text() -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(&docs::published()).map(|text| text + "\n")
}

/// Prints it.
///
/// # Errors
/// When it cannot be written as JSON, which would be a bug.
pub fn run() -> anyhow::Result<()> {
    put!("{}", text()?);
    Ok(())
}
