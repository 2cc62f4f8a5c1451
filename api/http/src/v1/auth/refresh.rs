//! Endpoint that exchanges a refresh token for new tokens.

use actix_web::{post, web};
use actors::Session;
use domain::envelope::Actor;
use domain::login::{Login, LoginCommand, LoginRefusal, RevokedFor};
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::commands::{context_of, problem};
use super::refresh_token;
use super::signed_in::{REFRESH_WITHIN, SignedIn, answer};
use crate::auth::Authenticator;
use crate::backend::Backend;
use crate::client_ip::ClientIp;
use crate::problem::{ApiError, Code, Problem};
use crate::{Answer, Enveloped, JsonBody, RequestContext};

/// A refresh token of a login.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RefreshToken {
    /// The refresh token that the login received last.
    pub(super) refresh_token: String,
}

/// Exchange a refresh token for new tokens.
///
/// Each refresh token works once; the answer holds its replacement. Using one a second time ends the whole login.
#[utoipa::path(post, path = "/api/v1/auth/refresh", tag = "auth", operation_id = "refresh", security(()),
    request_body = RefreshToken,
    responses((status = 200, description = "A new access token and a new refresh token",
        body = Enveloped<SignedIn>), Problem))]
#[post("/auth/refresh")]
pub(crate) async fn refresh(
    body: JsonBody<RefreshToken>,
    ip: ClientIp,
    request: RequestContext,
    backend: web::Data<Backend>,
    authenticator: web::Data<Authenticator>,
) -> Result<Answer, ApiError> {
    let shown = body.value.refresh_token;
    let login = refresh_token::login_of(&shown).ok_or_else(|| refused(&LoginRefusal::Unknown))?;
    let mut session = Session::<Login>::new(backend.runtime.clone(), login.stream());
    session.refresh().await.map_err(problem)?;
    let (Some((user, since)), Some(client)) = (session.state().started(), session.client()) else {
        return Err(refused(&LoginRefusal::Unknown));
    };
    let row = backend.identity().user(user).filter(|row| row.view.enabled && since >= row.valid_from);
    let Some(row) = row else {
        return Err(refused(&LoginRefusal::Revoked(RevokedFor::SignOut)));
    };
    let (next, now) =
        (refresh_token::write(login, backend.runtime.ids.secret()), backend.runtime.clock.now());
    let command = LoginCommand::Refresh {
        shown: refresh_token::hash(&shown),
        next: refresh_token::hash(&next),
        expires_at: now + REFRESH_WITHIN,
        origin: ip.origin(),
        now,
    };
    let context = context_of(client, Actor::User(user.0), &request, user.0);
    let receipt = session.execute(&command, &context, None).await.map_err(problem)?;
    if session.state().revoked().is_some() {
        // the login's access tokens must be void on this node before the answer goes out
        if let Some(position) = receipt.position {
            backend.caught_up(position).await;
        }
        return Err(refused(&LoginRefusal::Revoked(RevokedFor::Reuse)));
    }
    answer(&authenticator.tokens, (user, client, row.view.role), login, next)
}

/// The error that answers a refused refresh token.
pub(super) fn refused(refusal: &LoginRefusal) -> ApiError {
    let code = match refusal {
        LoginRefusal::Unknown | LoginRefusal::Exists => Code::RefreshTokenUnknown,
        LoginRefusal::Expired => Code::RefreshTokenExpired,
        LoginRefusal::Revoked(RevokedFor::SignOut) => Code::RefreshTokenRevoked,
        LoginRefusal::Revoked(RevokedFor::Reuse) => Code::RefreshTokenReused,
    };
    ApiError::new(code, refusal.to_string())
}
