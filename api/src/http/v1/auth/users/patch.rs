//! Changing a user.

use actix_web::{patch, web};
use domain::ids::UserId;
use domain::user::{Role, UserCommand};
use projections::users::UserView;
use projections::words;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::resource::change;
use super::super::owners::{leave_an_owner, unbounded};
use super::password::{check, seal_password};
use super::reach::{covers, covers_user, role};
use super::resource::UserResource;
use crate::http::auth::Caller;
use crate::http::auth::permissions::UsersWrite;
use crate::http::client_ip::ClientIp;
use crate::http::{Answer, Enveloped, IfMatch, JsonBody, PathId, RequestContext};
use crate::node::Backend;
use crate::problem::{ApiError, Fields, Problem};

/// What of a user can be changed; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserPatch {
    /// What they may do.
    #[schema(nullable = false, value_type = Option<words::UserRole>)]
    role: Option<String>,
    /// Whether they may sign in; `false` signs them out, too.
    #[schema(nullable = false)]
    enabled: Option<bool>,
    /// Another password; signs them out everywhere.
    #[schema(nullable = false, min_length = 10, max_length = 256)]
    password: Option<String>,
}

/// Change a user.
///
/// What is left out stays. Another password signs them out everywhere.
#[utoipa::path(patch, path = "/api/v1/auth/users/{id}", tag = "users", operation_id = "patchUser",
    params(("id" = String, Path, description = "The user"), ("If-Match" = Option<String>, Header, description = "Only if the user is at this version")),
    request_body = UserPatch,
    responses((status = 200, description = "Changed", body = Enveloped<UserView>), Problem))]
#[patch("/auth/users/{id}")]
pub(crate) async fn patch_user(
    caller: Caller<UsersWrite>,
    PathId(id): PathId<UserId>,
    if_match: IfMatch,
    body: JsonBody<UserPatch>,
    ip: ClientIp,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let UserPatch { role: name, enabled, password } = body.value;
    let mut fields = Fields::default();
    let role = name.and_then(|name| role(&mut fields, &name));
    if let Some(password) = &password {
        check(&mut fields, password);
    }
    fields.finish()?;
    covers_user(&backend, &caller, id)?;
    if let Some(role) = role {
        covers(&caller, role)?;
    }
    // to take away from somebody gives nothing
    if role.is_some() || password.is_some() || enabled == Some(true) {
        unbounded(&caller)?;
    }
    let stays = role.is_none_or(|role| role == Role::Owner) && enabled != Some(false);
    if !stays {
        leave_an_owner(&backend, &caller, id.0).await?;
    }
    let password = match password {
        Some(password) => Some(seal_password(&backend, caller.client, id, password).await?),
        None => None,
    };
    let (origin, now) = (ip.origin(), backend.runtime.clock.now());
    let update = UserCommand::Update { role, enabled, password, origin, now };
    change::<UserResource>(&backend, &caller, &request, id, Some(&if_match), &update).await
}
