//! The suite of logs that are copied into, on every engine.

use conformance::log_target::Subject;
use tokio::sync::Mutex;

use super::{Engine, place};

async fn fresh(engine: Engine) -> Subject {
    let place = place(engine).await;
    let target = place.target.open_for_copy().await.unwrap();
    Subject { target: Mutex::new(target), keep: place._keep }
}

mod sqlite {
    async fn fresh() -> conformance::log_target::Subject {
        super::fresh(super::Engine::Sqlite).await
    }

    conformance::log_target_suite!(super::fresh);
}

mod postgres {
    async fn fresh() -> conformance::log_target::Subject {
        super::fresh(super::Engine::Postgres).await
    }

    conformance::log_target_suite!(super::fresh);
}

mod kurrent {
    async fn fresh() -> conformance::log_target::Subject {
        super::fresh(super::Engine::Kurrent).await
    }

    conformance::log_target_suite!(super::fresh);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_another_process_writes_is_not_copied_into() {
    let place = place(Engine::Sqlite).await;
    let node = adapters::event_store::EventLog::open(&place.target).await.unwrap();
    let refused = place.target.open_for_copy().await.unwrap_err().to_string();
    assert!(refused.contains("already open for writing"), "{refused}");
    node.close().await;
    place.target.open_for_copy().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_was_cut_off_in_kurrentdb_goes_on_and_doubles_nothing() {
    use fake_kurrentdb::{AppendFault, FakeKurrentDb};

    let server = FakeKurrentDb::start().await.unwrap();
    let target: adapters::event_store::Target = server.address().parse().unwrap();
    let given = super::events(1..=60);
    let mut into = target.open_for_copy().await.unwrap();
    into.write(&given[..10]).await.unwrap();
    server.faults().next_appends([
        AppendFault::ResetAfterCommit,
        AppendFault::TimeoutWritten,
        AppendFault::ResetBeforeCommit,
        AppendFault::LeaderMovesAfterCommit,
    ]);
    into.write(&given[10..]).await.unwrap();
    assert_eq!(into.log().read_all(domain::envelope::Position(0), 100).await.unwrap(), given);
}
