//! Starts what acts on the log: the outbox, which commands the carriers, and the deliveries to clients' webhooks.

use std::sync::Arc;

use actors::Runtime;
use actors::conversation::{AgentRegistry, ConversationService, Voice};
use actors::hosted::HostedDeps;
use actors::knowledge::KnowledgeDeps;
use actors::memory::MemoryService;
use actors::outbox::{OutboxDeps, OutboxOptions, RecordingDeps};
use actors::uploads::Uploads;
use actors::webhooks::{DeliveryDeps, DeliverySender, WebhookOptions};
use api_http::backend::Webhooks;
use domain::webhook::schedule::Schedule;
use projections::webhooks::Publisher;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::calls::CallActors;
use super::stores::Stores;
use crate::config::Config;

/// Starts the outbox and the deliveries; answers what handlers need of the latter.
pub(super) fn start(
    config: &Config,
    stores: &Stores,
    actors: &CallActors,
    (conversations, memories, uploads, knowledge): (
        &ConversationService,
        &MemoryService,
        &Uploads,
        KnowledgeDeps,
    ),
    tasks: &mut Vec<JoinHandle<()>>,
    stop: &CancellationToken,
) -> Webhooks {
    let (runtime, edges, work) = (&stores.runtime, &stores.edges, &stores.work);
    let outbox = OutboxDeps {
        runtime: runtime.clone(),
        calls: actors.calls.clone(),
        ivr: actors.ivr.clone(),
        voice: Voice { conversations: conversations.clone(), calls: actors.calls.clone() },
        inbox: actors.inbox.clone(),
        telephony: actors.carriers.clone(),
        hosted: Some(HostedDeps {
            runtime: runtime.clone(),
            telephony: actors.ultravox.clone(),
            agents: actors.ultravox.clone(),
            catalogue: stores.views.clone(),
            registry: AgentRegistry::new(runtime.clone()),
            vault: edges.vault.clone(),
        }),
        recordings: edges.recordings.clone().map(|keeper| RecordingDeps {
            keeper,
            shown: stores.redacted(),
            places: Arc::new(Semaphore::new(config.recordings.concurrency.get().min(Semaphore::MAX_PERMITS))),
        }),
        knowledge: Some(knowledge),
        uploads: uploads.clone(),
        memories: Some(memories.clone()),
        billing: Some(actors.billing.clone()),
        store: work.clone(),
        leases: work.clone(),
    };
    let effects = OutboxOptions { concurrency: config.actors.effects.get(), ..OutboxOptions::default() };
    tasks.push(tokio::spawn(actors::outbox::run(outbox, effects, stop.clone())));

    let schedule = Schedule::new(config.webhooks.retry_schedule.0.clone());
    let (vault, sender) = (edges.vault.clone(), edges.webhooks.clone());
    let delivery_sender = Arc::new(DeliverySender::new(runtime.clone(), vault, sender, schedule));
    // clients never see content that is not retained
    let shown = stores.redacted();
    let deliveries = DeliveryDeps {
        runtime: Runtime { store: shown.clone(), ..runtime.clone() },
        public: Arc::new(Publisher::new(shown)),
        store: work.clone(),
        leases: work.clone(),
        delivery_sender: delivery_sender.clone(),
    };
    let attempts = WebhookOptions {
        concurrency: config.webhooks.concurrency.get(),
        per_endpoint: config.webhooks.endpoint_concurrency.get(),
        ..WebhookOptions::default()
    };
    tasks.push(tokio::spawn(actors::webhooks::run(deliveries, attempts, stop.clone())));
    tracing::debug!("the outbox and the deliveries run");
    Webhooks { delivery_sender, guard: edges.guard.clone(), deliveries: work.clone(), store: work.clone() }
}
