//! Endpoints that merge two customers and undo it.

use actix_web::{post, web};
use actors::Session;
use domain::customer::{Customer, CustomerCommand, Merge};
use domain::ids::CustomerId;
use projections::customers::CustomerView;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::commands::problem;
use super::super::resource::{change, execute};
use super::resource::CustomerResource;
use crate::auth::permissions::CustomersWrite;
use crate::auth::{Caller, Principal};
use crate::backend::Backend;
use crate::problem::{ApiError, Code, Problem};
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
    merge(&backend, &caller, &request, id, body.value.other_id.0).await
}

/// Merges `other` into `id`; see the rules of a customer for the order of its steps.
pub(super) async fn merge(
    backend: &Backend,
    caller: &Principal,
    request: &RequestContext,
    id: CustomerId,
    other: CustomerId,
) -> Result<Answer, ApiError> {
    if id == other {
        return Err(ApiError::invalid("other_id", "invalid", "a customer is not merged into itself"));
    }
    let now = backend.runtime.clock.now();
    let stays = load(backend, caller, id).await?.ok_or_else(|| ApiError::not_found("customer"))?;
    if let Some(into) = stays.state().merged_into() {
        return Err(problem(actors::session::CommandError::Refused(
            domain::customer::CustomerRefusal::Merged(into),
        )));
    }
    let unknown = || ApiError::invalid("other_id", "unknown", "there is no such customer");
    load(backend, caller, other).await?.ok_or_else(unknown)?;
    let go = CustomerCommand::MergeInto { into: id, now };
    execute::<CustomerResource>(backend, caller, request, other, None, &go).await?;
    // from here on the other one does not change
    let goes = load(backend, caller, other).await?.ok_or_else(unknown)?;
    let profile = goes.state().profile().cloned().unwrap_or_default();
    let merge = Merge { other, profile, with: goes.state().all_merged(), now };
    let take = CustomerCommand::Merge(Box::new(merge));
    let merged = change::<CustomerResource>(backend, caller, request, id, None, &take).await;
    if let Err(error) = &merged
        && matches!(error.code(), Code::InvalidRequest | Code::Conflict | Code::NotFound)
    {
        let back = CustomerCommand::Separate { from: id, now };
        execute::<CustomerResource>(backend, caller, request, other, None, &back).await?;
    }
    merged
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
    let merged = load(&backend, &caller, other).await?;
    let half_undone = merged.is_some_and(|merged| merged.state().merged_into() == Some(id));
    let undo = CustomerCommand::UndoMerge { other, now };
    let undone = change::<CustomerResource>(&backend, &caller, &request, id, None, &undo).await;
    match &undone {
        // a node died between the two steps
        Err(error) if error.code() == Code::Conflict && half_undone => {}
        Err(_) => return undone,
        Ok(_) => {}
    }
    let back = CustomerCommand::Separate { from: id, now };
    match execute::<CustomerResource>(&backend, &caller, &request, other, None, &back).await {
        Ok(_) => {}
        // it was deleted with the other one meanwhile
        Err(error) if error.code() == Code::NotFound => {}
        Err(error) => return Err(error),
    }
    match undone {
        Ok(answer) => Ok(answer),
        Err(_) => {
            super::super::resource::get::<CustomerResource>(&backend, &caller, id, crate::Query::parse("")?)
                .await
        }
    }
}

/// The customer as its own events say; `None` when the client has no such customer.
async fn load(
    backend: &Backend,
    caller: &Principal,
    id: CustomerId,
) -> Result<Option<Session<Customer>>, ApiError> {
    let mut session = Session::<Customer>::new(backend.runtime.clone(), id.stream());
    session.ensure_loaded().await.map_err(problem)?;
    let own = session.state().profile().is_some() && session.client() == Some(caller.client);
    Ok(own.then_some(session))
}
