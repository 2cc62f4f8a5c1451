//! Endpoint that publishes the keys of access tokens.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, route, web};

use crate::auth::{Authenticator, Jwks};

/// Get the keys that sign access tokens.
///
/// A JWKS (RFC 7517): any service that receives an access token of this node verifies it with the key that its
/// `kid` names. The signing key changes every day; those of the day before and of the next day are included.
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "system", operation_id = "getJwks", security(()),
    responses((status = 200, description = "The public keys, as a JWKS", body = Jwks)))]
#[route("/.well-known/jwks.json", method = "GET", method = "HEAD")]
pub(super) async fn jwks(authenticator: web::Data<Authenticator>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "public, max-age=3600"))
        .json(authenticator.tokens.jwks())
}
