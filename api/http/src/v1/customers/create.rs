//! Endpoint that creates a customer.

use actix_web::{post, web};
use domain::call::CallMetadata;
use domain::customer::{CustomerCommand, Profile, ProfilePatch};
use domain::ids::CustomerId;
use domain::ports::ids::Ids as _;
use projections::customers::CustomerView;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::resource;
use super::body::{emails, phones, timezone};
use super::external_id::reserve;
use super::resource::CustomerResource;
use crate::auth::Caller;
use crate::auth::permissions::CustomersWrite;
use crate::backend::Backend;
use crate::problem::{ApiError, Fields, Problem};
use crate::{Answer, Enveloped, JsonBody, NewIds, RequestContext};

/// A customer to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCustomer {
    /// Your own name of the customer: 1 to 200 characters, unique among your customers.
    #[schema(example = "crm-4711", max_length = 200)]
    external_id: Option<String>,
    /// Name of the person: 1 to 200 characters.
    #[schema(example = "Ada Lovelace", max_length = 200)]
    name: Option<String>,
    /// Phone numbers, the preferred one first: at most 10. Others may have the same number.
    #[serde(default)]
    #[schema(example = json!(["+12025550123"]), max_items = 10)]
    phones: Vec<String>,
    /// E-mail addresses, the preferred one first: at most 10.
    #[serde(default)]
    #[schema(example = json!(["ada@example.com"]), max_items = 10)]
    emails: Vec<String>,
    /// Language tag (BCP 47).
    #[schema(example = "en-GB", max_length = 35)]
    language: Option<String>,
    /// Time zone of the IANA database.
    #[schema(example = "Europe/Berlin", max_length = 64)]
    timezone: Option<String>,
    /// Your own data: at most 50 keys of 1 to 64 characters, 16 KiB as JSON.
    #[serde(default)]
    #[schema(value_type = std::collections::BTreeMap<String, serde_json::Value>)]
    metadata: CallMetadata,
}

/// Create a new customer.
///
/// Calls with one of the numbers are linked at once, also those from before, unless several customers have the number.
#[utoipa::path(post, path = "/api/v1/customers", tag = "customers", operation_id = "createCustomer",
    request_body = NewCustomer,
    responses((status = 201, description = "The new customer", body = Enveloped<CustomerView>), Problem))]
#[post("/customers")]
pub(crate) async fn create_customer(
    caller: Caller<CustomersWrite>,
    body: JsonBody<NewCustomer>,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let new = body.value;
    let mut fields = Fields::default();
    timezone(&backend, new.timezone.as_deref(), &mut fields);
    let patch = ProfilePatch {
        external_id: Some(new.external_id),
        name: Some(new.name),
        phones: Some(phones(&backend, caller.client, &new.phones, &mut fields).await?),
        emails: Some(emails(&new.emails, &mut fields)),
        language: Some(new.language),
        timezone: Some(new.timezone),
        metadata: Some(new.metadata),
    };
    fields.finish()?;
    let profile = patch.on(&Profile::default());
    profile.check().map_err(|(field, detail)| ApiError::invalid(field, "invalid", detail))?;
    let id = CustomerId(ids.next());
    if let Some(name) = profile.external() {
        reserve(&backend, caller.client, id, name).await?;
    }
    let create = CustomerCommand::Create { profile: Box::new(profile), now: backend.runtime.clock.now() };
    let answer = resource::create::<CustomerResource>(&backend, &caller, &request, id, &create).await?;
    Ok(answer.created().location(&format!("/api/v1/customers/{id}")))
}
