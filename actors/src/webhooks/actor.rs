//! The actor of one delivery. It lives during one attempt; actix is not used beyond this file.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, Arbiter, ArbiterHandle, AsyncContext, Context, WrapFuture};
use bytes::Bytes;
use domain::envelope::{Position, Time};
use domain::ids::{DeliveryId, EndpointId};
use domain::ports::deliveries::DueDelivery;
use domain::webhook::delivery::{Attempt, Cause, ErrorClass};
use domain::webhook::endpoint::DisabledFor;
use tokio::sync::mpsc;
use tracing::Instrument as _;

use super::sender::DeliverySender;
use super::target::Target;
use super::throttle::EndpointHealth;
use crate::session::CommandError;

/// Tries to record an attempt before giving up; the attempt is then made again.
const RECORDINGS: u32 = 5;
const RECORDING_PAUSE: Duration = Duration::from_millis(200);

/// The result of an attempt.
#[derive(Debug)]
pub(super) struct AttemptResult {
    pub(super) endpoint: EndpointId,
    pub(super) delivery: DeliveryId,
    pub(super) verdict: EndpointHealth,
    /// Log position of the attempt; `None` when it was not made, or could not be recorded.
    pub(super) recorded: Option<Position>,
}

/// Reports the result of an attempt, also when its actor dies.
struct Reply {
    done: Option<AttemptResult>,
    to: mpsc::UnboundedSender<AttemptResult>,
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            // nobody receives it when the lease was lost meanwhile
            let _ = self.to.send(done);
        }
    }
}

/// The threads that delivery actors run on.
#[derive(Debug, Clone)]
pub(super) struct WorkerPool {
    arbiters: Arc<[ArbiterHandle]>,
    next: Arc<AtomicUsize>,
}

impl WorkerPool {
    pub(super) fn start(arbiters: usize) -> Self {
        let arbiters = (0..arbiters.max(1)).map(|_| Arbiter::new().handle()).collect();
        Self { arbiters, next: Arc::default() }
    }

    pub(super) fn stop(&self) {
        for arbiter in self.arbiters.iter() {
            arbiter.stop();
        }
    }

    /// Begins an attempt; its result is sent to `to`.
    pub(super) fn begin(&self, job: DeliveryJob, to: mpsc::UnboundedSender<AttemptResult>) {
        let done = AttemptResult {
            endpoint: job.target.id,
            delivery: job.item.id,
            verdict: EndpointHealth::Unknown,
            recorded: None,
        };
        let actor = DeliveryActor { job: Some(job), reply: Some(Reply { done: Some(done), to }) };
        let at = self.next.fetch_add(1, Ordering::Relaxed) % self.arbiters.len();
        DeliveryActor::start_in_arbiter(&self.arbiters[at], move |_| actor);
    }
}

/// An attempt to be made.
pub(super) struct DeliveryJob {
    pub(super) delivery_sender: Arc<DeliverySender>,
    pub(super) target: Arc<Target>,
    pub(super) item: DueDelivery,
    pub(super) body: Bytes,
    /// An endpoint that has only failed since before this time is disabled.
    pub(super) patience: Time,
}

/// The actor of one delivery, during one attempt.
struct DeliveryActor {
    job: Option<DeliveryJob>,
    reply: Option<Reply>,
}

impl Actor for DeliveryActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        let (Some(job), Some(mut reply)) = (self.job.take(), self.reply.take()) else {
            return context.stop();
        };
        let step = async move {
            let span = span(&job).await;
            let outcome = attempt(job).instrument(span).await;
            if let (Some(done), Some((verdict, recorded))) = (&mut reply.done, outcome) {
                done.verdict = verdict;
                done.recorded = recorded;
            }
        };
        context.wait(step.into_actor(self).map(|(), _, context| context.stop()));
    }
}

/// The span of an attempt, in the trace of the event that is delivered, however long ago that was.
async fn span(job: &DeliveryJob) -> tracing::Span {
    let trace = job.delivery_sender.trace();
    if !(trace.recording)() {
        return tracing::Span::none();
    }
    let cause = job.delivery_sender.trace_of(job.item.of.source).await;
    trace.continuing(cause.as_deref(), || {
        tracing::info_span!(
            parent: None,
            "delivery.attempt",
            otel.kind = "consumer",
            delivery.id = %job.item.id,
            attempt = job.item.version.0 as i64 + 1,
            messaging.system = "voxledger",
            messaging.operation.type = "process",
            messaging.destination.name = "deliveries",
        )
    })
}

/// Sends and records; `None` when nothing was sent.
async fn attempt(job: DeliveryJob) -> Option<(EndpointHealth, Option<Position>)> {
    let DeliveryJob { delivery_sender, target, item, body, patience } = job;
    let attempt = match delivery_sender.send(&target, item.of.event, body).await {
        Ok(attempt) => attempt,
        Err(error) => {
            tracing::warn!(endpoint.id = %target.id, error = &error as &dyn std::error::Error, "nothing was sent");
            return None;
        }
    };
    measure(&attempt);
    let (verdict, seen, status) = (EndpointHealth::of(&attempt), attempt.began_at, attempt.status);
    let failed = !attempt.succeeded();
    let recorded = record(&delivery_sender, &item, attempt).await;
    let reason = match status {
        Some(410) => Some(DisabledFor::Gone),
        _ if failed && target.failing_since.is_some_and(|since| since <= patience) => {
            Some(DisabledFor::Failing)
        }
        _ => None,
    };
    if let Some(reason) = reason {
        // if this is lost, the next attempt disables the endpoint
        if let Err(error) = delivery_sender.disable(&target, reason, seen).await {
            tracing::warn!(endpoint.id = %target.id, %error, "the endpoint is not disabled yet");
        }
    }
    Some((verdict, recorded))
}

async fn record(delivery_sender: &DeliverySender, item: &DueDelivery, attempt: Attempt) -> Option<Position> {
    for _ in 0..RECORDINGS {
        match delivery_sender.record(item, Cause::Due, attempt.clone(), None, None).await {
            Ok(position) => return Some(position),
            Err(error @ (CommandError::OtherClient | CommandError::Unreadable(_))) => {
                tracing::error!(delivery.id = %item.id, %error, "an attempt cannot be recorded");
                return None;
            }
            Err(error) => {
                tracing::warn!(delivery.id = %item.id, %error, "an attempt is not recorded yet");
                delivery_sender.pause(RECORDING_PAUSE).await;
            }
        }
    }
    None
}

fn measure(attempt: &Attempt) {
    let outcome = attempt.error.map_or("succeeded", ErrorClass::as_str);
    metrics::counter!(domain::metrics::WEBHOOK_ATTEMPTS, "outcome" => outcome).increment(1);
    metrics::histogram!(domain::metrics::WEBHOOK_ATTEMPT_SECONDS).record(attempt.latency_ms as f64 / 1_000.0);
}
