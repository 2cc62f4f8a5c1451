//! Endpoint that signs a user in.

use actix_web::{post, web};
use actors::Session;
use domain::envelope::Actor;
use domain::ids::{ClientId, LoginId, UserId};
use domain::login::{Login, LoginCommand, LoginStarted};
use domain::origin::Origin;
use domain::user::{User, UserCommand, normal_email};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::commands::context_of;
use super::signed_in::{REFRESH_WITHIN, SignedIn, answer};
use super::{refresh_token, users};
use crate::auth::Authenticator;
use crate::backend::{Backend, DEFAULT_CLIENT};
use crate::client_ip::ClientIp;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, JsonBody, RequestContext};

/// User id to read when nobody has the e-mail address; no stream has this id.
const NOBODY: UserId = UserId(Uuid::nil());

/// E-mail address and password of a user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    /// E-mail address of the user.
    #[schema(example = "ann@example.com", format = Email)]
    email: String,
    /// Password of the user in plain text.
    #[schema(example = "correct horse battery staple")]
    password: String,
}

/// Sign in with e-mail and password.
///
/// A wrong password and an unknown address get the same answer in the same time. Attempts are limited per e-mail
/// address and origin together, and more loosely per address and per origin, whether there is such a user or not.
#[utoipa::path(post, path = "/api/v1/auth/login", tag = "auth", operation_id = "signIn", security(()),
    request_body = Credentials,
    responses((status = 200, description = "An access token and a refresh token",
        body = Enveloped<SignedIn>), Problem))]
#[post("/auth/login")]
pub(crate) async fn sign_in(
    body: JsonBody<Credentials>,
    ip: ClientIp,
    request: RequestContext,
    backend: web::Data<Backend>,
    authenticator: web::Data<Authenticator>,
) -> Result<Answer, ApiError> {
    let Credentials { email, password } = body.value;
    let normal = normal_email(&email);
    let name = normal.as_deref().unwrap_or(&email);
    // before anything is read or hashed
    backend.gate.login(ip.0, name).map_err(ApiError::rate_limited)?;
    let known = normal.as_deref().and_then(|email| backend.identity().user_by_email(email));
    // for an unknown address the node reads a stream and hashes, too, so that both take the same time
    let (client, user) = known.unwrap_or((DEFAULT_CLIENT, NOBODY));
    let (hash, mut session) = stored_hash(&backend, client, user).await?;
    let matches = backend.passwords.matches(password, hash).await;
    let (origin, now) = (ip.origin(), backend.runtime.clock.now());
    let role = session.state().role().filter(|_| matches);
    let Some(role) = role else {
        let outcome = if known.is_some() { "failed" } else { "unknown" };
        metrics::counter!(domain::metrics::LOGINS, "outcome" => outcome).increment(1);
        if known.is_some() {
            let by_nobody = context_of(client, Actor::System("login".to_owned()), &request, user.0);
            let note = UserCommand::NoteFailedLogin { origin, now };
            backend.notes.write(async move { session.execute(&note, &by_nobody, None).await.map(drop) });
        }
        return Err(ApiError::invalid_credentials());
    };
    let by_user = context_of(client, Actor::User(user.0), &request, user.0);
    let login = LoginId(backend.runtime.ids.next());
    let token = refresh_token::write(login, backend.runtime.ids.secret());
    start(&backend, login, user, &token, origin, &by_user).await?;
    backend.gate.logged_in(ip.0, name);
    metrics::counter!(domain::metrics::LOGINS, "outcome" => "succeeded").increment(1);
    answer(&authenticator.tokens, (user, client, role), login, token)
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

/// The password hash of a user who may sign in, and a session on the user's stream, read to its end.
async fn stored_hash(
    backend: &Backend,
    client: ClientId,
    user: UserId,
) -> Result<(Option<String>, Session<User>), ApiError> {
    let mut session = Session::<User>::new(backend.runtime.clone(), user.stream());
    session.refresh().await.map_err(super::super::commands::problem)?;
    let hash = match session.state().password() {
        Some(sealed) => Some(users::open_password(backend, client, user, sealed).await?),
        None => None,
    };
    Ok((hash, session))
}
