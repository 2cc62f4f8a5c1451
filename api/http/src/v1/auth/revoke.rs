//! Endpoints that sign a user out.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, post, web};
use actors::Session;
use domain::envelope::Actor;
use domain::login::{Login, LoginCommand, LoginRefusal};
use domain::user::UserCommand;

use super::super::commands::{context_of, problem};
use super::super::resource::execute;
use super::refresh::{RefreshToken, refused};
use super::refresh_token;
use super::users::UserResource;
use crate::auth::{AnyCredential, Caller, Who};
use crate::backend::Backend;
use crate::client_ip::ClientIp;
use crate::problem::{ApiError, Code, Problem};
use crate::{JsonBody, RequestContext};

/// Sign out of one login.
///
/// Ends the login that the refresh token belongs to, and voids its access tokens. Whoever has the token may do so.
#[utoipa::path(post, path = "/api/v1/auth/revoke", tag = "auth", operation_id = "revoke", security(()),
    request_body = RefreshToken,
    responses((status = 204, description = "The login has ended"), Problem))]
#[post("/auth/revoke")]
pub(crate) async fn revoke(
    body: JsonBody<RefreshToken>,
    ip: ClientIp,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    let shown = body.value.refresh_token;
    let login = refresh_token::login_of(&shown).ok_or_else(|| refused(&LoginRefusal::Unknown))?;
    let mut session = Session::<Login>::new(backend.runtime.clone(), login.stream());
    session.refresh().await.map_err(problem)?;
    let (Some((user, _)), Some(client)) = (session.state().started(), session.client()) else {
        return Err(refused(&LoginRefusal::Unknown));
    };
    let now = backend.runtime.clock.now();
    let command = LoginCommand::Revoke { shown: refresh_token::hash(&shown), origin: ip.origin(), now };
    let context = context_of(client, Actor::User(user.0), &request, user.0);
    let receipt = session.execute(&command, &context, None).await.map_err(problem)?;
    if let Some(position) = receipt.position {
        backend.caught_up(position).await;
    }
    Ok(HttpResponse::build(StatusCode::NO_CONTENT).finish())
}

/// Sign out everywhere at once.
///
/// Ends all logins of the user who sends the request.
#[utoipa::path(post, path = "/api/v1/auth/revoke-all", tag = "auth", operation_id = "revokeAll",
    responses((status = 204, description = "All logins of the user have ended"), Problem))]
#[post("/auth/revoke-all")]
pub(crate) async fn revoke_all(
    caller: Caller<AnyCredential>,
    ip: ClientIp,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    let Who::User { id, .. } = caller.who else {
        return Err(ApiError::new(Code::Conflict, "an API key has no logins; revoke the key instead"));
    };
    let sign_out = UserCommand::SignOut { origin: ip.origin(), now: backend.runtime.clock.now() };
    execute::<UserResource>(&backend, &caller, &request, id, None, &sign_out).await?;
    Ok(HttpResponse::build(StatusCode::NO_CONTENT).finish())
}
