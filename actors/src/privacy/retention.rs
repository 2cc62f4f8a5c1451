//! Ends what is kept too long. The log decides when the next run over rows is due: a day after the last one.

use std::time::Duration;

use domain::envelope::{Actor, Position, StreamId, Time};
use domain::ids::ClientId;
use domain::origin::Origin;
use domain::ports::StoreUnavailable;
use domain::privacy::policy::{PolicyCommand, PrivacyPolicy, RetentionKind, RetentionRan};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{PrivacyDeps, PrivacyOptions};
use crate::context::{Appends, CommandContext};
use crate::session::Session;

/// Time between two runs over rows of one kind.
const PERIOD: Duration = Duration::from_secs(24 * 3600);
/// Rows removed in one transaction.
const PORTION: usize = 2_000;

/// How long each kind of row is kept, and when the next run is due (`None`: read it from the log).
pub(super) struct Schedule {
    rows: [(RetentionKind, Duration, Option<Time>); 3],
    content: Time,
}

impl Schedule {
    /// A schedule whose due times are read from the log at the first look.
    pub(super) fn new(options: &PrivacyOptions, now: Time) -> Self {
        let rows = [
            (RetentionKind::AuditLog, options.audit_retention),
            (RetentionKind::WebhookAttempts, options.attempt_retention),
            (RetentionKind::IvrSessions, options.session_retention),
        ];
        Self { rows: rows.map(|(kind, kept)| (kind, kept, None)), content: now }
    }

    /// Runs what is due; a run that fails is due again at the next look.
    pub(super) async fn keep(
        &mut self,
        deps: &PrivacyDeps,
        options: &PrivacyOptions,
        lease_lost: &CancellationToken,
    ) -> Result<(), StoreUnavailable> {
        let clock = &deps.runtime.clock;
        if clock.now() >= self.content {
            self.content = clock.now() + options.retention;
            end_content(deps).await?;
        }
        for (kind, kept, due) in &mut self.rows {
            if due.is_none() {
                *due = first_due(deps, *kind).await?;
            }
            let Some(at) = *due else { continue };
            if clock.now() >= at && !lease_lost.is_cancelled() {
                // the next due time is read from the log again, whether or not the run succeeds
                *due = None;
                run(deps, *kind, *kept, lease_lost).await?;
            }
        }
        Ok(())
    }
}

/// When the next run of a kind is due, according to the log; `None` while the log is empty.
async fn first_due(deps: &PrivacyDeps, kind: RetentionKind) -> Result<Option<Time>, StoreUnavailable> {
    let mut session = Session::<PrivacyPolicy>::new(deps.runtime.clone(), kind.stream());
    session.ensure_loaded().await.map_err(stuck)?;
    if let Some(last) = session.state().ran_at() {
        return Ok(Some(last + PERIOD));
    }
    let first = deps.runtime.store.read_all(Position::START, 1).await.map_err(stuck)?;
    Ok(first.first().map(|first| first.recorded_at + PERIOD))
}

/// Runs retention over the rows of a kind, and records it.
async fn run(
    deps: &PrivacyDeps,
    kind: RetentionKind,
    kept: Duration,
    lease_lost: &CancellationToken,
) -> Result<(), StoreUnavailable> {
    let at = deps.runtime.clock.now();
    let before = at - kept;
    let mut destroyed = 0;
    if kind == RetentionKind::WebhookAttempts {
        loop {
            let removed = deps.deliveries.sweep(before, PORTION).await?;
            destroyed += removed;
            if removed == 0 {
                break;
            }
            if lease_lost.is_cancelled() {
                // the next owner continues
                return Ok(());
            }
            // lets the tasks that send deliveries run
            tokio::task::yield_now().await;
        }
    }
    let session = Session::new(deps.runtime.clone(), kind.stream());
    note(deps, session, deps.operator, (kind, Some(before), destroyed), at).await
}

/// Destroys expired call content, and records one event for each client that had any.
async fn end_content(deps: &PrivacyDeps) -> Result<(), StoreUnavailable> {
    for (client, destroyed) in deps.data.end_content().await? {
        let stream = StreamId::new("retention", deps.runtime.ids.next());
        let session = Session::on_new_stream(deps.runtime.clone(), stream);
        note(deps, session, client, (RetentionKind::CallContent, None, destroyed), deps.runtime.clock.now())
            .await?;
    }
    Ok(())
}

async fn note(
    deps: &PrivacyDeps,
    mut session: Session<PrivacyPolicy>,
    client: ClientId,
    (kind, before, destroyed): (RetentionKind, Option<Time>, u64),
    at: Time,
) -> Result<(), StoreUnavailable> {
    let run = deps.runtime.ids.next();
    let ran = RetentionRan { run, kind, before, destroyed, at };
    session.execute(&PolicyCommand::Ran(ran), &of_the_node(client, run), None).await.map_err(stuck)?;
    Ok(())
}

fn stuck(error: impl std::fmt::Display) -> StoreUnavailable {
    StoreUnavailable(error.to_string())
}

pub(super) fn of_the_node(client: ClientId, correlation_id: Uuid) -> CommandContext {
    CommandContext {
        client,
        correlation_id,
        causation_id: None,
        actor: Actor::System("privacy".to_owned()),
        request_id: None,
        traceparent: None,
        command_id: None,
        origin: Origin::default(),
        appends: Appends::default(),
    }
}
