//! Many numbers.

use actix_web::{get, web};
use projections::numbers::NumberView;

use super::super::paging::{self, PageParams};
use crate::http::auth::Caller;
use crate::http::auth::permissions::NumbersRead;
use crate::http::{Answer, Listed, Query};
use crate::node::Backend;
use crate::problem::{ApiError, Problem};

/// List numbers.
///
/// Newest first unless asked otherwise.
#[utoipa::path(get, path = "/api/v1/numbers", tag = "numbers", operation_id = "listNumbers",
    params(PageParams),
    responses((status = 200, description = "A page of numbers", body = Listed<NumberView>), Problem))]
#[get("/numbers")]
pub(crate) async fn list_numbers(
    caller: Caller<NumbersRead>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    paging::list(query, async |request| backend.views.numbers(caller.client, &request).await).await
}
