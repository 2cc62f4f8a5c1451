use uuid::Uuid;

use super::*;
use crate::envelope::Position;
use crate::ids::SubjectId;
use crate::origin::Origin;
use crate::testing::calls::at;
use crate::testing::scenario::scenario;

fn requested(kind: JobKind) -> JobRequested {
    let subject = SubjectId(Uuid::from_u128(1));
    JobRequested {
        kind,
        subject,
        named_by: NamedBy::Phone,
        persons: vec![subject],
        origin: Origin::default(),
        at: at(0),
    }
}

fn destroyed() -> KeysDestroyed {
    KeysDestroyed { keys: vec![Uuid::from_u128(2)], forgotten_at: at(31), at: at(1) }
}

fn found() -> DataFound {
    let (events, streams) = ([("call.received".to_owned(), 1)].into(), [("call".to_owned(), 1)].into());
    DataFound { events, streams, values: 2, through: Position(9), at: at(32) }
}

fn cleaned() -> CopiesCleaned {
    CopiesCleaned {
        views: vec!["calls".to_owned()],
        public_events: 1,
        attempts: 0,
        recordings: 0,
        recordings_left: 0,
        at: at(33),
    }
}

fn completed() -> JobCompleted {
    JobCompleted { nothing_found: false, until: Some(at(99)), at: at(34) }
}

#[test]
fn an_erasure_goes_step_by_step_and_a_step_done_again_is_no_news() {
    let job = scenario::<PrivacyJob>().when(JobCommand::Request(requested(JobKind::Erase)));
    let job = job.then([requested(JobKind::Erase).into()]).and();
    job.clone().when(JobCommand::Found(found())).then_refused(JobRefusal::OutOfOrder(JobStatus::Requested));
    job.clone().when(JobCommand::Request(requested(JobKind::Erase))).then_nothing();
    let job = job.when(JobCommand::KeysDestroyed(destroyed())).then([destroyed().into()]).and();
    job.clone().when(JobCommand::KeysDestroyed(destroyed())).then_nothing();
    let refused = JobRefusal::OutOfOrder(JobStatus::KeysDestroyed);
    job.clone().when(JobCommand::Complete(completed())).then_refused(refused);
    let job = job.when(JobCommand::Found(found())).then([found().into()]).and();
    let job = job.when(JobCommand::Cleaned(cleaned())).then([cleaned().into()]).and();
    let job = job.when(JobCommand::Complete(completed())).then([completed().into()]).and();
    job.clone().when(JobCommand::Complete(completed())).then_nothing();
    job.when(JobCommand::KeysDestroyed(destroyed())).then_nothing();
}

#[test]
fn an_export_destroys_nothing() {
    let job = scenario::<PrivacyJob>().after([JobCommand::Request(requested(JobKind::Export))]);
    let job = job.when(JobCommand::Found(found())).then([found().into()]).and();
    job.when(JobCommand::Complete(completed())).then([completed().into()]);
}

#[test]
fn a_job_nobody_asked_for_does_nothing() {
    scenario::<PrivacyJob>().when(JobCommand::Found(found())).then_refused(JobRefusal::Unknown);
}
