//! Commands and rules of a privacy job.

use super::event::{
    CopiesCleaned, DataFound, JobCompleted, JobKind, JobRequested, KeysDestroyed, PrivacyJobEvent,
};
use crate::aggregate::Aggregate;
use crate::ids::PrivacyJobId;

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum JobStatus {
    #[default]
    Unknown,
    /// Nothing was done yet.
    Requested,
    KeysDestroyed,
    Found,
    /// Copies outside the log are clean.
    Cleaned,
    Completed,
}

impl JobStatus {
    /// Every status that an existing job may have.
    pub const ALL: [JobStatus; 5] =
        [Self::Requested, Self::KeysDestroyed, Self::Found, Self::Cleaned, Self::Completed];

    /// Name on the wire and in views, for example `keys_destroyed`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Requested => "requested",
            Self::KeysDestroyed => "keys_destroyed",
            Self::Found => "found",
            Self::Cleaned => "cleaned",
            Self::Completed => "completed",
        }
    }
}

/// Requests a job, or records a step that was done.
#[derive(Debug, Clone)]
pub enum JobCommand {
    Request(JobRequested),
    KeysDestroyed(KeysDestroyed),
    Found(DataFound),
    Cleaned(CopiesCleaned),
    Complete(JobCompleted),
}

/// Why the job refuses a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobRefusal {
    #[error("the job does not exist")]
    Unknown,
    /// The step does not follow the job's present status.
    #[error("the job is {}, which that step does not follow", .0.as_str())]
    OutOfOrder(JobStatus),
}

/// State of a privacy job, folded from its events; holds everything that its receipt shows.
#[derive(Debug, Clone, Default)]
pub struct PrivacyJob {
    status: JobStatus,
    requested: Option<JobRequested>,
    destroyed: Option<KeysDestroyed>,
    found: Option<DataFound>,
    cleaned: Option<CopiesCleaned>,
    completed: Option<JobCompleted>,
}

impl PrivacyJob {
    #[must_use]
    pub fn status(&self) -> JobStatus {
        self.status
    }

    #[must_use]
    pub fn requested(&self) -> Option<&JobRequested> {
        self.requested.as_ref()
    }

    #[must_use]
    pub fn destroyed(&self) -> Option<&KeysDestroyed> {
        self.destroyed.as_ref()
    }

    #[must_use]
    pub fn found(&self) -> Option<&DataFound> {
        self.found.as_ref()
    }

    #[must_use]
    pub fn cleaned(&self) -> Option<&CopiesCleaned> {
        self.cleaned.as_ref()
    }

    #[must_use]
    pub fn completed(&self) -> Option<&JobCompleted> {
        self.completed.as_ref()
    }

    /// The status that `step` must follow.
    fn before(&self, step: JobStatus) -> JobStatus {
        let erases = self.requested.as_ref().is_some_and(|asked| asked.kind == JobKind::Erase);
        match step {
            JobStatus::KeysDestroyed => JobStatus::Requested,
            JobStatus::Found if erases => JobStatus::KeysDestroyed,
            JobStatus::Found => JobStatus::Requested,
            JobStatus::Cleaned => JobStatus::Found,
            JobStatus::Completed if erases => JobStatus::Cleaned,
            JobStatus::Completed => JobStatus::Found,
            JobStatus::Requested | JobStatus::Unknown => JobStatus::Unknown,
        }
    }
}

impl Aggregate for PrivacyJob {
    const CATEGORY: &'static str = PrivacyJobId::CATEGORY;
    type Command = JobCommand;
    type Event = PrivacyJobEvent;
    type Refusal = JobRefusal;

    fn decide(&self, command: &JobCommand) -> Result<Vec<PrivacyJobEvent>, JobRefusal> {
        let (step, event) = match command.clone() {
            JobCommand::Request(event) => (JobStatus::Requested, event.into()),
            JobCommand::KeysDestroyed(event) => (JobStatus::KeysDestroyed, event.into()),
            JobCommand::Found(event) => (JobStatus::Found, event.into()),
            JobCommand::Cleaned(event) => (JobStatus::Cleaned, event.into()),
            JobCommand::Complete(event) => (JobStatus::Completed, event.into()),
        };
        match self.status {
            // a step that was done by another node, or before a crash, is no news
            status if status >= step => Ok(vec![]),
            JobStatus::Unknown if step > JobStatus::Requested => Err(JobRefusal::Unknown),
            status if status == self.before(step) => Ok(vec![event]),
            status => Err(JobRefusal::OutOfOrder(status)),
        }
    }

    fn evolve(&mut self, event: &PrivacyJobEvent) {
        self.status = match event {
            PrivacyJobEvent::Requested(event) => {
                self.requested = Some(event.clone());
                JobStatus::Requested
            }
            PrivacyJobEvent::KeysDestroyed(event) => {
                self.destroyed = Some(event.clone());
                JobStatus::KeysDestroyed
            }
            PrivacyJobEvent::DataFound(event) => {
                self.found = Some(event.clone());
                JobStatus::Found
            }
            PrivacyJobEvent::CopiesCleaned(event) => {
                self.cleaned = Some(event.clone());
                JobStatus::Cleaned
            }
            PrivacyJobEvent::Completed(event) => {
                self.completed = Some(event.clone());
                JobStatus::Completed
            }
        };
    }
}
