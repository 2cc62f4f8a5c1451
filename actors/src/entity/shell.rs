//! The actor around one stream. actix stops at this file.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, ActorContext, ActorFutureExt, AtomicResponse, Context, Handler, Message, WrapFuture};
use domain::aggregate::Aggregate;
use domain::envelope::Version;
use domain::ids::{CallId, ClientId, IvrSessionId};
use tracing::Instrument;
use uuid::Uuid;

use super::registry::{Registry, Written, stream_of};
use crate::context::CommandContext;
use crate::runtime::Runtime;
use crate::session::{CommandError, Receipt, Session};

/// A command on its way to a stream, with the tracing span of its sender.
#[derive(Debug)]
pub(super) struct Execute<A: Aggregate> {
    pub(super) command: A::Command,
    pub(super) context: CommandContext,
    pub(super) only_at: Option<Version>,
    /// The stream is thought to be empty: it is not read before the first append.
    pub(super) new: bool,
    pub(super) span: tracing::Span,
}

impl<A: Aggregate> Message for Execute<A> {
    type Result = Result<Receipt, CommandError<A::Refusal>>;
}

/// A query of the state and of the stream's client (`None` before the stream exists).
type Question<A, R> = Box<dyn Fn(&A, Option<ClientId>) -> R + Send>;

/// A message with a query of the state.
pub(super) struct Ask<A, R> {
    pub(super) newest: bool,
    pub(super) question: Question<A, R>,
}

impl<A: Aggregate, R: Send + 'static> Message for Ask<A, R> {
    type Result = Result<R, CommandError<A::Refusal>>;
}

/// Passivates the actor if it got no message for `idle_after` before `now`.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct RestIfIdle {
    pub(super) now: Instant,
    pub(super) idle_after: Duration,
}

/// The actor: it lends its session to one command at a time.
#[derive(Debug)]
pub(super) struct LiveActor<A: Aggregate> {
    id: Uuid,
    incarnation: u64,
    registry: Arc<Registry<A>>,
    session: Option<Session<A>>,
    last_used: Instant,
}

impl<A: Aggregate> LiveActor<A> {
    pub(super) fn new(id: Uuid, incarnation: u64, registry: Arc<Registry<A>>, runtime: Runtime) -> Self {
        let last_used = runtime.clock.monotonic();
        let session = Some(Session::new(runtime, stream_of::<A>(id)));
        Self { id, incarnation, registry, session, last_used }
    }

    /// Takes the session out of the actor. `AtomicResponse` holds the next message back until it is returned.
    fn lend(&mut self) -> Session<A> {
        let session = self.session.take();
        let session =
            session.unwrap_or_else(|| Session::new(self.registry.runtime(), stream_of::<A>(self.id)));
        self.last_used = session.runtime().clock.monotonic();
        session
    }
}

impl<A: Aggregate> Actor for LiveActor<A> {
    type Context = Context<Self>;

    fn stopped(&mut self, _: &mut Self::Context) {
        self.registry.forget(self.id, self.incarnation);
    }
}

impl<A: Aggregate> Handler<Execute<A>> for LiveActor<A> {
    type Result = AtomicResponse<Self, Result<Receipt, CommandError<A::Refusal>>>;

    fn handle(&mut self, message: Execute<A>, _: &mut Self::Context) -> Self::Result {
        let mut session = self.lend();
        let Execute { command, context, only_at, new, span } = message;
        if new {
            session.assume_new();
        }
        let span = match ((self.registry.trace().recording)(), A::CATEGORY) {
            (false, _) => span,
            (true, "call") => tracing::info_span!(parent: &span, "call.execute", call.id = %CallId(self.id)),
            (true, "ivr_session") => {
                tracing::info_span!(parent: &span, "ivr_session.execute", ivr_session.id = %IvrSessionId(self.id))
            }
            (true, kind) => tracing::info_span!(
                parent: &span,
                "actor.execute",
                otel.name = format!("{kind}.execute"),
                actor.kind = kind,
                actor.id = %self.id
            ),
        };
        let (id, registry) = (self.id, self.registry.clone());
        let step = async move {
            // what follows from the command continues its trace
            let context = registry.trace().carried_by(context);
            let done = session.execute(&command, &context, only_at).await;
            if let (Some(observer), Some(client)) = (&registry.observer, session.client())
                && !session.written().is_empty()
            {
                observer(&Written { id, client, facts: session.written(), context: &context });
            }
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

impl<A: Aggregate, R: Send + 'static> Handler<Ask<A, R>> for LiveActor<A> {
    type Result = AtomicResponse<Self, Result<R, CommandError<A::Refusal>>>;

    fn handle(&mut self, message: Ask<A, R>, _: &mut Self::Context) -> Self::Result {
        let mut session = self.lend();
        let step = async move {
            let ready = if message.newest { session.refresh().await } else { session.ensure_loaded().await };
            let answer = ready.map(|()| (message.question)(session.state(), session.client()));
            (session, answer)
        };
        AtomicResponse::new(Box::pin(step.into_actor(self).map(|(session, answer), actor, _| {
            actor.session = Some(session);
            answer
        })))
    }
}

impl<A: Aggregate> Handler<RestIfIdle> for LiveActor<A> {
    type Result = ();

    fn handle(&mut self, message: RestIfIdle, context: &mut Self::Context) {
        if message.now.saturating_duration_since(self.last_used) >= message.idle_after {
            context.stop();
        }
    }
}
