//! Recordings that are fetched, and uploads that nobody uses.

use std::time::Duration;

use actors::uploads::{PutUrl, UploadError};
use actors::{CommandContext, CommandError};
use bytes::Bytes;
use chrono::TimeDelta;
use domain::call::CallEvent;
use domain::call::report::{CarrierFact, FoundRecording, HangUp, HangUpCause, HangUpSource, RecordingSaved};
use domain::call::terms::LostBecause;
use domain::ids::{CallId, ClientId, UploadId};
use domain::ports::clock::Clock;
use domain::ports::objects::{ObjectError, ObjectKey, ObjectLabels};
use domain::ports::recordings::KeepError;
use domain::ports::telephony::CarrierError;
use domain::upload::UploadRefusal;
use uuid::Uuid;

use crate::world::World;

const MINUTE: Duration = Duration::from_secs(60);

fn not_yet() -> KeepError {
    KeepError::NotYet("404".to_owned())
}

fn saved(world: &World) -> CarrierFact {
    CarrierFact::RecordingSaved(RecordingSaved {
        recording_id: Some(Uuid::from_u128(77).to_string()),
        url: Some("https://storage.example.test/first".to_owned().into()),
        format: None,
        started_at: None,
        ended_at: None,
        url_expires_at: Some(world.clock.now() + TimeDelta::minutes(10)),
        channels: Some(2),
    })
}

fn hung_up() -> CarrierFact {
    CarrierFact::HungUp(HangUp {
        cause: HangUpCause::Normal,
        source: HangUpSource::Caller,
        provider_code: "normal_clearing".to_owned(),
        sip_code: None,
    })
}

/// A call with a finished recording, whose webhook came before the one about the end.
async fn recorded(world: &World) -> CallId {
    world.take(world.initiated("in")).await;
    world.take(world.report("in", 2, CarrierFact::Answered)).await;
    world.take(world.report("in", 3, saved(world))).await;
    world.take(world.report("in", 4, hung_up())).await;
    world.only_call().await
}

fn asked(world: &World) -> Vec<String> {
    world.keeper.asked.lock().unwrap().clone()
}

#[actix::test]
async fn a_recording_is_stored_once_although_the_call_is_over() {
    let world = World::new();
    let call = recorded(&world).await;
    world.start_work();
    world.settle().await;
    let CallEvent::RecordingStored(stored) = world.last(call).await else { panic!("not stored") };
    assert_eq!((stored.channels, stored.file.bytes), (Some(2), 104));
    assert_eq!(asked(&world), ["https://storage.example.test/first"]);
    world.pass(MINUTE).await;
    assert_eq!(asked(&world).len(), 1);
    assert!(world.calls.inspect(call).await.unwrap().stored_file(&stored.file.object).is_some());
}

#[actix::test]
async fn a_recording_that_is_not_there_yet_is_asked_for_again() {
    let world = World::new();
    let call = recorded(&world).await;
    world.keeper.answers.lock().unwrap().extend([not_yet(), not_yet()]);
    world.start_work();
    world.pass(MINUTE).await;
    assert_eq!(asked(&world), vec!["https://storage.example.test/first"; 3]);
    assert!(world.carrier.asked_names().iter().all(|name| name != "find_recording"));
    assert!(matches!(world.last(call).await, CallEvent::RecordingStored(_)));
}

#[actix::test]
async fn an_address_that_has_expired_is_not_used_and_the_carrier_names_another() {
    let world = World::new();
    let call = recorded(&world).await;
    world.clock.advance(Duration::from_secs(20 * 60));
    // the carrier is away, then has no file yet
    world.carrier.fails_next([CarrierError::Unavailable { reason: "down".into(), retry_after: None }]);
    world.start_work();
    world.pass(Duration::from_secs(3)).await;
    assert_eq!(asked(&world), Vec::<String>::new());
    *world.carrier.kept.lock().unwrap() =
        Some(FoundRecording { url: "https://storage.example.test/second".to_owned().into() });
    world.pass(MINUTE).await;
    assert_eq!(asked(&world), ["https://storage.example.test/second"]);
    assert!(matches!(world.last(call).await, CallEvent::RecordingStored(_)));
}

#[actix::test]
async fn a_recording_that_never_appears_is_given_up_after_a_day_and_told() {
    let world = World::new();
    let call = recorded(&world).await;
    world.keeper.answers.lock().unwrap().extend(vec![not_yet(); 10_000]);
    *world.carrier.kept.lock().unwrap() =
        Some(FoundRecording { url: "https://storage.example.test/second".to_owned().into() });
    world.start_work();
    world.settle().await;
    // in steps of minutes: the pauses between attempts are longer than the steps of `pass`
    for _ in 0..(24 * 60 + 10) {
        world.clock.advance(MINUTE);
        world.settle().await;
    }
    let CallEvent::RecordingNotStored(lost) = world.last(call).await else { panic!("not given up") };
    assert_eq!(lost.because, LostBecause::NeverAppeared);
    assert!((200..=1_000).contains(&lost.attempts), "{}", lost.attempts);
}

#[actix::test]
async fn what_cannot_be_stored_is_told_at_once() {
    let world = World::new();
    let call = recorded(&world).await;
    world.keeper.answers.lock().unwrap().push_back(KeepError::Never(LostBecause::NotSound));
    world.start_work();
    world.settle().await;
    let CallEvent::RecordingNotStored(lost) = world.last(call).await else { panic!("not given up") };
    assert_eq!((lost.because, lost.attempts), (LostBecause::NotSound, 1));
}

#[actix::test]
async fn recordings_wait_for_a_place_and_all_of_them_get_one() {
    let world = World::new();
    for n in 0..40 {
        let name = format!("leg-{n}");
        world.take(world.initiated(&name)).await;
        world.take(world.report(&name, 2, saved(&world))).await;
    }
    world.start_work();
    world.pass(3 * MINUTE).await;
    assert_eq!(asked(&world).len(), 40);
    for call in world.all_calls().await {
        assert!(world.types(call).await.contains(&"recording_stored".to_owned()));
    }
}

fn upload(world: &World) -> UploadId {
    UploadId(world.runtime.ids.next())
}

/// Presigns an upload of a hundred bytes, and puts them.
async fn uploaded(world: &World) -> (UploadId, ObjectKey) {
    let id = upload(world);
    let context = world.context();
    let presigned = world.uploads.presign(&context, id, "audio/mpeg", 100).await.unwrap();
    assert!(matches!(presigned.url, PutUrl::Node(_)) && presigned.max_bytes == 100);
    let key = ObjectKey::of_upload(context.client, id.0, world.runtime.ids.next());
    let mut writer = world.uploads.objects.begin(&key, &ObjectLabels::default()).await.unwrap();
    writer.write(Bytes::from_static(&[7; 100])).await.unwrap();
    let written = writer.finish().await.unwrap();
    world.uploads.received(&context, id, &key, written).await.unwrap();
    (id, key)
}

#[actix::test]
async fn a_file_that_nobody_used_is_removed_after_a_day_and_one_in_use_stays() {
    let world = World::new();
    world.start_work();
    let (unused, unused_key) = uploaded(&world).await;
    let (used, used_key) = uploaded(&world).await;
    let file = world.uploads.take(&world.context(), used, "voice_1").await.unwrap();
    assert_eq!((file.bytes, &*file.object), (100, used_key.as_str()));
    world.settle().await;
    world.clock.advance(Duration::from_secs(24 * 3600 - 1));
    world.settle().await;
    assert!(world.uploads.objects.head(&unused_key).await.is_ok(), "a second early");
    world.clock.advance(Duration::from_secs(2));
    world.settle().await;
    assert!(matches!(world.uploads.objects.head(&unused_key).await, Err(ObjectError::Missing)));
    assert!(world.uploads.objects.head(&used_key).await.is_ok());
    let late = world.uploads.take(&world.context(), unused, "voice_2").await;
    let refused = |error: &UploadError, refusal: UploadRefusal| matches!(error, UploadError::Command(CommandError::Refused(known)) if *known == refusal);
    assert!(refused(&late.unwrap_err(), UploadRefusal::Removed));
    let twice = world.uploads.take(&world.context(), used, "voice_2").await;
    assert!(refused(&twice.unwrap_err(), UploadRefusal::Used));
}

#[actix::test]
async fn another_clients_upload_does_not_exist() {
    let world = World::new();
    let (id, _) = uploaded(&world).await;
    let stranger = CommandContext { client: ClientId(Uuid::from_u128(2)), ..world.context() };
    let taken = world.uploads.take(&stranger, id, "voice_1").await;
    assert!(matches!(taken, Err(UploadError::Command(CommandError::OtherClient))), "{taken:?}");
    let promised = world.uploads.promised(stranger.client, id).await;
    assert!(matches!(promised, Err(UploadError::Command(CommandError::OtherClient))), "{promised:?}");
    let unknown = world.uploads.promised(stranger.client, upload(&world)).await;
    let unknown = unknown.unwrap_err();
    assert!(
        matches!(unknown, UploadError::Command(CommandError::Refused(UploadRefusal::Unknown))),
        "{unknown:?}"
    );
}

#[actix::test]
async fn the_url_of_an_upload_works_for_a_quarter_of_an_hour() {
    let world = World::new();
    let id = upload(&world);
    world.uploads.presign(&world.context(), id, "audio/mpeg", 100).await.unwrap();
    let client = world.context().client;
    assert!(world.uploads.promised(client, id).await.is_ok());
    world.clock.advance(Duration::from_secs(15 * 60));
    let late = world.uploads.promised(client, id).await.unwrap_err();
    assert!(matches!(late, UploadError::Command(CommandError::Refused(UploadRefusal::Expired))), "{late:?}");
}
