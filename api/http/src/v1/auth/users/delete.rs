//! Endpoint that removes a user.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, delete, web};
use domain::ids::UserId;
use domain::user::UserCommand;

use super::super::super::resource::execute;
use super::super::owners::leave_an_owner;
use super::reach::covers_user;
use super::resource::UserResource;
use crate::auth::Caller;
use crate::auth::permissions::UsersWrite;
use crate::backend::Backend;
use crate::client_ip::ClientIp;
use crate::problem::{ApiError, Problem};
use crate::{IfMatch, PathId, RequestContext};

/// Remove a user from the client.
///
/// The user is signed out, and the e-mail address may be used again. The event history stays.
#[utoipa::path(delete, path = "/api/v1/auth/users/{id}", tag = "users", operation_id = "deleteUser",
    params(("id" = String, Path, description = "Id of the user: `usr_…`"),
        ("If-Match" = Option<String>, Header,
            description = "Expected `ETag` of the user, else 412; not checked, if left out")),
    responses((status = 204, description = "The user was removed"), Problem))]
#[delete("/auth/users/{id}")]
pub(crate) async fn delete_user(
    caller: Caller<UsersWrite>,
    PathId(id): PathId<UserId>,
    if_match: IfMatch,
    ip: ClientIp,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    covers_user(&backend, &caller, id)?;
    leave_an_owner(&backend, &caller, id.0).await?;
    let delete = UserCommand::Delete { origin: ip.origin(), now: backend.runtime.clock.now() };
    execute::<UserResource>(&backend, &caller, &request, id, Some(&if_match), &delete).await?;
    Ok(HttpResponse::build(StatusCode::NO_CONTENT).finish())
}
