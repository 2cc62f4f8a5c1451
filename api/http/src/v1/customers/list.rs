//! Endpoint that lists customers.

use actix_web::{get, web};
use domain::ids::ClientId;
use projections::customers::{CustomerFilter, CustomerKey, CustomerView};

use super::super::paging::{self, CreatedParams, PageParams};
use super::body::number;
use crate::auth::Caller;
use crate::auth::permissions::CustomersRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Listed, Query};

/// Longest text to search for, in characters.
const MAX_SEARCH: usize = 200;

/// List the client's customers.
///
/// Newest first unless `order` says otherwise; a customer must match all filters. Customers that were merged into others
/// are not listed: their numbers, addresses and external ids lead to those.
#[utoipa::path(get, path = "/api/v1/customers", tag = "customers", operation_id = "listCustomers",
    params(
        ("phone" = Option<String>, Query, description = "Only customers who have this number, in any form"),
        ("email" = Option<String>, Query, description = "Only customers who have this e-mail address"),
        ("external_id" = Option<String>, Query,
            description = "Only the customer with this `external_id`, or who was merged from it"),
        ("q" = Option<String>, Query, description = "Only customers whose name has this part, in any case, or who \
            have exactly this number, e-mail address or external id"),
        CreatedParams,
        PageParams),
    responses((status = 200, description = "A page of customers", body = Listed<CustomerView>), Problem))]
#[get("/customers")]
pub(crate) async fn list_customers(
    caller: Caller<CustomersRead>,
    mut query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let mut filter = CustomerFilter::default();
    if let Some(text) = query.text("phone") {
        match number(&backend, caller.client, &text).await? {
            Some(number) => filter.keys.push(CustomerKey::Phone(number.as_str().to_owned())),
            None => query.fault("phone", "give a phone number, like +12025550123"),
        }
    }
    if let Some(text) = query.text("email") {
        match email(&text) {
            Some(key) => filter.keys.push(key),
            None => query.fault("email", "give an e-mail address, such as ann@example.com"),
        }
    }
    filter.keys.extend(query.text("external_id").map(CustomerKey::ExternalId));
    if let Some(text) = query.text("q") {
        if text.chars().count() > MAX_SEARCH {
            query.fault("q", "give at most 200 characters");
        } else {
            filter.or_keys = exactly(&backend, caller.client, &text).await?;
            filter.name_part = Some(text.trim().to_owned());
        }
    }
    let (created_after, created_before) = (query.time("created_after"), query.time("created_before"));
    paging::list(query, async |request| {
        let page = projections::page::PageRequest { created_after, created_before, ..request };
        backend.views.customers(caller.client, &filter, &page).await
    })
    .await
}

fn email(text: &str) -> Option<CustomerKey> {
    domain::user::normal_email(text).map(CustomerKey::Email)
}

/// What the text may be besides a part of a name.
async fn exactly(backend: &Backend, client: ClientId, text: &str) -> Result<Vec<CustomerKey>, ApiError> {
    let number = number(backend, client, text).await?;
    let phone = number.map(|number| CustomerKey::Phone(number.as_str().to_owned()));
    let id = CustomerKey::ExternalId(text.trim().to_owned());
    Ok(phone.into_iter().chain(email(text)).chain([id]).collect())
}
