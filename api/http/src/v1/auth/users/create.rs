//! Endpoint that creates a user.

use actix_web::{post, web};
use domain::ids::UserId;
use domain::ports::ids::Ids as _;
use domain::user::{UserCommand, UserCreated, normal_email};
use projections::users::UserView;
use projections::words;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::commands::problem;
use super::super::super::resource;
use super::super::owners::unbounded;
use super::password::{check, seal_password};
use super::reach::{covers, role};
use super::resource::UserResource;
use crate::auth::Caller;
use crate::auth::permissions::UsersWrite;
use crate::backend::{Backend, EMAIL};
use crate::client_ip::ClientIp;
use crate::problem::{ApiError, Code, Fields, Problem};
use crate::{Answer, Enveloped, JsonBody, NewIds, RequestContext};

/// A user to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUser {
    /// E-mail address to sign in with; unique on this node.
    #[schema(example = "ann@example.com", max_length = 254, format = Email)]
    email: String,
    /// Password: at least 10 characters, at most 256 bytes.
    #[schema(example = "correct horse battery staple", min_length = 10, max_length = 256)]
    password: String,
    /// Role: `owner`, `admin`, `developer`, `viewer` or `auditor`; no higher than your own.
    #[schema(value_type = words::UserRole)]
    role: String,
}

/// Create a new user.
///
/// The user signs in with the e-mail address, which nobody else on this node may have.
#[utoipa::path(post, path = "/api/v1/auth/users", tag = "users", operation_id = "createUser",
    request_body = NewUser,
    responses((status = 201, description = "The new user", body = Enveloped<UserView>), Problem))]
#[post("/auth/users")]
pub(crate) async fn create_user(
    caller: Caller<UsersWrite>,
    body: JsonBody<NewUser>,
    ip: ClientIp,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let NewUser { email, password, role: name } = body.value;
    let mut fields = Fields::default();
    let email = normal_email(&email);
    if email.is_none() {
        fields.fault("email", "invalid", "an e-mail address, such as ann@example.com");
    }
    check(&mut fields, &password);
    let role = role(&mut fields, &name);
    fields.finish()?;
    let (Some(email), Some(role)) = (email, role) else { return Err(ApiError::internal("not checked")) };
    covers(&caller, role)?;
    unbounded(&caller)?;
    let id = UserId(ids.next());
    let password = seal_password(&backend, caller.client, id, password).await?;
    if !backend.claims.take(EMAIL, &email, (UserId::CATEGORY, id.0)).await.map_err(problem)? {
        return Err(ApiError::new(Code::EmailTaken, "a user signs in with this address already"));
    }
    let at = backend.runtime.clock.now();
    let created = UserCreated { email: email.into(), password, role, origin: ip.origin(), at };
    let create = UserCommand::Create(Box::new(created));
    let answer = resource::create::<UserResource>(&backend, &caller, &request, id, &create).await?;
    Ok(answer.created().location(&format!("/api/v1/auth/users/{id}")))
}
