//! REST endpoints of customers, one file each.

mod body;
pub mod create;
pub mod delete;
mod external_id;
pub mod hubspot;
pub mod import;
pub mod list;
pub mod merge;
pub mod patch;
mod resource;
pub mod timeline;

use domain::ids::{ClientId, CustomerId};
use projections::customers::{CustomerView, Customers};

pub(crate) use resource::CustomerResource;

use crate::backend::Backend;
use crate::problem::{ApiError, Fields};

/// How many merges are followed from a customer to the one it has become.
const HOPS: usize = 10;

/// The customer's document; `None` when the client has no such customer.
async fn shown(
    backend: &Backend,
    client: ClientId,
    id: CustomerId,
) -> Result<Option<CustomerView>, ApiError> {
    let found = backend.views.one::<Customers>(client, id).await.map_err(ApiError::unavailable)?;
    found.map(|found| serde_json::from_str(&found.json)).transpose().map_err(ApiError::internal)
}

/// The customer that this one has become by merges, or the customer itself. Answers 404 when there is none.
pub(super) async fn stands_for(
    backend: &Backend,
    client: ClientId,
    id: CustomerId,
) -> Result<CustomerView, ApiError> {
    let mut id = id;
    for _ in 0..HOPS {
        let view = shown(backend, client, id).await?.ok_or_else(|| ApiError::not_found("customer"))?;
        match view.merged_into {
            Some(into) => id = into,
            None => return Ok(view),
        }
    }
    Err(ApiError::not_found("customer"))
}

/// Checks the customer that a new call or conversation names, and answers the one it has become. Notes a fault when
/// the client has no such customer.
pub(super) async fn known_customer(
    backend: &Backend,
    client: ClientId,
    id: Option<CustomerId>,
    fields: &mut Fields,
) -> Result<Option<CustomerId>, ApiError> {
    let Some(id) = id else { return Ok(None) };
    match stands_for(backend, client, id).await {
        Ok(customer) => Ok(Some(customer.id)),
        Err(error) if error.code() == crate::problem::Code::NotFound => {
            fields.fault("customer_id", "unknown", "there is no such customer");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
