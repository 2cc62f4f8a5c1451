//! What the handlers stand on: the actors, the views, the log and the directories in memory.
//!
//! The node builds it once and gives it to the server; handlers take it as `web::Data<Backend>`.

mod call_board;
mod call_feed;
mod carriers;
mod clients;
mod customer_lookup;
mod directories;
mod log_key;
mod notes;
mod objects;
mod payments;
mod ultravox;
mod unique_names;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use actors::Runtime;
use actors::billing::Billing;
use actors::call::Calls;
use actors::carrier::CarrierInbox;
use actors::conversation::ConversationService;
use actors::ivr::{IvrSessions, MenuLibrary};
use actors::knowledge::Knowledge;
use actors::memory::MemoryService;
use actors::privacy::PrivacyDeps;
use actors::sealer::Prover;
use adapters::privacy::EncryptingEventStore;
use adapters::telephony::telnyx::WebhookVerifier;
use domain::envelope::{Position, Time};
use domain::ids::{ClientId, MenuId, NumberId};
use domain::phone::E164;
use domain::ports::vault::Vault;
use projections::Queries;
use projections::runner::Progress;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use call_board::{BoardError, BoardWatch, CallBoards, CallSource, ShownCalls};
pub use call_feed::{CallBell, CallChange, CallFeed, CallWatch, Changes};
pub use carriers::{
    ClientCarriers, Dialling, Through, hubspot_settings, llm_settings, secret_place, telnyx_settings,
};
pub use clients::{Asker, DEFAULT_CLIENT, ShowKey, bootstrap, create_client, new_owner_key};
pub use customer_lookup::ViewedCustomers;
pub use directories::{Directories, Identity};
pub use log_key::LogKey;
pub use notes::Notes;
pub use objects::ObjectAccess;
pub use payments::Payments;
pub use ultravox::{UltravoxAccounts, UltravoxNode, ultravox_settings};
pub use unique_names::{EMAIL, EXTERNAL_ID, Hold, NUMBER, OWN_NUMBER, UniqueNames};
pub use webhooks::Webhooks;

use crate::Streams;
use crate::auth::Passwords;
use crate::limits::Gate;

/// Dependencies of the API's handlers.
#[derive(Debug, Clone)]
pub struct Backend {
    /// The log, clock and ids for commands.
    pub runtime: Runtime,
    /// Actors of live calls.
    pub calls: Calls,
    /// Actors of live IVR sessions.
    pub sessions: IvrSessions,
    /// The menus of all clients.
    pub menus: Arc<MenuLibrary>,
    /// Open streams, counted for each client.
    pub streams: Arc<Streams>,
    /// How long a session is shown after its end.
    pub session_retention: Duration,
    /// The service that holds conversations.
    pub conversations: ConversationService,
    /// Records and recalls what is known of customers.
    pub memories: MemoryService,
    /// How often a stream that waits for a model sends a comment.
    pub keep_alive: Duration,
    /// Handles the carriers' webhooks.
    pub inbox: CarrierInbox,
    /// Queries of the views.
    pub views: Arc<dyn Queries>,
    /// Encrypts the secrets of clients.
    pub vault: Arc<dyn Vault>,
    /// Hashes and checks passwords.
    pub passwords: Passwords,
    /// Writes events that no answer waits for.
    pub notes: Notes,
    /// Reserves unique values, such as email addresses.
    pub claims: UniqueNames,
    /// How long a write waits for the views.
    pub read_your_writes: Duration,
    /// How far back the audit log is shown.
    pub audit_retention: Duration,
    /// Verifies webhooks of the node's own account with Telnyx; without a key they are all refused.
    pub telnyx: Option<Arc<WebhookVerifier>>,
    /// The clients' own accounts with carriers.
    pub carriers: Arc<ClientCarriers>,
    /// The clients' own accounts with Ultravox, and the node's.
    pub ultravox: Arc<UltravoxAccounts>,
    /// The log, with the keys of personal data.
    pub private: EncryptingEventStore,
    /// Dependencies of erasure and export.
    pub privacy: PrivacyDeps,
    /// Dependencies of webhooks to clients.
    pub webhooks: Webhooks,
    /// Id of the log, which is part of every leaf of the Merkle tree.
    pub log_id: Uuid,
    /// Creates proofs of history.
    pub prover: Prover,
    /// The key that signs heads of the log.
    pub log_key: LogKey,
    /// The object store, and signed URLs of what is in it.
    pub objects: ObjectAccess,
    /// Looks passages of knowledge bases up.
    pub knowledge: Knowledge,
    /// Most bytes of a document.
    pub document_bytes: u64,
    /// Limits the number of concurrent exports.
    pub exports: Arc<Semaphore>,
    /// Cancelled when the node stops; streams to clients end with it.
    pub stop: CancellationToken,
    /// Rate limits and quotas.
    pub gate: Arc<Gate>,
    /// Publishes which calls change, while somebody watches.
    pub call_feed: CallFeed,
    /// Renders the streams of all calls.
    pub call_boards: CallBoards,
    /// Covers and charges calls, and posts to the clients' ledgers.
    pub billing: Billing,
    /// The payment provider; `None` without an account.
    pub payments: Option<Payments>,
    /// What the views have reached.
    pub progress: Progress,
    /// What every request needs to know, in memory.
    pub directories: Directories,
}

impl Backend {
    /// Waits, for a bounded time, until the views show the event at `position`; answers whether they do.
    pub async fn caught_up(&self, position: Position) -> bool {
        // waiting is no work: it must not occupy a place of running requests
        crate::context::leave();
        let views = self.progress.wait_for(position, self.read_your_writes);
        let known = tokio::time::timeout(self.read_your_writes, self.directories.wait_for(position));
        let (views, known) = tokio::join!(views, known);
        views && known.is_ok()
    }

    /// Waits, for a bounded time, until this node's directories include `position`; answers whether they do.
    pub async fn knows(&self, position: Position) -> bool {
        let known = self.directories.wait_for(position);
        tokio::time::timeout(self.read_your_writes, known).await.is_ok()
    }

    /// Current keys and users, and their rights.
    pub fn identity(&self) -> &Identity {
        &self.directories.identity
    }

    /// Sessions that ended before this time are not shown.
    #[must_use]
    pub fn sessions_since(&self) -> Time {
        self.runtime.clock.now() - self.session_retention
    }

    /// Whether the client may call from this number; `has_account` says that its calls go through its own account.
    #[must_use]
    pub fn may_call_as(&self, client: ClientId, has_account: bool, number: &E164) -> bool {
        self.directories.numbers.may_call_as(client, has_account, number)
    }

    /// A number of the client whose calls go to the menu.
    #[must_use]
    pub fn number_leading_to(&self, client: ClientId, menu: MenuId) -> Option<NumberId> {
        self.directories.numbers.leading_to(client, menu)
    }
}
