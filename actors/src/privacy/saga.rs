//! The steps of a privacy job, from the request to the receipt.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use domain::envelope::Position;
use domain::ids::{PrivacyJobId, SubjectId};
use domain::origin::Origin;
use domain::ports::StoreUnavailable;
use domain::ports::privacy::{Findings, OpenJob};
use domain::privacy::job::{
    CopiesCleaned, DataFound, JobCommand, JobCompleted, JobKind, JobRefusal, JobRequested, JobStatus,
    KeysDestroyed, NamedBy, PrivacyJob,
};
use tokio_util::sync::CancellationToken;

use super::files;
use super::memories;
use super::recordings::Recordings;
use super::retention::{Schedule, of_the_node};
use super::{PrivacyDeps, PrivacyOptions};
use crate::context::CommandContext;
use crate::session::{CommandError, Receipt, Session};

/// Most jobs handled in one round.
const BATCH: u32 = 100;
/// An open job without events after this long was never requested: its requester got no answer.
const GIVEN_UP: Duration = Duration::from_secs(600);

/// A privacy job to begin.
#[derive(Debug, Clone)]
pub struct Begun {
    pub id: PrivacyJobId,
    /// Whether to erase or to export.
    pub kind: JobKind,
    /// Pseudonym of the person.
    pub subject: SubjectId,
    /// What the person was named by in the request, for example a phone number.
    pub named_by: NamedBy,
    /// Pseudonyms whose keys the job covers.
    pub persons: Vec<SubjectId>,
    /// IP address of the requester.
    pub origin: Origin,
}

/// Why a job cannot continue now.
#[derive(Debug, thiserror::Error)]
enum Stuck {
    #[error(transparent)]
    Store(#[from] StoreUnavailable),
    #[error(transparent)]
    Command(#[from] CommandError<JobRefusal>),
}

/// Records the request for a job; the node that holds the lease carries it out. Fails when the
/// request cannot be recorded.
pub async fn begin(
    deps: &PrivacyDeps,
    context: &CommandContext,
    job: Begun,
) -> Result<Receipt, CommandError<JobRefusal>> {
    let at = deps.runtime.clock.now();
    let open = OpenJob { id: job.id, client: context.client, since: at };
    deps.data.open(open).await.map_err(|error| CommandError::Unavailable(error.to_string()))?;
    let Begun { id, kind, subject, named_by, persons, origin } = job;
    let request = JobRequested { kind, subject, named_by, persons, origin, at };
    let mut session = Session::<PrivacyJob>::new(deps.runtime.clone(), id.stream());
    session.execute(&JobCommand::Request(request), context, None).await
}

/// Works on all open jobs, again and again, until the lease is lost.
pub(super) async fn keep_working(
    deps: &PrivacyDeps,
    options: PrivacyOptions,
    lease_lost: &CancellationToken,
) {
    let clock = &deps.runtime.clock;
    let mut schedule = Schedule::new(&options, clock.now());
    let mut forgetting = Forgetting::new();
    while !lease_lost.is_cancelled() {
        if let Err(error) = schedule.keep(deps, &options, lease_lost).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "what has had its time waits for its end");
        }
        match deps.data.open_jobs(BATCH).await {
            Ok(jobs) => {
                for job in jobs {
                    if lease_lost.is_cancelled() {
                        return;
                    }
                    let done = lease_lost.run_until_cancelled(work(deps, options, job, &mut forgetting));
                    if let Some(Err(error)) = done.await {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(job.id = %job.id, error, "a privacy job waits");
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "privacy jobs cannot be looked up"),
        }
        tokio::select! {
            () = lease_lost.cancelled() => {}
            () = clock.sleep(options.look) => {}
        }
    }
}

/// Since when this node has waited for other nodes to forget destroyed keys, by the monotonic clock. A node that
/// takes a job over waits anew.
type Forgetting = HashMap<PrivacyJobId, Instant>;

/// Carries a job as far as it can go now.
async fn work(
    deps: &PrivacyDeps,
    options: PrivacyOptions,
    open: OpenJob,
    forgetting: &mut Forgetting,
) -> Result<(), Stuck> {
    let clock = &deps.runtime.clock;
    let mut job = Job {
        session: Session::new(deps.runtime.clone(), open.id.stream()),
        context: of_the_node(open.client, open.id.0),
        through: Position::START,
    };
    job.session.ensure_loaded().await?;
    let Some(asked) = job.session.state().requested().cloned() else {
        if clock.now() >= open.since + GIVEN_UP {
            deps.data.close(open.id).await?;
        }
        return Ok(());
    };
    let mut known: Option<Findings> = None;
    loop {
        let now = clock.now();
        match (job.session.state().status(), asked.kind) {
            (JobStatus::Unknown, _) => return Ok(()),
            (JobStatus::Requested, JobKind::Erase) => {
                let keys = deps.data.destroy(open.client, &asked.persons).await?;
                let at = clock.now();
                let forgotten_at = at + deps.data.key_life();
                job.step(JobCommand::KeysDestroyed(KeysDestroyed { keys, forgotten_at, at })).await?;
                if forgotten_at > at
                    && let Err(error) = deps.data.clean_now(open.client, &asked.persons).await
                {
                    tracing::warn!(job.id = %open.id, %error, "what is shown of a person is cleaned later");
                }
            }
            (JobStatus::Requested, JobKind::Export) => {
                let until = now + options.export_retention;
                let findings = deps.data.export(open, &asked.persons, until).await?;
                job.step(JobCommand::Found(found(&findings, now))).await?;
            }
            (JobStatus::KeysDestroyed, _) => {
                let destroyed = job.session.state().destroyed();
                let life = destroyed.map(|destroyed| destroyed.forgotten_at - destroyed.at);
                let life = life.and_then(|life| life.to_std().ok()).unwrap_or_default();
                let since = *forgetting.entry(open.id).or_insert_with(|| clock.monotonic());
                if clock.monotonic().saturating_duration_since(since) < life {
                    // waits for the other nodes to forget the keys; other jobs go on meanwhile
                    return Ok(());
                }
                forgetting.remove(&open.id);
                let findings = deps.data.find(open.client, &asked.persons).await?;
                job.step(JobCommand::Found(found(&findings, now))).await?;
                known = Some(findings);
            }
            (JobStatus::Found, JobKind::Erase) => {
                let findings = match known.take() {
                    Some(findings) => findings,
                    None => deps.data.find(open.client, &asked.persons).await?,
                };
                let through = match job.through {
                    // the job was begun by another node, or before a crash
                    Position::START => deps.runtime.store.head().await.map_err(CommandError::from)?,
                    through => through,
                };
                let recordings =
                    Recordings::delete(deps, open.client, &findings.recordings, asked.at).await?;
                files::remove(deps, &job.context, &findings.files).await?;
                memories::remove(deps, open.client, &findings.streams).await?;
                let cleaning = deps.data.clean(open.client, &findings, through).await?;
                let at = clock.now();
                let (views, public_events, attempts) =
                    (cleaning.views, cleaning.public_events, cleaning.attempts);
                let (recordings, recordings_left) = (recordings.deleted, recordings.left);
                let cleaned =
                    CopiesCleaned { views, public_events, attempts, recordings, recordings_left, at };
                job.step(JobCommand::Cleaned(cleaned)).await?;
            }
            (JobStatus::Cleaned, _) | (JobStatus::Found, JobKind::Export) => {
                let nothing_found = job.session.state().found().is_none_or(|found| found.values == 0);
                let kept = match asked.kind {
                    JobKind::Erase => options.backup_retention,
                    JobKind::Export => options.export_retention,
                };
                // without data nothing remains in backups
                let until = (asked.kind == JobKind::Export || !nothing_found).then_some(now + kept);
                job.step(JobCommand::Complete(JobCompleted { nothing_found, until, at: now })).await?;
            }
            (JobStatus::Completed, _) => {
                deps.data.close(open.id).await?;
                return Ok(());
            }
        }
    }
}

fn found(findings: &Findings, at: domain::envelope::Time) -> DataFound {
    let mut streams = std::collections::BTreeMap::new();
    for stream in &findings.streams {
        *streams.entry(stream.category().to_owned()).or_default() += 1;
    }
    DataFound {
        events: findings.events.clone(),
        streams,
        values: findings.values,
        through: findings.through,
        at,
    }
}

struct Job {
    session: Session<PrivacyJob>,
    context: CommandContext,
    /// Position of the newest event that this node wrote for the job.
    through: Position,
}

impl Job {
    async fn step(&mut self, command: JobCommand) -> Result<(), Stuck> {
        let receipt = self.session.execute(&command, &self.context, None).await?;
        self.through = receipt.position.unwrap_or(self.through);
        Ok(())
    }
}
