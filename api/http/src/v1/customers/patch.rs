//! Endpoint that changes a customer.

use actix_web::{patch, web};
use actors::Session;
use domain::call::CallMetadata;
use domain::customer::{Customer, CustomerCommand, Profile, ProfilePatch};
use domain::ids::CustomerId;
use projections::customers::CustomerView;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::commands::problem;
use super::super::resource::change;
use super::body::{emails, phones, timezone};
use super::external_id::reserve;
use super::resource::CustomerResource;
use crate::auth::Caller;
use crate::auth::permissions::CustomersWrite;
use crate::backend::Backend;
use crate::nullable::nullable;
use crate::problem::{ApiError, Fields, Problem};
use crate::{Answer, Enveloped, IfMatch, JsonBody, PathId, RequestContext};

/// Changes to a customer; a field that is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CustomerPatch)]
pub(crate) struct PatchBody {
    /// Your own name of the customer: 1 to 200 characters, unique among your customers; `null`: none.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, max_length = 200)]
    external_id: Option<Option<String>>,
    /// Name of the person: 1 to 200 characters; `null`: none.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, max_length = 200)]
    name: Option<Option<String>>,
    /// Phone numbers, the preferred one first; this list replaces the old one.
    #[schema(nullable = false, max_items = 10)]
    phones: Option<Vec<String>>,
    /// E-mail addresses, the preferred one first; this list replaces the old one.
    #[schema(nullable = false, max_items = 10)]
    emails: Option<Vec<String>>,
    /// Language tag (BCP 47); `null`: none.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, max_length = 35)]
    language: Option<Option<String>>,
    /// Time zone of the IANA database; `null`: none.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, max_length = 64)]
    timezone: Option<Option<String>>,
    /// Your own data: at most 50 keys of 1 to 64 characters, 16 KiB as JSON. It replaces all earlier data.
    #[schema(nullable = false, value_type = Option<std::collections::BTreeMap<String, serde_json::Value>>)]
    metadata: Option<CallMetadata>,
}

/// Change fields of a customer.
///
/// Fields that are left out stay as they are. A customer that was merged into another one does not change.
#[utoipa::path(patch, path = "/api/v1/customers/{id}", tag = "customers", operation_id = "patchCustomer",
    params(("id" = String, Path, description = "Id of the customer: `cus_…`"),
        ("If-Match" = Option<String>, Header,
            description = "Expected `ETag` of the customer, else 412; not checked, if left out")),
    request_body = PatchBody,
    responses((status = 200, description = "The customer after the change",
        body = Enveloped<CustomerView>), Problem))]
#[patch("/customers/{id}")]
pub(crate) async fn patch_customer(
    caller: Caller<CustomersWrite>,
    PathId(id): PathId<CustomerId>,
    if_match: IfMatch,
    body: JsonBody<PatchBody>,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let wanted = body.value;
    let mut fields = Fields::default();
    timezone(&backend, wanted.timezone.as_ref().and_then(Option::as_deref), &mut fields);
    let patch = ProfilePatch {
        external_id: wanted.external_id,
        name: wanted.name,
        phones: match &wanted.phones {
            Some(texts) => Some(phones(&backend, caller.client, texts, &mut fields).await?),
            None => None,
        },
        emails: wanted.emails.as_deref().map(|texts| emails(texts, &mut fields)),
        language: wanted.language,
        timezone: wanted.timezone,
        metadata: wanted.metadata,
    };
    fields.finish()?;
    if let Some(Some(name)) = &patch.external_id {
        let mut customer = Session::<Customer>::new(backend.runtime.clone(), id.stream());
        customer.ensure_loaded().await.map_err(problem)?;
        let now = customer.state().profile().filter(|_| customer.client() == Some(caller.client));
        let now = now.ok_or_else(|| ApiError::not_found("customer"))?;
        let after = patch.on(now);
        after.check().map_err(|(field, detail)| ApiError::invalid(field, "invalid", detail))?;
        if Profile::external(now) != Some(name) {
            reserve(&backend, caller.client, id, name).await?;
        }
    }
    let change_it = CustomerCommand::Change { patch: Box::new(patch), now: backend.runtime.clock.now() };
    change::<CustomerResource>(&backend, &caller, &request, id, Some(&if_match), &change_it).await
}
