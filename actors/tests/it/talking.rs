//! Models and tools without edges: the scripted model answers, nothing else is there.

use adapters::llm::{SCRIPTED_MODEL, Scripted};
use async_trait::async_trait;
use domain::conversation::ToolOutcome;
use domain::ids::ClientId;
use domain::model::{ModelRef, Provider};
use domain::ports::StoreUnavailable;
use domain::ports::llm::{
    Answering, ChatProvider, ChatRequest, Completion, LanguageModels, ProviderStatus, Unanswered,
};
use domain::ports::tools::{SchemaFault, ToolAnswer, ToolRunner, ToolUse};
use domain::ports::vault::{Sealed, Vault, VaultError};
use serde_json::Value;

/// The scripted model, whatever is asked for.
#[derive(Debug)]
pub struct OnlyScripted;

fn unanswered(failure: domain::ports::llm::LlmFailure) -> Unanswered {
    Unanswered { failure, passed_over: vec![] }
}

#[async_trait]
impl LanguageModels for OnlyScripted {
    async fn stream(
        &self,
        _: ClientId,
        _: &[ModelRef],
        request: &ChatRequest,
    ) -> Result<Answering, Unanswered> {
        let events = Scripted.stream(SCRIPTED_MODEL, request).await.map_err(unanswered)?;
        let by = ModelRef::new(Provider::Scripted, SCRIPTED_MODEL);
        Ok(Answering { by, passed_over: vec![], events })
    }

    async fn complete(
        &self,
        _: ClientId,
        _: &[ModelRef],
        request: &ChatRequest,
    ) -> Result<(ModelRef, Completion), Unanswered> {
        let completion = Scripted.complete(SCRIPTED_MODEL, request).await.map_err(unanswered)?;
        Ok((ModelRef::new(Provider::Scripted, SCRIPTED_MODEL), completion))
    }

    async fn default_models(&self, _: ClientId) -> Vec<ModelRef> {
        vec![ModelRef::new(Provider::Scripted, SCRIPTED_MODEL)]
    }

    async fn statuses(&self, _: ClientId) -> Vec<ProviderStatus> {
        vec![]
    }
}

#[derive(Debug)]
pub struct NoTools;

#[async_trait]
impl ToolRunner for NoTools {
    async fn check_schema(&self, _: &Value) -> Result<(), SchemaFault> {
        Ok(())
    }

    async fn run(&self, _: &ToolUse) -> ToolAnswer {
        ToolAnswer { outcome: ToolOutcome::Failed, status: None, content: String::new() }
    }
}

#[derive(Debug)]
pub struct NoVault;

#[async_trait]
impl Vault for NoVault {
    async fn seal(&self, _: ClientId, _: &str, _: &[u8]) -> Result<Sealed, VaultError> {
        Err(StoreUnavailable("no keys here".to_owned()).into())
    }

    async fn open(&self, _: ClientId, _: &str, _: &Sealed) -> Result<Vec<u8>, VaultError> {
        Err(StoreUnavailable("no keys here".to_owned()).into())
    }

    async fn secret(&self, _: &str) -> Result<[u8; 32], VaultError> {
        Err(StoreUnavailable("no keys here".to_owned()).into())
    }
}
