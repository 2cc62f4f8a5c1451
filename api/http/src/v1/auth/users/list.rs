//! Endpoint that lists users.

use actix_web::{get, web};
use domain::user::Role;
use projections::users::UserView;
use projections::words::each;

use super::super::super::paging::{self, CreatedParams, Filter, PageParams};
use crate::auth::Caller;
use crate::auth::permissions::UsersRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Listed, Query};

/// List the client's users.
///
/// Newest first unless `order` says otherwise.
#[utoipa::path(get, path = "/api/v1/auth/users", tag = "users", operation_id = "listUsers",
    params(("enabled" = Option<bool>, Query,
            description = "`true`: only enabled ones; `false`: only disabled ones"),
        ("role" = Option<String>, Query, description = "Only users with this role"),
        CreatedParams, PageParams),
    responses((status = 200, description = "A page of users", body = Listed<UserView>), Problem))]
#[get("/auth/users")]
pub(crate) async fn list_users(
    caller: Caller<UsersRead>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let request = paging::filtered(
        query,
        [Filter::flag("enabled"), Filter::word("role", each(&Role::ALL, Role::as_str))],
    )?;
    let page = backend.views.users(caller.client, &request).await;
    paging::answer(&page.map_err(ApiError::unavailable)?)
}
