//! `voxledger openapi`: prints the OpenAPI document, which is committed as `openapi/v1.json`.

use api_http::docs;

use crate::out::put;

/// Prints the document. Fails only by a bug.
pub fn run() -> anyhow::Result<()> {
    put!("{}", docs::text()?);
    Ok(())
}
