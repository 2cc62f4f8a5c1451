//! Registers the system endpoints and collects their OpenAPI documentation.

use actix_web::web::ServiceConfig;
use utoipa::OpenApi;

use super::{health, jwks, readiness};

#[derive(OpenApi)]
#[openapi(paths(health::healthz, readiness::readyz, health::metrics, health::version, jwks::jwks))]
struct Docs;

/// OpenAPI document of the system endpoints.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    Docs::openapi()
}

/// Registers the endpoints. The app data must hold [`Readiness`](super::Readiness),
/// [`Meters`](crate::meters::Meters) and the [`Running`](super::Running) program.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(health::healthz)
        .service(readiness::readyz)
        .service(health::metrics)
        .service(health::version)
        .service(jwks::jwks);
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use actix_web::http::StatusCode;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use actix_web::{App, web};
    use async_trait::async_trait;
    use domain::zones::Zones;
    use serde_json::{Value, json};
    use tokio_util::sync::CancellationToken;

    use super::super::{NotReady, Readiness, ReadinessCheck, Running};
    use super::*;
    use crate::meters::Meters;

    #[derive(Clone, Copy)]
    enum Store {
        There,
        Away,
        Silent,
    }

    #[async_trait]
    impl ReadinessCheck for Store {
        fn name(&self) -> &str {
            "store"
        }

        async fn check(&self) -> Result<(), NotReady> {
            match self {
                Store::There => Ok(()),
                Store::Away => Err(NotReady("away".to_owned())),
                Store::Silent => pending().await,
            }
        }
    }

    async fn get(path: &str, stores: &[Store]) -> (StatusCode, String) {
        get_from(path, stores, CancellationToken::new()).await
    }

    async fn get_from(path: &str, stores: &[Store], draining: CancellationToken) -> (StatusCode, String) {
        let checks = stores.iter().map(|store| Box::new(*store) as Box<dyn ReadinessCheck>).collect();
        let (meters, recorder) = Meters::recorder().unwrap();
        metrics::with_local_recorder(&recorder, || metrics::gauge!(domain::metrics::LIVE_ACTORS).set(3.0));
        let app = App::new()
            .app_data(web::Data::new(Readiness::new(checks).until(draining)))
            .app_data(web::Data::new(meters))
            .app_data(web::Data::new(Running::of(&Zones::bundled())))
            .configure(configure);
        let app = init_service(app).await;
        let response = call_service(&app, TestRequest::get().uri(path).to_request()).await;
        (response.status(), String::from_utf8(read_body(response).await.to_vec()).unwrap())
    }

    #[actix_web::test]
    async fn a_node_is_ready_when_everything_it_needs_is() {
        let (status, body) = get("/readyz", &[Store::There, Store::There]).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let (status, body) = get("/readyz", &[Store::There, Store::Away]).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["checks"][1], json!({"name": "store", "ready": false, "detail": "away"}));
    }

    #[actix_web::test]
    async fn a_node_that_is_about_to_stop_is_not_ready() {
        let draining = CancellationToken::new();
        draining.cancel();
        let (status, body) = get_from("/readyz", &[Store::There], draining).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains("draining"), "{body}");
    }

    #[actix_web::test]
    async fn a_check_that_hangs_counts_as_failed() {
        tokio::time::pause();
        let (status, body) = get("/readyz", &[Store::Silent]).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains("no answer in time"), "{body}");
    }

    #[actix_web::test]
    async fn a_node_is_alive_even_when_nothing_is_ready() {
        assert_eq!(get("/healthz", &[Store::Away]).await.0, StatusCode::OK);
    }

    #[actix_web::test]
    async fn metrics_are_shown_as_text() {
        assert!(get("/metrics", &[]).await.1.contains("voxledger_live_actors 3"));
    }

    #[actix_web::test]
    async fn the_version_is_the_crates_with_that_of_the_time_zones() {
        let (_, body) = get("/version", &[]).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        let zone_data = Zones::bundled_release().to_string();
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(body, json!({"name": "voxledger", "version": version, "zone_data": zone_data}));
    }
}
