//! Endpoints for liveness, version and metrics.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpResponse, get, route, web};
use domain::zones::Zones;
use serde::Serialize;
use utoipa::ToSchema;

use crate::meters::Meters;

/// Answer of a node that is alive.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
pub(super) struct Alive {
    /// Status of the process, which is always `ok`.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Say whether the process is alive.
///
/// The check depends on nothing else: a node must not be killed because its store is unavailable. See `/readyz`.
#[utoipa::path(get, path = "/healthz", tag = "system", operation_id = "getHealth", security(()),
    responses((status = 200, description = "The process is alive", body = Alive)))]
#[route("/healthz", method = "GET", method = "HEAD")]
pub(super) async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(Alive { status: "ok" })
}

/// Name and version of the running program.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Version)]
pub struct Running {
    /// Name of the program, which is always `voxledger`.
    #[schema(example = "voxledger")]
    name: &'static str,
    /// Version of the program, by semantic versioning.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// IANA release of the time zone rules that decide opening hours.
    #[schema(example = "2026f")]
    zone_data: String,
}

impl Running {
    /// This program, with the time zone rules of `zones`.
    #[must_use]
    pub fn of(zones: &Zones) -> Self {
        let zone_data = zones.release().to_string();
        Self { name: "voxledger", version: env!("CARGO_PKG_VERSION"), zone_data }
    }
}

/// Say which version runs.
///
/// The program's name and version, and the release of the time zone rules that decide opening hours.
#[utoipa::path(get, path = "/version", tag = "system", operation_id = "getVersion", security(()),
    responses((status = 200, description = "Name and version of the program", body = Running)))]
#[get("/version")]
pub(super) async fn version(running: web::Data<Running>) -> HttpResponse {
    HttpResponse::Ok().json(&**running)
}

/// Show the node's metrics.
///
/// In the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "system", operation_id = "getMetrics", security(()),
    responses((status = 200, description = "Metrics in the text format of Prometheus", body = String,
        content_type = "text/plain")))]
#[get("/metrics")]
pub(super) async fn metrics(meters: web::Data<Meters>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"))
        .body(meters.render())
}
