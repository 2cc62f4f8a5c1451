//! Live calls.

use std::sync::Arc;

use domain::call::{Call, CallCommand, CallEvent, CallRefusal, Outgoing};
use domain::envelope::Version;
use domain::ids::{CallId, ClientId};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::context::CommandContext;
use crate::live::{Actors, LiveOptions, Observer};
use crate::runtime::Runtime;
use crate::session::{CommandError, Receipt};

/// How live calls are kept.
pub type CallsOptions = LiveOptions;

type CallError = CommandError<CallRefusal>;

/// The handle others hold: send a command to a call, whether or not it is awake.
#[derive(Debug, Clone)]
pub struct Calls(Actors<Call>);

impl Calls {
    /// Starts the registry, and a task that rests idle actors until `stop`. `observer` hears of what is written. Call it
    /// inside an actix system.
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

    /// How many calls are awake on this node.
    #[must_use]
    pub fn live(&self) -> usize {
        self.0.live()
    }

    /// Carries a command out; `only_at` makes it conditional on the call's version.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn execute(
        &self,
        id: CallId,
        command: CallCommand,
        context: CommandContext,
        only_at: Option<Version>,
    ) -> Result<Receipt, CallError> {
        self.0.execute(id.0, command, context, only_at).await
    }

    /// Carries the first command of a call out, whose id was made a moment ago: its log is not read first.
    ///
    /// # Errors
    /// As [`execute`](Self::execute), but for `VersionMismatch`: no version is asked for.
    pub async fn execute_on_new(
        &self,
        id: CallId,
        command: CallCommand,
        context: CommandContext,
    ) -> Result<Receipt, CallError> {
        self.0.execute_on_new(id.0, command, context).await
    }

    /// What the carrier is to be told for an effect; `None` when it is settled.
    ///
    /// # Errors
    /// See [`CommandError`].
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

    /// The call's newest state.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn inspect(&self, id: CallId) -> Result<Call, CallError> {
        self.0.ask(id.0, true, |call, _| call.clone()).await
    }
}

fn count(fact: &CallEvent) {
    if let CallEvent::Ended(end) = fact {
        metrics::counter!(domain::metrics::CALLS_ENDED, "reason" => end.reason.as_str()).increment(1);
    }
}
