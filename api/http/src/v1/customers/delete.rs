//! Endpoint that deletes a customer.

use actix_web::{HttpResponse, delete, web};
use actors::session::CommandError;
use actors::{CommandContext, Receipt, Session};
use domain::customer::{Customer, CustomerCommand, CustomerRefusal};
use domain::envelope::Version;
use domain::ids::{CustomerId, PrivacyJobId};

use super::super::commands::{context, only_at, problem};
use crate::auth::Caller;
use crate::auth::permissions::CustomersWrite;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{IfMatch, PathId, RequestContext};

/// Delete a customer of yours.
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
    let only_at = only_at(&*backend.runtime.store, &caller, &id.stream(), Some(&if_match)).await?;
    let receipt = remove(&backend, &context(&caller, &request, id.0), id, only_at, None).await?;
    if let Some(position) = receipt.position {
        backend.caught_up(position).await;
    }
    Ok(HttpResponse::NoContent().finish())
}

/// Deletes the customer, and before it those that were merged into it: what is cut off in between can be repeated.
pub(in super::super) async fn remove(
    backend: &Backend,
    context: &CommandContext,
    id: CustomerId,
    only_at: Option<Version>,
    erasure: Option<PrivacyJobId>,
) -> Result<Receipt, ApiError> {
    let now = backend.runtime.clock.now();
    let mut customer = Session::<Customer>::new(backend.runtime.clone(), id.stream());
    customer.ensure_loaded().await.map_err(problem)?;
    if customer.client() != Some(context.client) {
        return Err(ApiError::not_found("customer"));
    }
    if only_at.is_some_and(|wanted| wanted != customer.version()) {
        return Err(ApiError::precondition_failed(customer.version().0));
    }
    let stands = customer.state().profile().is_some() && customer.state().merged_into().is_none();
    let merged = if stands { customer.state().all_merged() } else { Vec::new() };
    for other in merged.into_iter().rev() {
        let mut merged = Session::<Customer>::new(backend.runtime.clone(), other.stream());
        merged.ensure_loaded().await.map_err(problem)?;
        let along_with = merged.state().merged_into();
        let delete = CustomerCommand::Delete { along_with, erasure, now };
        match merged.execute(&delete, context, None).await {
            Ok(_) | Err(CommandError::Refused(CustomerRefusal::Unknown)) => {}
            Err(error) => return Err(problem(error)),
        }
    }
    let delete = CustomerCommand::Delete { along_with: None, erasure, now };
    customer.execute(&delete, context, only_at).await.map_err(problem)
}
