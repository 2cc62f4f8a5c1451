//! The actor around one call. actix stops at this file.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, AtomicResponse, Context, Handler, Message, WrapFuture};
use domain::call::{Call, CallCommand, CallRefusal, Outgoing};
use domain::envelope::{Time, Version};
use domain::ids::CallId;
use tracing::Instrument;
use uuid::Uuid;

use super::registry::Registry;
use crate::context::CommandContext;
use crate::runtime::Runtime;
use crate::session::{CommandError, Receipt, Session};

pub(super) type CallError = CommandError<CallRefusal>;

/// A command on its way to a call, in the span of whoever sent it.
#[derive(Debug, Message)]
#[rtype(result = "Result<Receipt, CallError>")]
pub(super) struct Execute {
    pub(super) command: CallCommand,
    pub(super) context: CommandContext,
    pub(super) only_at: Option<Version>,
    pub(super) span: tracing::Span,
}

/// Asks what the carrier is to be told for an effect.
#[derive(Debug, Message)]
#[rtype(result = "Result<Option<Outgoing>, CallError>")]
pub(super) struct Prepare(pub(super) Uuid);

/// Asks for the call's newest state.
#[derive(Debug, Message)]
#[rtype(result = "Result<Call, CallError>")]
pub(super) struct Inspect;

/// Rest, if nothing came in for a while.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct RestIfIdle {
    pub(super) now: Time,
    pub(super) idle_after: Duration,
}

/// The shell: it lends its session to one command at a time.
#[derive(Debug)]
pub(super) struct CallActor {
    id: CallId,
    incarnation: u64,
    registry: Arc<Registry>,
    session: Option<Session<Call>>,
    last_used: Time,
}

impl CallActor {
    pub(super) fn new(id: CallId, incarnation: u64, registry: Arc<Registry>, runtime: Runtime) -> Self {
        let last_used = runtime.clock.now();
        let session = Some(Session::new(runtime, id.stream()));
        Self { id, incarnation, registry, session, last_used }
    }

    /// Lends the session out; `AtomicResponse` holds the next message back until it is returned.
    fn lend(&mut self) -> Session<Call> {
        let session = self.session.take();
        let session = session.unwrap_or_else(|| Session::new(self.registry.runtime(), self.id.stream()));
        self.last_used = session.runtime().clock.now();
        session
    }
}

impl Actor for CallActor {
    type Context = Context<Self>;

    fn stopped(&mut self, _: &mut Self::Context) {
        self.registry.forget(self.id, self.incarnation);
    }
}

impl Handler<Execute> for CallActor {
    type Result = AtomicResponse<Self, Result<Receipt, CallError>>;

    fn handle(&mut self, message: Execute, _: &mut Self::Context) -> Self::Result {
        let mut session = self.lend();
        let Execute { command, context, only_at, span } = message;
        let span = match (self.registry.trace().recording)() {
            true => tracing::info_span!(parent: &span, "call.execute", call.id = %self.id),
            false => span,
        };
        let step = async move {
            let done = session.execute(&command, &context, only_at).await;
            (session, done)
        };
        AtomicResponse::new(Box::pin(step.instrument(span).into_actor(self).map(
            |(session, done), actor, _| {
                actor.session = Some(session);
                done
            },
        )))
    }
}

impl Handler<Prepare> for CallActor {
    type Result = AtomicResponse<Self, Result<Option<Outgoing>, CallError>>;

    fn handle(&mut self, Prepare(effect_id): Prepare, _: &mut Self::Context) -> Self::Result {
        let mut session = self.lend();
        let id = self.id;
        let step = async move {
            let outgoing = prepare(&mut session, effect_id, id).await;
            (session, outgoing)
        };
        AtomicResponse::new(Box::pin(step.into_actor(self).map(|(session, outgoing), actor, _| {
            actor.session = Some(session);
            outgoing
        })))
    }
}

async fn prepare(
    session: &mut Session<Call>,
    effect_id: Uuid,
    id: CallId,
) -> Result<Option<Outgoing>, CallError> {
    session.ensure_loaded().await?;
    let find = |session: &Session<Call>| {
        session.client().and_then(|client| session.state().outgoing(effect_id, id, client))
    };
    if let Some(outgoing) = find(session) {
        return Ok(Some(outgoing));
    }
    // another node may have asked for it: only the newest state may say that it is settled
    session.refresh().await?;
    Ok(find(session))
}

impl Handler<Inspect> for CallActor {
    type Result = AtomicResponse<Self, Result<Call, CallError>>;

    fn handle(&mut self, _: Inspect, _: &mut Self::Context) -> Self::Result {
        let mut session = self.lend();
        let step = async move {
            let state = session.refresh().await.map(|()| session.state().clone());
            (session, state)
        };
        AtomicResponse::new(Box::pin(step.into_actor(self).map(|(session, state), actor, _| {
            actor.session = Some(session);
            state
        })))
    }
}

impl Handler<RestIfIdle> for CallActor {
    type Result = ();

    fn handle(&mut self, message: RestIfIdle, context: &mut Self::Context) {
        if message.now - self.last_used >= chrono::TimeDelta::from_std(message.idle_after).unwrap_or_default()
        {
            context.stop();
        }
    }
}
