//! Endpoint that lists what is remembered of a customer.

use actix_web::{get, web};
use domain::ids::CustomerId;
use domain::memory::{MemoryKind, MemoryStatus};
use projections::memories::{MemoryFilter, MemoryView};

use super::super::customers::stands_for;
use super::super::paging::{self, CreatedParams, PageParams};
use crate::auth::Caller;
use crate::auth::permissions::CustomersRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Listed, PathId, Query};

/// List what is remembered of a customer.
///
/// Also of customers that were merged into this one. Newest first unless `order` says otherwise; a memory must match all
/// filters. Forgotten memories are not listed.
#[utoipa::path(get, path = "/api/v1/customers/{id}/memories", tag = "customers", operation_id = "listCustomerMemories",
    params(("id" = String, Path, description = "Id of the customer: `cus_…`"),
        ("kind" = Option<String>, Query,
            description = "Only memories of this kind: `fact`, `preference`, `issue`, `promise` or `note`"),
        ("status" = Option<String>, Query,
            description = "Only memories in this state: `active`, `superseded` or `expired`; all, if left out"),
        CreatedParams,
        PageParams),
    responses((status = 200, description = "A page of memories", body = Listed<MemoryView>), Problem))]
#[get("/customers/{id}/memories")]
pub(crate) async fn list_customer_memories(
    caller: Caller<CustomersRead>,
    PathId(id): PathId<CustomerId>,
    mut query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let kind =
        word(&mut query, "kind", MemoryKind::from_name, "give fact, preference, issue, promise or note");
    let status = word(&mut query, "status", MemoryStatus::from_name, "give active, superseded or expired");
    let (created_after, created_before) = (query.time("created_after"), query.time("created_before"));
    let customer = stands_for(&backend, caller.client, id).await?;
    let filter = MemoryFilter { customers: customer.links().customers, kind, status };
    paging::list(query, async |request| {
        let page = projections::page::PageRequest { created_after, created_before, ..request };
        backend.views.memories(caller.client, &filter, &page).await
    })
    .await
}

/// A parameter that is one of some words.
fn word<T>(query: &mut Query, name: &str, read: fn(&str) -> Option<T>, advice: &str) -> Option<T> {
    let found = read(&query.text(name)?);
    if found.is_none() {
        query.fault(name, advice);
    }
    found
}
