//! Endpoint that changes a user.

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
use crate::auth::Caller;
use crate::auth::permissions::UsersWrite;
use crate::backend::Backend;
use crate::client_ip::ClientIp;
use crate::problem::{ApiError, Fields, Problem};
use crate::{Answer, Enveloped, IfMatch, JsonBody, PathId, RequestContext};

/// Changes to a user; a field that is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserPatch {
    /// New role of the user.
    #[schema(nullable = false, value_type = Option<words::UserRole>)]
    role: Option<String>,
    /// Whether the user may sign in; `false` also signs them out.
    #[schema(nullable = false)]
    enabled: Option<bool>,
    /// New password, at least 10 characters; signs the user out everywhere.
    #[schema(nullable = false, min_length = 10, max_length = 256)]
    password: Option<String>,
}

/// Change a user's role, state or password.
///
/// Fields that are left out stay. A new password signs the user out everywhere.
#[utoipa::path(patch, path = "/api/v1/auth/users/{id}", tag = "users", operation_id = "patchUser",
    params(("id" = String, Path, description = "Id of the user: `usr_…`"),
        ("If-Match" = Option<String>, Header,
            description = "Expected `ETag` of the user, else 412; not checked, if left out")),
    request_body = UserPatch,
    responses((status = 200, description = "The user after the change",
        body = Enveloped<UserView>), Problem))]
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
    // only disabling a user gives no rights, and so needs no unbounded caller
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
