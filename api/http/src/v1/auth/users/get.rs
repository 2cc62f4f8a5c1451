//! Endpoint that reads one user, as it is now or as it was.

use actix_web::{get, web};
use domain::ids::UserId;
use projections::users::UserView;

use super::super::super::resource::get as get_resource;
use super::resource::UserResource;
use crate::auth::Caller;
use crate::auth::permissions::UsersRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, PathId, Query};

/// Get a user by its id.
///
/// With `at` or `version`, answers with the user as it was then.
#[utoipa::path(get, path = "/api/v1/auth/users/{id}", tag = "users", operation_id = "getUser",
    params(("id" = String, Path, description = "Id of the user: `usr_…`"),
        ("at" = Option<String>, Query, description = "Show the state at this time (RFC 3339); default: now"),
        ("version" = Option<u64>, Query, description = "Show the state at this version; default: current")),
    responses((status = 200, description = "The user", body = Enveloped<UserView>), Problem))]
#[get("/auth/users/{id}")]
pub(crate) async fn get_user(
    caller: Caller<UsersRead>,
    PathId(id): PathId<UserId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    get_resource::<UserResource>(&backend, &caller, id, query).await
}
