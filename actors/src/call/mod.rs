//! Live calls: commands to calls and queries of their state, whether or not their actor is active.

use std::sync::Arc;

use domain::call::{Call, CallCommand, CallEvent, CallRefusal, Outgoing};
use domain::envelope::Version;
use domain::ids::{CallId, ClientId};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::context::CommandContext;
use crate::entity::{Actors, LiveOptions, Observer};
use crate::runtime::Runtime;
use crate::session::{CommandError, Receipt};

pub type CallsOptions = LiveOptions;

type CallError = CommandError<CallRefusal>;

/// Sends commands to calls. The registry activates a call's actor on demand.
#[derive(Debug, Clone)]
pub struct Calls(Actors<Call>);

impl Calls {
    /// Starts the registry and a task that passivates idle actors until `stop`. `observer` is called with what
    /// each command wrote. Must be called inside an actix system.
    #[must_use]
    pub fn start(
        runtime: Runtime,
        options: CallsOptions,
        observer: Option<Observer<Call>>,
        stop: CancellationToken,
    ) -> Self {
        let counting: Observer<Call> = Arc::new(move |written| {
            written.facts.iter().for_each(|(_, fact)| count(fact));
            if let Some(observer) = &observer {
                observer(written);
            }
        });
        Self(Actors::start(runtime, options, Some(counting), stop))
    }

    /// Number of call actors that are active on this node.
    #[must_use]
    pub fn live(&self) -> usize {
        self.0.live()
    }

    /// Carries a command out; `only_at` makes it conditional on the version of the call's stream.
    pub async fn execute(
        &self,
        id: CallId,
        command: CallCommand,
        context: CommandContext,
        only_at: Option<Version>,
    ) -> Result<Receipt, CallError> {
        self.0.execute(id.0, command, context, only_at).await
    }

    /// Carries out the first command of a call whose id was made a moment ago: the stream is not read first.
    /// Never fails with `VersionMismatch`.
    pub async fn execute_on_new(
        &self,
        id: CallId,
        command: CallCommand,
        context: CommandContext,
    ) -> Result<Receipt, CallError> {
        self.0.execute_on_new(id.0, command, context).await
    }

    /// The carrier command for an effect; `None` when the effect is settled.
    pub async fn prepare(&self, id: CallId, effect_id: Uuid) -> Result<Option<Outgoing>, CallError> {
        let find = move |call: &Call, client: Option<ClientId>| {
            client.and_then(|client| call.outgoing(effect_id, id, client))
        };
        match self.0.ask(id.0, false, find).await? {
            Some(outgoing) => Ok(Some(outgoing)),
            // another node may have asked for it: only the newest state may say that it is settled
            None => self.0.ask(id.0, true, find).await,
        }
    }

    /// The client of the call; `None` when there is no such call.
    pub async fn client_of(&self, id: CallId) -> Result<Option<ClientId>, CallError> {
        self.0.ask(id.0, true, |_, client| client).await
    }

    /// The newest state of the call: events that other nodes wrote are read first.
    pub async fn inspect(&self, id: CallId) -> Result<Call, CallError> {
        self.0.ask(id.0, true, |call, _| call.clone()).await
    }
}

fn count(fact: &CallEvent) {
    if let CallEvent::Ended(end) = fact {
        metrics::counter!(domain::metrics::CALLS_ENDED, "reason" => end.reason.as_str()).increment(1);
    }
}
