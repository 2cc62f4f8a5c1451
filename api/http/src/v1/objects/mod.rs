//! The node's own signed URLs of objects, for an object store that signs none.

pub mod get;
pub mod put;
mod range;

pub(super) use put::upload_problem;

use domain::object_url::{BadToken, Grant};

use crate::backend::Backend;
use crate::problem::{ApiError, Code};

/// What the token grants. Answers 403 when it is forged or has expired.
fn granted(backend: &Backend, token: &str) -> Result<Grant, ApiError> {
    let now = backend.runtime.clock.now();
    backend.objects.signer.verify(token, now).map_err(|bad| match bad {
        BadToken::Forged => forged(),
        BadToken::Expired => ApiError::new(Code::ObjectUrlExpired, "the URL has expired: ask for a new one"),
    })
}

fn forged() -> ApiError {
    ApiError::new(
        Code::ObjectUrlInvalid,
        "this node signed no such URL for this method: use it as it was given",
    )
}
