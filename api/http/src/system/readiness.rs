//! Readiness: asks everything the node needs whether it works.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, route, web};
use async_trait::async_trait;
use futures::future::join_all;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

/// How long a check may take before it counts as failed. Below the second that probes wait by default, so that they
/// see which check failed.
const PATIENCE: Duration = Duration::from_millis(800);

/// Why something is not ready, for an operator: without secrets, or addresses with passwords.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotReady(pub String);

/// Something that the node needs.
#[async_trait]
pub trait ReadinessCheck: Send + Sync {
    /// Name in the readiness answer, such as `event_store` or `projection:calls`.
    fn name(&self) -> &str;

    /// Runs the check. It fails after 0.8 seconds.
    async fn check(&self) -> Result<(), NotReady>;

    /// Lag of each view at the last check; empty when the check is not about views.
    fn lags(&self) -> Vec<Lag> {
        Vec::new()
    }
}

/// How far a view is behind the log.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = ProjectionLag)]
pub struct Lag {
    /// Name of the view, as in `projections list`.
    #[schema(example = "calls")]
    pub name: String,
    /// Position of the last event that the view has applied.
    #[schema(example = 4711)]
    pub position: u64,
    /// Number of events that the view has not applied yet.
    #[schema(example = 0)]
    pub lag_events: u64,
    /// Age of the oldest of those events, in seconds; 0 when there is none.
    #[schema(example = 0.0)]
    pub lag_seconds: f64,
}

/// Checks of everything the node needs, as app data: `web::Data::new(Readiness::new(checks))`.
#[derive(Clone)]
pub struct Readiness {
    checks: Arc<[Box<dyn ReadinessCheck>]>,
    draining: CancellationToken,
}

impl Readiness {
    /// The node is ready when all `checks` succeed.
    #[must_use]
    pub fn new(checks: Vec<Box<dyn ReadinessCheck>>) -> Self {
        Self { checks: checks.into(), draining: CancellationToken::new() }
    }

    /// Once `draining`, the node is not ready, whatever the checks say.
    #[must_use]
    pub fn until(self, draining: CancellationToken) -> Self {
        Self { draining, ..self }
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.checks.iter().map(|check| check.name())).finish()
    }
}

/// Readiness of the node as a whole.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Readiness)]
pub(super) struct State {
    /// State of the node: `ready`, `not_ready`, or `draining`, when it still serves and is about to stop.
    #[schema(value_type = crate::words::ReadinessStatus)]
    status: &'static str,
    /// Result of each check.
    checks: Vec<Checked>,
    /// Lag of each view behind the log; empty when it could not be determined.
    projections: Vec<Lag>,
}

/// Result of one readiness check.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReadinessCheck)]
pub(super) struct Checked {
    /// Name of the check, such as `event_store`.
    #[schema(example = "event_store")]
    name: String,
    /// Whether the check succeeded.
    ready: bool,
    /// Reason of the failure; absent when the check succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

async fn ask(check: &dyn ReadinessCheck) -> Checked {
    let fault = match tokio::time::timeout(PATIENCE, check.check()).await {
        Ok(Ok(())) => None,
        Ok(Err(NotReady(detail))) => Some(detail),
        Err(_) => Some("no answer in time".to_owned()),
    };
    Checked { name: check.name().to_owned(), ready: fault.is_none(), detail: fault }
}

/// Say whether the node can do its work.
///
/// Ready when the stores answer and the views keep up with the log. The answer shows each view's lag, except while
/// the node is `draining`.
#[utoipa::path(get, path = "/readyz", tag = "system", operation_id = "getReadiness", security(()), responses(
    (status = 200, description = "The node can work", body = State),
    (status = 503, description = "The node cannot work; `checks` and `projections` say why", body = State)))]
#[route("/readyz", method = "GET", method = "HEAD")]
pub(super) async fn readyz(readiness: web::Data<Readiness>) -> HttpResponse {
    if readiness.draining.is_cancelled() {
        let state = State { status: "draining", checks: Vec::new(), projections: Vec::new() };
        return HttpResponse::ServiceUnavailable().json(state);
    }
    let checks = join_all(readiness.checks.iter().map(|check| ask(&**check))).await;
    let (status, word) = if checks.iter().all(|check| check.ready) {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not_ready")
    };
    let projections = readiness.checks.iter().flat_map(|check| check.lags()).collect();
    HttpResponse::build(status).json(State { status: word, checks, projections })
}
