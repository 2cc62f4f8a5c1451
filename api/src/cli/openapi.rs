//! `voxledger openapi`: the contract, as it is committed in `openapi/v1.json`.

use std::io::{self, Write as _};

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
/// When standard output is closed.
pub fn run() -> anyhow::Result<()> {
    Ok(io::stdout().write_all(text()?.as_bytes())?)
}
