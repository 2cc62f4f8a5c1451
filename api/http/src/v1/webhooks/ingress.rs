//! What the endpoints that receive webhooks have in common.

use std::time::{Duration, Instant};

use actix_web::HttpResponse;

use crate::problem::ApiError;

/// Answers a webhook within `deadline`, and counts and times it. `taking` tells whether it was new. After the deadline it may
/// still be recorded; the sender's next try then counts as a repetition.
pub(super) async fn measured(
    provider: &'static str,
    deadline: Duration,
    taking: impl Future<Output = Result<bool, ApiError>>,
) -> Result<HttpResponse, ApiError> {
    let begun = Instant::now();
    let taken = tokio::time::timeout(deadline, taking)
        .await
        .unwrap_or_else(|_| Err(ApiError::unavailable(format!("not recorded within {deadline:?}"))));
    let outcome = match &taken {
        Ok(true) => "taken",
        Ok(false) => "repeated",
        Err(error) => error.code().as_str(),
    };
    metrics::counter!(domain::metrics::CARRIER_INGRESS, "provider" => provider, "outcome" => outcome)
        .increment(1);
    metrics::histogram!(domain::metrics::CARRIER_INGRESS_SECONDS, "provider" => provider)
        .record(begun.elapsed());
    taken.map(|_| HttpResponse::Ok().finish())
}
