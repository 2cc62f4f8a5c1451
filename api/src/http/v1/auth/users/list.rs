//! Many users.

use actix_web::{get, web};
use projections::users::UserView;

use super::super::super::paging::{self, PageParams};
use crate::http::auth::Caller;
use crate::http::auth::permissions::UsersRead;
use crate::http::{Answer, Listed, Query};
use crate::node::Backend;
use crate::problem::{ApiError, Problem};

/// List users.
///
/// Newest first unless asked otherwise.
#[utoipa::path(get, path = "/api/v1/auth/users", tag = "users", operation_id = "listUsers",
    params(PageParams),
    responses((status = 200, description = "A page of users", body = Listed<UserView>), Problem))]
#[get("/auth/users")]
pub(crate) async fn list_users(
    caller: Caller<UsersRead>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    paging::list(query, async |request| backend.views.users(caller.client, &request).await).await
}
