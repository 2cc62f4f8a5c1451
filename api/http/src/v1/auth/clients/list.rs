//! Endpoint that lists clients.

use actix_web::{get, web};
use projections::clients::ClientView;

use super::super::super::paging::{self, CreatedParams, PageParams};
use crate::auth::{AnyCredential, Caller};
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Listed, Query};

/// List the clients of this platform.
///
/// The platform's administrator sees all clients, everybody else only their own.
#[utoipa::path(get, path = "/api/v1/auth/clients", tag = "clients", operation_id = "listClients",
    params(CreatedParams, PageParams),
    responses((status = 200, description = "A page of clients", body = Listed<ClientView>), Problem))]
#[get("/auth/clients")]
pub(crate) async fn list_clients(
    caller: Caller<AnyCredential>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let request = paging::filtered(query, [])?;
    if caller.platform {
        let page = backend.views.clients(&request).await.map_err(ApiError::unavailable)?;
        return paging::answer(&page);
    }
    let own = backend.views.client(caller.client).await.map_err(ApiError::unavailable)?;
    let items: Vec<String> = own.into_iter().map(|stored| stored.json).collect();
    let total = items.len() as u64;
    let answer = Answer::json_list(&items, None);
    Ok(if request.with_total { answer.total(total) } else { answer })
}
