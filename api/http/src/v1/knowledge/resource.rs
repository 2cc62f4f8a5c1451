//! How the generic resource code reads knowledge bases, and how refusals are answered.

use domain::envelope::Time;
use domain::ids::{ClientId, KnowledgeBaseId};
use domain::knowledge::{BaseCommand, BaseRefusal, DocumentRefusal, KnowledgeBase};
use domain::origin::Origin;
use projections::knowledge::KnowledgeBases;

use super::super::commands::AsProblem;
use super::super::recipe::{Delete, Recipe, Wording};
use super::super::resource::Resource;
use crate::auth::permissions::{KbRead, KbWrite};
use crate::backend::Backend;
use crate::problem::ApiError;

#[derive(Debug)]
pub(crate) struct KnowledgeBaseResource;

impl Resource for KnowledgeBaseResource {
    type Id = KnowledgeBaseId;
    type Rules = KnowledgeBase;
    type View = KnowledgeBases;
}

impl Recipe for KnowledgeBaseResource {
    type Read = KbRead;

    const WORDING: Wording = Wording {
        path: "/kb",
        tag: "knowledge",
        operation: "KnowledgeBase",
        one: "a knowledge base",
        noun: "knowledge base",
        many: "knowledge bases",
        about_list: "",
    };
}

impl Delete for KnowledgeBaseResource {
    type Write = KbWrite;

    const SUMMARY: &'static str = "Delete a knowledge base.";
    const ABOUT: &'static str = "Its documents are deleted soon after, with their passages and files. Agents that have it continue \
        without it.";

    fn command(origin: Origin, now: Time) -> BaseCommand {
        BaseCommand::Delete { origin, now }
    }
}

impl AsProblem for BaseRefusal {
    const KIND: &'static str = "knowledge base";

    fn as_problem(&self) -> ApiError {
        match self {
            BaseRefusal::Unknown => ApiError::not_found(Self::KIND),
            BaseRefusal::Exists => ApiError::conflict(self.to_string()),
            BaseRefusal::Invalid(field, detail) => ApiError::invalid(*field, "invalid", *detail),
        }
    }
}

impl AsProblem for DocumentRefusal {
    const KIND: &'static str = "document";

    fn as_problem(&self) -> ApiError {
        match self {
            DocumentRefusal::Unknown | DocumentRefusal::OtherBase => ApiError::not_found(Self::KIND),
            DocumentRefusal::BadTitle => ApiError::invalid("title", "invalid", self.to_string()),
            DocumentRefusal::Stale | DocumentRefusal::NotFailed => ApiError::conflict(self.to_string()),
        }
    }
}

/// Answers 404 unless the client has this knowledge base.
pub(super) async fn must_exist(
    backend: &Backend,
    client: ClientId,
    base: KnowledgeBaseId,
) -> Result<(), ApiError> {
    let model = backend.knowledge.model_of(client, base).await.map_err(ApiError::unavailable)?;
    model.map(drop).ok_or_else(|| ApiError::not_found(BaseRefusal::KIND))
}
