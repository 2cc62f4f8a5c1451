//! Endpoints that merge two customers and undo it.

use actix_web::{post, web};
use actors::session::CommandError;
use actors::{CommandContext, Receipt, Session};
use domain::customer::{Customer, CustomerCommand, CustomerRefusal, Merge};
use domain::ids::{ClientId, CustomerId};
use projections::customers::CustomerView;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::commands::{AsProblem as _, context, problem};
use super::super::resource::written;
use super::resource::CustomerResource;
use crate::auth::Caller;
use crate::auth::permissions::CustomersWrite;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, EdgeId, Enveloped, JsonBody, PathId, RequestContext};

/// The other customer of a merge.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CustomerMerge)]
pub(crate) struct OtherCustomer {
    /// Id of the customer that goes, or that comes back.
    #[schema(value_type = String, example = "cus_01jd0xq8v4e5vsknk084sn02q7")]
    other_id: EdgeId<CustomerId>,
}

/// Merge another customer into this one.
///
/// This customer takes over the numbers and addresses of the other one, and whatever else it has not itself. The
/// timeline shows what was linked to either. The other customer is no longer listed and does not change until the merge
/// is undone.
#[utoipa::path(post, path = "/api/v1/customers/{id}/merge", tag = "customers", operation_id = "mergeCustomers",
    params(("id" = String, Path, description = "Id of the customer that stays: `cus_…`")),
    request_body = OtherCustomer,
    responses((status = 200, description = "The customer after the merge",
        body = Enveloped<CustomerView>), Problem))]
#[post("/customers/{id}/merge")]
pub(crate) async fn merge_customers(
    caller: Caller<CustomersWrite>,
    PathId(id): PathId<CustomerId>,
    body: JsonBody<OtherCustomer>,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let context = context(&caller, &request, id.0);
    let receipt = merge(&backend, &context, id, body.value.other_id.0).await?;
    if let Some(position) = receipt.position {
        backend.caught_up(position).await;
    }
    written::<CustomerResource>(&backend, &caller, id, receipt).await
}

/// Merges `other` into `id`; see the rules of a customer for the order of its steps.
pub(in super::super) async fn merge(
    backend: &Backend,
    context: &CommandContext,
    id: CustomerId,
    other: CustomerId,
) -> Result<Receipt, ApiError> {
    if id == other {
        return Err(ApiError::invalid("other_id", "invalid", "a customer is not merged into itself"));
    }
    let now = backend.runtime.clock.now();
    let stays = load(backend, context.client, id).await?.ok_or_else(|| ApiError::not_found("customer"))?;
    if let Some(into) = stays.state().merged_into() {
        return Err(CustomerRefusal::Merged(into).as_problem());
    }
    let unknown = || ApiError::invalid("other_id", "unknown", "there is no such customer");
    let mut goes = load(backend, context.client, other).await?.ok_or_else(unknown)?;
    let go = CustomerCommand::MergeInto { into: id, now };
    goes.execute(&go, context, None).await.map_err(problem)?;
    // from here on the other one does not change
    let profile = goes.state().profile().cloned().unwrap_or_default();
    let merge = Merge { other, profile, with: goes.state().all_merged(), now };
    let take = CustomerCommand::Merge(Box::new(merge));
    let mut stays = Session::<Customer>::new(backend.runtime.clone(), id.stream());
    let merged = stays.execute(&take, context, None).await;
    if let Err(CommandError::Refused(_)) = &merged {
        let back = CustomerCommand::Separate { from: id, now };
        let back = goes.execute(&back, context, None).await.map_err(problem)?;
        // whoever reads after the refusal finds the other one as it was
        if let Some(position) = back.position {
            backend.caught_up(position).await;
        }
    }
    merged.map_err(problem)
}

/// Undo a merge of two customers.
///
/// The other customer stands for itself again, as it was before the merge. This one loses what it took over, unless that
/// was changed since.
#[utoipa::path(post, path = "/api/v1/customers/{id}/unmerge", tag = "customers", operation_id = "unmergeCustomers",
    params(("id" = String, Path, description = "Id of the customer that the other one was merged into: `cus_…`")),
    request_body = OtherCustomer,
    responses((status = 200, description = "The customer after the undo",
        body = Enveloped<CustomerView>), Problem))]
#[post("/customers/{id}/unmerge")]
pub(crate) async fn unmerge_customers(
    caller: Caller<CustomersWrite>,
    PathId(id): PathId<CustomerId>,
    body: JsonBody<OtherCustomer>,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let (other, now) = (body.value.other_id.0, backend.runtime.clock.now());
    let context = context(&caller, &request, id.0);
    let mut stays =
        load(&backend, caller.client, id).await?.ok_or_else(|| ApiError::not_found("customer"))?;
    let merged = load(&backend, caller.client, other).await?;
    let half_undone = merged.as_ref().is_some_and(|merged| merged.state().merged_into() == Some(id));
    let undo = CustomerCommand::UndoMerge { other, now };
    let mut receipt = match stays.execute(&undo, &context, None).await {
        Ok(receipt) => receipt,
        // a node died between the two steps
        Err(CommandError::Refused(CustomerRefusal::NotMerged(_))) if half_undone => {
            Receipt { version: stays.version(), position: None }
        }
        Err(error) => return Err(problem(error)),
    };
    if let Some(mut merged) = merged {
        let back = CustomerCommand::Separate { from: id, now };
        let back = merged.execute(&back, &context, None).await.map_err(problem)?;
        receipt.position = back.position.max(receipt.position);
    }
    if let Some(position) = receipt.position {
        backend.caught_up(position).await;
    }
    written::<CustomerResource>(&backend, &caller, id, receipt).await
}

/// The customer as its own events say; `None` when the client has no such customer.
async fn load(
    backend: &Backend,
    client: ClientId,
    id: CustomerId,
) -> Result<Option<Session<Customer>>, ApiError> {
    let mut session = Session::<Customer>::new(backend.runtime.clone(), id.stream());
    session.ensure_loaded().await.map_err(problem)?;
    let own = session.state().profile().is_some() && session.client() == Some(client);
    Ok(own.then_some(session))
}
