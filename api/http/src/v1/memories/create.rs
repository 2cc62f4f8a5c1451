//! Endpoint that records a memory.

use actix_web::{post, web};
use domain::ids::{CallId, ClientId, ConversationId, CustomerId, MemoryId};
use domain::memory::{MemorySource, MemoryTerms, NewMemory};
use domain::ports::ids::Ids as _;
use projections::calls::Calls;
use projections::conversations::Conversations;
use projections::memories::MemoryView;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::commands::{context, problem};
use super::super::customers::stands_for;
use super::super::resource::written;
use super::body::{KindBody, confidence, time};
use super::resource::MemoryResource;
use crate::auth::Caller;
use crate::auth::permissions::CustomersWrite;
use crate::backend::Backend;
use crate::problem::{ApiError, Fields, Problem};
use crate::{Answer, Enveloped, JsonBody, NewIds, PathId, RequestContext};

/// How sure a memory is that a client writes, without saying so.
const SURE: f64 = 1.0;

/// Something to remember of a customer.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewMemory)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewMemoryBody {
    /// A sentence about the customer: 1 to 1000 characters.
    #[schema(example = "Prefers to be called in the morning.", max_length = 1000)]
    content: String,
    /// What it is about.
    kind: KindBody,
    /// Where you have it from; `{"type": "api"}`, if left out.
    source: Option<SourceBody>,
    /// How sure it is, 0 to 1; 1, if left out.
    #[schema(minimum = 0, maximum = 1)]
    confidence: Option<f64>,
    /// When it expires (RFC 3339); never, if left out.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// Where a memory comes from. A call or conversation is one of your own.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewMemorySource)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum SourceBody {
    Api,
    Call {
        /// Id of the call: `call_…`.
        id: String,
    },
    Conversation {
        /// Id of the conversation: `conv_…`.
        id: String,
    },
}

async fn source(
    backend: &Backend,
    client: ClientId,
    body: Option<SourceBody>,
) -> Result<MemorySource, ApiError> {
    let unknown = |noun: &str| ApiError::invalid("source.id", "invalid", format!("no such {noun}"));
    match body {
        None | Some(SourceBody::Api) => Ok(MemorySource::Api),
        Some(SourceBody::Call { id }) => {
            let id: CallId = id.parse().map_err(|_| unknown("call"))?;
            let found = backend.views.one::<Calls>(client, id).await.map_err(ApiError::unavailable)?;
            found.map(|_| MemorySource::Call { id }).ok_or_else(|| unknown("call"))
        }
        Some(SourceBody::Conversation { id }) => {
            let id: ConversationId = id.parse().map_err(|_| unknown("conversation"))?;
            let found =
                backend.views.one::<Conversations>(client, id).await.map_err(ApiError::unavailable)?;
            found.map(|_| MemorySource::Conversation { id }).ok_or_else(|| unknown("conversation"))
        }
    }
}

/// Remember something of a customer.
///
/// If the customer has an active memory of the same kind that says the same, nothing new is recorded: that one is confirmed
/// and answered, with status 200.
#[utoipa::path(post, path = "/api/v1/customers/{id}/memories", tag = "customers", operation_id = "createMemory",
    params(("id" = String, Path, description = "Id of the customer: `cus_…`")),
    request_body = NewMemoryBody,
    responses((status = 200, description = "The memory that says the same", body = Enveloped<MemoryView>),
        (status = 201, description = "The new memory", body = Enveloped<MemoryView>), Problem))]
#[post("/customers/{id}/memories")]
pub(crate) async fn create_memory(
    caller: Caller<CustomersWrite>,
    PathId(customer): PathId<CustomerId>,
    body: JsonBody<NewMemoryBody>,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let new = body.value;
    let mut fields = Fields::default();
    let confidence_permille = confidence(new.confidence.unwrap_or(SURE), &mut fields);
    let expires_at = new.expires_at.as_deref().and_then(|text| time(text, &mut fields));
    fields.finish()?;
    let source = source(&backend, caller.client, new.source).await?;
    let customer = stands_for(&backend, caller.client, customer).await?.id;
    let content = new.content.trim().to_owned().into();
    let terms = MemoryTerms { content, kind: new.kind.into(), confidence_permille, expires_at };
    let now = backend.runtime.clock.now();
    let (evidence, supersedes) = (Vec::new(), None);
    let new = NewMemory { customer, terms, source, evidence, supersedes, now };
    let id = MemoryId(ids.next());
    let learned =
        backend.memories.learn(&context(&caller, &request, id.0), id, new).await.map_err(problem)?;
    if let Some(position) = learned.receipt.position {
        backend.caught_up(position).await;
    }
    let answer = written::<MemoryResource>(&backend, &caller, learned.id, learned.receipt).await?;
    Ok(match learned.new {
        true => answer.created().location(&format!("/api/v1/memories/{}", learned.id)),
        false => answer,
    })
}
