//! Routes that serve the documentation.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use actix_web::middleware::DefaultHeaders;
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{HttpResponse, Resource};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::error_guide;

/// Path of the OpenAPI document.
pub const OPENAPI_PATH: &str = "/api/v1/openapi.json";

/// Serves `document`, which is JSON, the interactive docs at `/docs/` and the guide at `/docs/errors`.
pub fn configure(config: &mut ServiceConfig, document: Bytes) {
    let guide = Bytes::from(error_guide::page());
    config
        .service(
            Resource::new("/docs").route(
                web::get().to(async || {
                    HttpResponse::PermanentRedirect().insert_header((LOCATION, "/docs/")).finish()
                }),
            ),
        )
        .service(Resource::new("/docs/errors").wrap(protected()).route(web::get().to(move || {
            let guide = guide.clone();
            async move {
                HttpResponse::Ok()
                    .content_type("text/html; charset=utf-8")
                    .insert_header((CACHE_CONTROL, "max-age=300"))
                    .body(guide)
            }
        })))
        .service(
            web::scope("/docs").wrap(protected()).service(
                SwaggerUi::new("/{_:.*}")
                    // the validator would send the document to another server; keys stay in the page's memory
                    .config(Config::new([OPENAPI_PATH]).validator_url("none").persist_authorization(false)),
            ),
        )
        .service(Resource::new(OPENAPI_PATH).route(web::get().to(move || {
            let document = document.clone();
            async move { HttpResponse::Ok().content_type("application/json").body(document) }
        })));
}

/// Allows only scripts of this origin, none inline, and forbids framing, because people enter keys into the page.
/// The interactive docs need inline styles.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

fn protected() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((CONTENT_SECURITY_POLICY, POLICY))
        .add((X_FRAME_OPTIONS, "DENY"))
        .add((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((REFERRER_POLICY, "no-referrer"))
}

#[cfg(test)]
mod tests {
    use actix_web::test::{TestRequest, call_and_read_body, call_service, init_service};
    use actix_web::{App, test};

    use super::super::published;
    use super::*;
    use crate::problem::Code;

    fn written() -> Bytes {
        serde_json::to_vec(&published()).unwrap().into()
    }

    async fn get(path: &str) -> String {
        let app = init_service(App::new().configure(|c| configure(c, written()))).await;
        let body = call_and_read_body(&app, TestRequest::get().uri(path).to_request()).await;
        String::from_utf8_lossy(&body).into_owned()
    }

    #[actix_web::test]
    async fn the_guide_explains_every_code_at_its_anchor() {
        let page = get("/docs/errors").await;
        for code in Code::ALL {
            assert!(page.contains(&format!("<section id=\"{}\">", code.as_str())), "{}", code.as_str());
        }
        assert!(page.contains("<table>"));
    }

    #[actix_web::test]
    async fn the_docs_load_nothing_from_elsewhere() {
        let page = get("/docs/").await;
        for marker in ["src=\"", "href=\""] {
            for address in page.split(marker).skip(1).filter_map(|rest| rest.split('"').next()) {
                assert!(!address.contains("//"), "{address}");
                let asset = get(&format!("/docs/{}", address.trim_start_matches("./"))).await;
                assert!(!asset.is_empty(), "{address} is not served");
            }
        }
        assert!(page.contains("swagger-ui-bundle.js"));
        let start = get("/docs/swagger-initializer.js").await;
        assert!(start.contains(OPENAPI_PATH) && start.contains("\"validatorUrl\": \"none\""), "{start}");
        assert!(!get("/docs/errors").await.contains("http"));
    }

    #[actix_web::test]
    async fn the_docs_may_not_be_framed_run_no_inline_script_and_keep_no_key() {
        for path in ["/docs/", "/docs/index.html", "/docs/errors", "/docs/swagger-initializer.js"] {
            let app = init_service(App::new().configure(|c| configure(c, written()))).await;
            let response = call_service(&app, TestRequest::get().uri(path).to_request()).await;
            assert!(response.status().is_success(), "{path}");
            let policy = response.headers().get(CONTENT_SECURITY_POLICY).unwrap().to_str().unwrap();
            assert!(
                policy.contains("script-src 'self';") && policy.contains("frame-ancestors 'none'"),
                "{path}"
            );
            assert_eq!(response.headers().get(X_FRAME_OPTIONS).unwrap(), "DENY", "{path}");
        }
        let page = get("/docs/").await;
        for script in page.split("<script").skip(1) {
            assert!(script.split('>').next().unwrap().contains("src="), "{script}");
        }
        let start = get("/docs/swagger-initializer.js").await;
        assert!(!start.contains("\"persistAuthorization\": true"), "{start}");
    }

    #[actix_web::test]
    async fn the_document_is_served_as_it_is_committed() {
        let served: serde_json::Value = serde_json::from_str(&get(OPENAPI_PATH).await).unwrap();
        assert_eq!(served, serde_json::to_value(published()).unwrap());
        let app = init_service(App::new().configure(|c| configure(c, written()))).await;
        let response = call_service(&app, test::TestRequest::get().uri("/docs").to_request()).await;
        assert_eq!(response.headers().get(LOCATION).unwrap(), "/docs/");
    }
}
