//! Starts the service that holds conversations, with its models and tools.

use std::sync::Arc;

use actors::conversation::{ConversationDeps, ConversationOptions, ConversationService};
use actors::knowledge::Knowledge;
use actors::memory::MemoryService;
use adapters::llm::{Catalogue, Gateway};
use adapters::tools::HttpTools;
use anyhow::Context as _;
use api_http::backend::Directories;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::calls::live;
use super::stores::Stores;
use crate::config::Config;
use crate::llms::{ClientModels, patience};

/// Starts the service. Fails when TLS cannot be set up.
pub(super) fn start(
    config: &Config,
    stores: &Stores,
    directories: &Directories,
    (memories, knowledge): (&MemoryService, &Knowledge),
    tasks: &mut Vec<JoinHandle<()>>,
    stop: &CancellationToken,
) -> anyhow::Result<ConversationService> {
    let (runtime, edges) = (&stores.runtime, &stores.edges);
    let accounts = Arc::new(ClientModels::new(runtime.clone(), edges.vault.clone(), config));
    let catalogue = Catalogue::built_in().context("the list of models cannot be read")?;
    let (guard, clock) = (edges.guard.clone(), runtime.clock.clone());
    let models = Gateway::new(accounts, catalogue, guard, patience(config), clock);
    let deps = ConversationDeps {
        runtime: runtime.clone(),
        models: Arc::new(models.context("cannot set up TLS")?),
        tools: Arc::new(HttpTools::new(edges.guard.clone()).context("cannot set up TLS")?),
        vault: edges.vault.clone(),
        knowledge: Some(knowledge.clone()),
        memories: Some(memories.clone()),
    };
    let options = ConversationOptions {
        live: live(config),
        window_tokens: config.conversations.window_tokens.get().min(20_000) as u64,
        turns: config.conversations.turns.get(),
        sole: edges.keys.is_exclusive(),
        judge_by_model: config.conversations.model_sentiment,
        ..ConversationOptions::default()
    };
    let (conversations, mood) = ConversationService::start(deps, options, None, stop.clone());
    let erasures = directories.erasures.subscribe();
    tasks.push(tokio::spawn(conversations.clone().forget_at(erasures, stop.clone())));
    tasks.push(tokio::spawn(mood.run(conversations.clone(), stop.clone())));
    tracing::debug!("conversations can be held");
    Ok(conversations)
}
