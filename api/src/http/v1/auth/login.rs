//! Signing in.

use actix_web::{post, web};
use actors::Session;
use actors::session::CommandError;
use domain::envelope::Actor;
use domain::ids::{ClientId, LoginId, UserId};
use domain::login::{Login, LoginCommand, LoginStarted};
use domain::origin::Origin;
use domain::user::{User, UserCommand, normal_email};
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::commands::context_of;
use super::signed_in::{REFRESH_WITHIN, SignedIn, answer};
use super::{refresh_token, users};
use crate::http::auth::Doorkeeper;
use crate::http::client_ip::ClientIp;
use crate::http::{Answer, Enveloped, JsonBody, RequestContext};
use crate::node::Backend;
use crate::problem::{ApiError, Problem};

/// Who signs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    /// The e-mail address.
    #[schema(example = "ann@example.com")]
    email: String,
    /// The password.
    #[schema(example = "correct horse battery staple")]
    password: String,
}

/// Sign in.
///
/// A wrong password and an unknown address look alike and take the same time. Attempts are limited by where they come
/// from and by the e-mail address, whether there is such a user or not.
#[utoipa::path(post, path = "/api/v1/auth/login", tag = "auth", operation_id = "signIn", security(()),
    request_body = Credentials,
    responses((status = 200, description = "Signed in", body = Enveloped<SignedIn>), Problem))]
#[post("/auth/login")]
pub(crate) async fn sign_in(
    body: JsonBody<Credentials>,
    ip: ClientIp,
    request: RequestContext,
    backend: web::Data<Backend>,
    doorkeeper: web::Data<Doorkeeper>,
) -> Result<Answer, ApiError> {
    let Credentials { email, password } = body.value;
    let normal = normal_email(&email);
    // before anything is read or hashed
    let attempt = backend.gate.login(ip.0, normal.as_deref().unwrap_or(&email));
    attempt.map_err(ApiError::rate_limited)?;
    let known = normal.and_then(|email| backend.identity().user_by_email(&email));
    let (hash, session) = match known {
        Some((client, user)) => stored_hash(&backend, client, user).await?,
        None => (None, None),
    };
    let matches = backend.passwords.matches(password, hash).await;
    let (Some((client, user)), Some(mut session)) = (known, session) else {
        metrics::counter!("voxledger_logins_total", "outcome" => "unknown").increment(1);
        return Err(ApiError::invalid_credentials());
    };
    let by_user = context_of(client, Actor::User(user.0), &request, user.0);
    let (origin, now) = (ip.origin(), backend.runtime.clock.now());
    if !matches {
        metrics::counter!("voxledger_logins_total", "outcome" => "failed").increment(1);
        let note = UserCommand::NoteFailedLogin { origin, now };
        let by_nobody = context_of(client, Actor::System("login".to_owned()), &request, user.0);
        return match session.execute(&note, &by_nobody, None).await {
            Ok(_) | Err(CommandError::Refused(_)) => Err(ApiError::invalid_credentials()),
            Err(error) => Err(super::super::commands::problem(error)),
        };
    }
    let role = session.state().role().ok_or_else(ApiError::invalid_credentials)?;
    let login = LoginId(backend.runtime.ids.next());
    let token = refresh_token::write(login, backend.runtime.ids.secret());
    start(&backend, login, user, &token, origin, &by_user).await?;
    metrics::counter!("voxledger_logins_total", "outcome" => "succeeded").increment(1);
    answer(&doorkeeper.tokens, (user, client, role), login, token)
}

async fn start(
    backend: &Backend,
    login: LoginId,
    user: UserId,
    token: &str,
    origin: Origin,
    context: &actors::CommandContext,
) -> Result<(), ApiError> {
    let at = backend.runtime.clock.now();
    let token_hash = refresh_token::hash(token);
    let started = LoginStarted { user, token_hash, expires_at: at + REFRESH_WITHIN, origin, at };
    let mut session = Session::<Login>::new(backend.runtime.clone(), login.stream());
    let started = session.execute(&LoginCommand::Start(started), context, None).await;
    started.map(drop).map_err(super::super::commands::problem)
}

/// The hash of the password of a user who may sign in, and the user's own stream, read to its end.
async fn stored_hash(
    backend: &Backend,
    client: ClientId,
    user: UserId,
) -> Result<(Option<String>, Option<Session<User>>), ApiError> {
    let mut session = Session::<User>::new(backend.runtime.clone(), user.stream());
    session.refresh().await.map_err(super::super::commands::problem)?;
    let hash = match session.state().password() {
        Some(sealed) => Some(users::open_password(backend, client, user, sealed).await?),
        None => None,
    };
    Ok((hash, Some(session)))
}
