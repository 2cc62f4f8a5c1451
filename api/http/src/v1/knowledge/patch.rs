//! Endpoint that changes a knowledge base.

use actix_web::{patch, web};
use domain::ids::KnowledgeBaseId;
use domain::knowledge::{BaseCommand, BasePatch};
use projections::knowledge::KnowledgeBaseView;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::resource::execute;
use super::read::after;
use super::resource::KnowledgeBaseResource;
use crate::auth::Caller;
use crate::auth::permissions::KbWrite;
use crate::backend::Backend;
use crate::nullable::nullable;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, IfMatch, JsonBody, PathId, RequestContext};

/// Changes to a knowledge base; a field that is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KnowledgeBasePatch {
    /// New name: 1 to 100 characters.
    #[schema(nullable = false, min_length = 1, max_length = 100)]
    name: Option<String>,
    /// New description: at most 1000 characters; `null` removes it.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, max_length = 1_000)]
    description: Option<Option<String>>,
}

/// Change name or description of a knowledge base.
///
/// Its model stays: make another knowledge base to embed with another one.
#[utoipa::path(patch, path = "/api/v1/kb/{id}", tag = "knowledge", operation_id = "patchKnowledgeBase",
    params(("id" = String, Path, description = "Id of the knowledge base: `kb_…`"),
        ("If-Match" = Option<String>, Header,
            description = "Expected version of the knowledge base in quotes, else 412; not checked, if left out")),
    request_body = KnowledgeBasePatch,
    responses((status = 200, description = "The knowledge base after the change",
        body = Enveloped<KnowledgeBaseView>), Problem))]
#[patch("/kb/{id}")]
pub(crate) async fn patch_knowledge_base(
    caller: Caller<KbWrite>,
    PathId(id): PathId<KnowledgeBaseId>,
    if_match: IfMatch,
    body: JsonBody<KnowledgeBasePatch>,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let KnowledgeBasePatch { name, description } = body.value;
    let patch = BasePatch { name: name.map(|name| name.trim().to_owned()), description };
    let update = BaseCommand::Update { patch, origin: request.origin(), now: backend.runtime.clock.now() };
    let (one, if_match) = (id, Some(&if_match));
    let receipt =
        execute::<KnowledgeBaseResource>(&backend, &caller, &request, one, if_match, &update).await?;
    after(&backend, &caller, id, receipt).await
}
