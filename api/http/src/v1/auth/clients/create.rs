//! Endpoint that creates a client.

use actix_web::{post, web};
use domain::envelope::Version;
use domain::ids::ClientId;
use projections::clients::{ClientView, Clients};
use projections::view::replay;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::super::history::events_until;
use super::super::owners::unbounded;
use crate::auth::Caller;
use crate::auth::permissions::UsersWrite;
use crate::backend::{Asker, Backend, create_client as create};
use crate::problem::{ApiError, Code, Problem};
use crate::{Answer, Enveloped, JsonBody, RequestContext};

/// A client to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewClient {
    /// Name of the company: 1 to 200 characters.
    #[schema(example = "Example Travel", min_length = 1, max_length = 200)]
    name: String,
}

/// A client together with its first API key.
#[derive(Serialize, ToSchema)]
pub(crate) struct ClientWithKey {
    /// The client that was created.
    #[serde(flatten)]
    client: ClientView,
    /// Plain text of its owner's API key. Shown only in this answer.
    plain_key: String,
}

/// Create a new client.
///
/// Only for the platform's administrator. The answer holds the client's first API key, which has an owner's rights.
#[utoipa::path(post, path = "/api/v1/auth/clients", tag = "clients", operation_id = "createClient",
    request_body = NewClient,
    responses((status = 201, description = "The new client with its first API key",
        body = Enveloped<ClientWithKey>), Problem))]
#[post("/auth/clients")]
pub(crate) async fn create_client(
    caller: Caller<UsersWrite>,
    body: JsonBody<NewClient>,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    if !caller.platform {
        return Err(ApiError::new(Code::PlatformOnly, "only the platform's administrator makes clients"));
    }
    unbounded(&caller)?;
    let name = body.value.name.trim();
    if name.is_empty() || name.chars().count() > 200 {
        return Err(ApiError::invalid("name", "invalid", "a client's name has 1 to 200 characters"));
    }
    let request_id = Some(request.request_id().to_string());
    let by = Asker { actor: caller.actor(), request_id, origin: request.origin() };
    let (id, _, key, position) = create(&backend.runtime, name, by)
        .await
        .map_err(|error| ApiError::unavailable(error.into_boxed_dyn_error()))?;
    backend.caught_up(position).await;
    let row = client(&backend, id).await?;
    let version = Version(row.version);
    let answer = Answer::data(&ClientWithKey { client: row, plain_key: key.reveal().to_owned() });
    Ok(answer.created().etag(version).location(&format!("/api/v1/auth/clients/{id}")).position(position))
}

async fn client(backend: &Backend, id: ClientId) -> Result<ClientView, ApiError> {
    let events = events_until(backend, id, &id.stream(), "client", None).await?;
    let row = replay::<Clients>(&events).map_err(ApiError::internal)?;
    row.map(|row| row.view).ok_or_else(|| ApiError::not_found("client"))
}
