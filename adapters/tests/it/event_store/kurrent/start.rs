//! What keeps a log in KurrentDB from being opened.

use adapters::event_store::{KurrentEventStore, OpenError, WriterLimits};
use domain::ports::event_store::{EventStore as _, Expected};
use fake_kurrentdb::{FakeKurrentDb, Settings};

use super::super::{event, log, stream};
use super::address;

async fn opened(address: &str) -> Result<(), OpenError> {
    KurrentEventStore::open_with(&address.parse()?, WriterLimits::default()).await.map(drop)
}

async fn with(settings: Settings) -> FakeKurrentDb {
    FakeKurrentDb::start_with(settings).await.unwrap()
}

#[tokio::test]
async fn nobody_at_the_address_is_told_with_the_address_but_not_the_password() {
    let server = with(Settings::default()).await;
    let place = server.socket(0).unwrap();
    drop(server);
    for scheme in ["kurrentdb", "kurrentdb+discover"] {
        let address =
            format!("{scheme}://admin:s3cret@{place}?tls=false&discoveryInterval=5&gossipTimeout=100");
        let error = opened(&address).await.unwrap_err().to_string();
        assert!(error.contains("cannot reach") && error.contains(&place.to_string()), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_too_old_is_refused() {
    for (version, lists_features) in [("22.10.5", true), ("26.2.0", false)] {
        let server =
            with(Settings { version: version.to_owned(), lists_features, ..Settings::default() }).await;
        let error = opened(&server.address()).await.unwrap_err();
        assert!(matches!(&error, OpenError::Version(text) if text.contains("24.10 or newer")), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_told_at_once_and_the_right_one_opens() {
    let login = Some(("ops".to_owned(), "pass:word".to_owned()));
    let server = with(Settings { login, ..Settings::default() }).await;
    let place = server.socket(0).unwrap();
    let at = |user: &str| format!("kurrentdb://{user}@{place}?tls=false&discoveryInterval=5");
    for wrong in ["ops:s3cret", "ops", "admin:pass%3Aword"] {
        let error = opened(&at(wrong)).await.unwrap_err().to_string();
        assert!(error.contains("denies access") && !error.contains("s3cret"), "{error}");
    }
    opened(&at("ops:pass%3Aword")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_of_another_program_under_the_prefix_keep_the_log_closed() {
    let server = with(Settings::default()).await;
    let foreign = fake_kurrentdb::NewEvent {
        id: domain::testing::ids::sequential(1),
        event_type: "OrderPlaced".to_owned(),
        is_json: true,
        data: "{}".into(),
        metadata: Default::default(),
    };
    server.write("voxledger.orders", &[foreign]);
    let error = opened(&server.address()).await.unwrap_err().to_string();
    assert!(error.contains("voxledger.orders") && error.contains("streamPrefix"), "{error}");
    // under another prefix there is room
    opened(&format!("{}&streamPrefix=other.", server.address())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_index_is_made_anew() {
    let server = with(Settings::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let address = address(&server).with_replica_in(folder.path());
    let open = async || KurrentEventStore::open_with(&address, WriterLimits::default()).await.unwrap();
    let store = open().await;
    for n in 1..=3 {
        store.append(&stream(n), Expected::NoStream, vec![event(n)]).await.unwrap();
    }
    let before = log(&store).await;
    store.close().await;
    drop(store);
    std::fs::write(folder.path().join("events.replica.db"), vec![7; 8_192]).unwrap();
    assert_eq!(log(&open().await).await, before);
}
