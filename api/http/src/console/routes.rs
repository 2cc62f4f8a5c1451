//! Routes that serve the console.

use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ETAG, HeaderMap,
    IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource, guard};

use super::assets::{ASSETS, Asset, PAGE};
use crate::problem::ApiError;

/// Allows only scripts and styles of this origin, none inline; forbids framing, and strings as markup. Recordings may be
/// played from a bucket.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    media-src 'self' https:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'";
/// For files, whose folder name changes with their content.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// For the page: cached, but revalidated each time.
const ASK_AGAIN: &str = "no-cache";

/// Serves the page at `/` and its files under `/console/`.
pub fn configure(config: &mut ServiceConfig) {
    let reads = || web::route().guard(guard::Any(guard::Get()).or(guard::Head()));
    config.service(Resource::new("/").route(reads().to(page)).default_service(web::to(only_reads))).service(
        Resource::new("/console/{build}/{path:.*}")
            .route(reads().to(asset))
            .default_service(web::to(only_reads)),
    );
}

async fn page(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    ASSETS.get(PAGE).map(|page| answer(&request, page, ASK_AGAIN)).ok_or_else(ApiError::route_not_found)
}

async fn asset(request: HttpRequest, place: web::Path<(String, String)>) -> Result<HttpResponse, ApiError> {
    let (build, path) = place.into_inner();
    // a page of an earlier version gets the current files, but must not cache them under the old name
    let caching = if build == ASSETS.build { FOR_EVER } else { ASK_AGAIN };
    let asset = ASSETS.get(&path).filter(|_| path != PAGE).ok_or_else(ApiError::route_not_found)?;
    Ok(answer(&request, asset, caching))
}

async fn only_reads() -> Result<HttpResponse, ApiError> {
    Err(ApiError::method_not_allowed("GET, HEAD".to_owned()))
}

fn answer(request: &HttpRequest, asset: &Asset, caching: &'static str) -> HttpResponse {
    let known = header(request.headers(), &IF_NONE_MATCH)
        .is_some_and(|tags| tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == asset.etag));
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header((ETAG, asset.etag.as_str()))
        .insert_header((CACHE_CONTROL, caching))
        .insert_header((VARY, "Accept-Encoding"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header(("Cross-Origin-Opener-Policy", "same-origin"))
        .content_type(asset.content_type);
    if known {
        return response.finish();
    }
    let packed = if takes_gzip(request.headers()) { asset.packed() } else { None };
    if packed.is_some() {
        response.insert_header((CONTENT_ENCODING, "gzip"));
    }
    let body = packed.unwrap_or_else(|| asset.plain.clone());
    response.body(body)
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let names = header(headers, &ACCEPT_ENCODING).unwrap_or_default();
    names.split(',').any(|name| {
        let (name, weight) = name.split_once(';').unwrap_or((name, ""));
        name.trim().eq_ignore_ascii_case("gzip") && !matches!(weight.trim(), "q=0" | "q=0.0")
    })
}

fn header<'a>(headers: &'a HeaderMap, name: &actix_web::http::header::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use actix_web::dev::ServiceResponse;
    use actix_web::http::StatusCode;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use actix_web::{App, body::MessageBody};

    use super::*;

    fn sent<'a>(headers: &'a HeaderMap, name: &actix_web::http::header::HeaderName) -> &'a str {
        header(headers, name).unwrap()
    }

    async fn ask(request: TestRequest) -> ServiceResponse<impl MessageBody> {
        let app = init_service(App::new().configure(configure)).await;
        call_service(&app, request.to_request()).await
    }

    #[actix_web::test]
    async fn the_page_allows_no_inline_script_and_is_asked_for_again_each_time() {
        let response = ask(TestRequest::get().uri("/")).await;
        assert_eq!(response.status(), StatusCode::OK);
        let headers = response.headers().clone();
        assert_eq!(sent(&headers, &CACHE_CONTROL), "no-cache");
        let policy = sent(&headers, &CONTENT_SECURITY_POLICY);
        assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe"), "{policy}");
        let page = String::from_utf8(read_body(response).await.to_vec()).unwrap();
        assert!(page.contains(&format!("/console/{}/app.js", ASSETS.build)), "{page}");
        for script in page.split("<script").skip(1) {
            assert!(script.split('>').next().unwrap().contains("src="), "{script}");
        }
        assert!(!page.contains("style=") && !page.contains("//"), "{page}");
        let again = TestRequest::get().uri("/").insert_header((IF_NONE_MATCH, sent(&headers, &ETAG)));
        let again = ask(again).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert!(read_body(again).await.is_empty());
    }

    #[actix_web::test]
    async fn files_may_be_kept_for_ever_under_the_name_of_their_build() {
        let of = |build: &str| TestRequest::get().uri(&format!("/console/{build}/app.js"));
        let response = ask(of(&ASSETS.build).insert_header((ACCEPT_ENCODING, "gzip, br"))).await;
        assert_eq!(sent(response.headers(), &CACHE_CONTROL), FOR_EVER);
        assert_eq!(sent(response.headers(), &CONTENT_ENCODING), "gzip");
        assert!(read_body(response).await.starts_with(&[0x1f, 0x8b]));
        let plain = ask(of("0123456789ab").insert_header((ACCEPT_ENCODING, "gzip;q=0"))).await;
        assert_eq!(sent(plain.headers(), &CACHE_CONTROL), ASK_AGAIN);
        assert_eq!(
            sent(plain.headers(), &actix_web::http::header::CONTENT_TYPE),
            "text/javascript; charset=utf-8"
        );
        assert_eq!(read_body(plain).await, ASSETS.get("app.js").unwrap().plain);
    }

    #[actix_web::test]
    async fn nothing_else_is_found_and_nothing_is_written() {
        for path in
            ["/console/x/nothing.js", "/console/x/../../Cargo.toml", "/console/x/index.html", "/console/x/"]
        {
            assert_eq!(ask(TestRequest::get().uri(path)).await.status(), StatusCode::NOT_FOUND, "{path}");
        }
        assert_eq!(ask(TestRequest::post().uri("/")).await.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}
