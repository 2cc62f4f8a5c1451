//! Starts what remembers customers: embeddings, the index, and what keeps it up to date with the log.

use std::sync::Arc;

use actors::memory::{MemoryService, RememberPlaces};
use adapters::embeddings::{EmbeddingOptions, EmbeddingService, HASHED_MODEL};
use adapters::vector_index::SqlVectorIndex;
use anyhow::Context as _;
use api_http::backend::ViewedCustomers;
use domain::ports::embeddings::{EmbeddingModel, EmbeddingProvider};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::stores::Stores;
use crate::config::{Config, EmbeddingsConfig};
use crate::llms::ClientModels;

const MIB: usize = 1 << 20;
/// Dimensions of vectors where the settings name none: enough for short texts, and cheap to keep.
const DIMENSIONS: u16 = 768;
const HASHED_DIMENSIONS: u16 = 512;

/// Starts the service. Fails when TLS cannot be set up.
pub(super) fn start(
    config: &Config,
    stores: &Stores,
    tasks: &mut Vec<JoinHandle<()>>,
    stop: &CancellationToken,
) -> anyhow::Result<MemoryService> {
    let (runtime, edges, settings) = (&stores.runtime, &stores.edges, &config.embeddings);
    let accounts = Arc::new(ClientModels::new(runtime.clone(), edges.vault.clone(), config));
    let options = EmbeddingOptions {
        model: model(settings),
        texts_per_minute: settings.texts_per_minute.get(),
        cache_bytes: settings.cache_mib.saturating_mul(MIB),
        timeout: settings.timeout,
    };
    let embeddings = EmbeddingService::new(options, accounts, edges.guard.clone(), runtime.clock.clone());
    let memories = MemoryService {
        runtime: runtime.clone(),
        index: Arc::new(SqlVectorIndex::new(&stores.views, settings.index_mib.get().saturating_mul(MIB))),
        embeddings: Arc::new(embeddings.context("cannot set up TLS")?),
        customers: Arc::new(ViewedCustomers { views: stores.views.clone() }),
        places: RememberPlaces::default(),
    };
    let follower = actors::memory::run(memories.clone(), stores.work.clone(), stop.clone());
    tasks.push(tokio::spawn(follower));
    tracing::debug!("customers are remembered");
    Ok(memories)
}

/// The model that the settings choose.
fn model(settings: &EmbeddingsConfig) -> EmbeddingModel {
    let (usual, dimensions) = match settings.provider {
        EmbeddingProvider::Hashed => (HASHED_MODEL, HASHED_DIMENSIONS),
        EmbeddingProvider::Google => ("gemini-embedding-001", DIMENSIONS),
        EmbeddingProvider::Openai | EmbeddingProvider::OpenaiCompatible => {
            ("text-embedding-3-small", DIMENSIONS)
        }
    };
    let name = settings.model.as_deref().unwrap_or(usual);
    let dimensions = settings.dimensions.map_or(dimensions, |dimensions| dimensions.0);
    EmbeddingModel::new(settings.provider, name, dimensions)
}
