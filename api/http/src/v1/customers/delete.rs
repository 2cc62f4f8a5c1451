//! Endpoint that deletes a customer.

use actix_web::{HttpResponse, delete, web};
use actors::Session;
use domain::customer::{Customer, CustomerCommand};
use domain::ids::CustomerId;

use super::super::commands::{only_at, problem};
use super::super::resource::execute;
use super::resource::CustomerResource;
use crate::auth::permissions::CustomersWrite;
use crate::auth::{Caller, Principal};
use crate::backend::Backend;
use crate::problem::{ApiError, Code, Problem};
use crate::{IfMatch, PathId, RequestContext};

/// Delete a customer.
///
/// Its numbers and its external id are free, and nothing is linked to it any more; calls and conversations stay. So do
/// customers merged into it: they are deleted, too. Its event history stays, and who may read history still reads it; to
/// make the person's data unreadable everywhere, `POST /api/v1/privacy/subjects/erase`.
#[utoipa::path(delete, path = "/api/v1/customers/{id}", tag = "customers", operation_id = "deleteCustomer",
    params(("id" = String, Path, description = "Id of the customer: `cus_…`"),
        ("If-Match" = Option<String>, Header,
            description = "Expected `ETag` of the customer, else 412; not checked, if left out")),
    responses((status = 204, description = "The customer was deleted"), Problem))]
#[delete("/customers/{id}")]
pub(crate) async fn delete_customer(
    caller: Caller<CustomersWrite>,
    PathId(id): PathId<CustomerId>,
    if_match: IfMatch,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    remove(&backend, &caller, &request, id, Some(&if_match)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Deletes the customer, and before it those that were merged into it: what is cut off in between can be repeated.
pub(super) async fn remove(
    backend: &Backend,
    caller: &Principal,
    request: &RequestContext,
    id: CustomerId,
    if_match: Option<&IfMatch>,
) -> Result<(), ApiError> {
    let now = backend.runtime.clock.now();
    let mut customer = Session::<Customer>::new(backend.runtime.clone(), id.stream());
    customer.ensure_loaded().await.map_err(problem)?;
    let exists = customer.state().profile().is_some() && customer.client() == Some(caller.client);
    if exists && customer.state().merged_into().is_none() {
        let wanted = only_at(&*backend.runtime.store, caller, &id.stream(), if_match).await?;
        if wanted.is_some_and(|wanted| wanted != customer.version()) {
            return Err(ApiError::precondition_failed(customer.version().0));
        }
        for other in customer.state().all_merged().into_iter().rev() {
            let mut merged = Session::<Customer>::new(backend.runtime.clone(), other.stream());
            merged.ensure_loaded().await.map_err(problem)?;
            let along_with = merged.state().merged_into();
            let delete = CustomerCommand::Delete { along_with, now };
            match execute::<CustomerResource>(backend, caller, request, other, None, &delete).await {
                Ok(_) => {}
                Err(error) if error.code() == Code::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    let delete = CustomerCommand::Delete { along_with: None, now };
    execute::<CustomerResource>(backend, caller, request, id, if_match, &delete).await.map(drop)
}
