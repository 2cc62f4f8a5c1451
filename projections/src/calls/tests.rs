//! Rows of calls from unusual sequences of events. The tests of the stores cover the usual ones.

use domain::call::report::LegRef;
use domain::call::terms::{
    Direction, EndReason, EndedBy, Fault, LostBecause, RecordingStatus, RecordingStorage, RemovedBecause,
    Status,
};
use domain::call::{
    Answered, CallEvent, CallMetadata, DialAccepted, DialPostponed, DialStarted, DialUnknown, EndCorrected,
    Ended, LegIdentified, MetadataChanged, Queued, Received, RecordingAvailable, RecordingNotStored,
    RecordingRemoved, RecordingStored, Ringing, StoredFile,
};
use domain::envelope::{Position, Recorded, Time, Version};
use domain::ids::{CallId, ClientId};
use domain::personal::Personal;
use domain::phone::Party;
use domain::testing::ids::sequential;
use domain::wire::DomainEvent;

use super::{CallFiles, CallRow, CallView, Calls, FileState};
use crate::view::replay;

fn at(seconds: i64) -> Time {
    Time::from_timestamp_micros(1_767_225_600_000_000 + seconds * 1_000_000).unwrap()
}

fn recorded(events: &[CallEvent]) -> Vec<Recorded> {
    let recorded = |(n, event): (u64, &CallEvent)| Recorded {
        position: Position(n),
        stream: CallId(sequential(1)).stream(),
        version: Version(n),
        id: sequential(n),
        event_type: event.event_type().to_owned(),
        schema: event.schema(),
        client_id: ClientId(sequential(9)),
        payload: event.encode().into(),
        metadata: Vec::new().into(),
        recorded_at: at(0),
    };
    (1..).zip(events).map(recorded).collect()
}

fn row(events: &[CallEvent]) -> CallRow {
    replay::<Calls>(&recorded(events)).unwrap().unwrap()
}

fn view(events: &[CallEvent]) -> CallView {
    row(events).view
}

fn queued() -> CallEvent {
    Queued {
        command_id: sequential(2),
        to: Party::new("+12025550100").into(),
        from: None,
        agent_id: None,
        menu_id: None,
        metadata: CallMetadata::new().into(),
        customer_id: None,
        max_duration_ms: 60_000,
        ring_timeout_ms: 30_000,
        record: false,
        runtime: domain::agent::AgentRuntime::Carrier,
        at: at(0),
    }
    .into()
}

fn leg(control_id: Option<&str>) -> LegRef {
    let control_id = control_id.map(str::to_owned);
    LegRef { control_id, leg_id: "leg".to_owned(), session_id: None, connection_id: None }
}

fn received() -> Received {
    Received {
        foreign: false,
        provider: "telnyx".to_owned(),
        leg: leg(None),
        direction: Direction::Inbound,
        from: None,
        to: None,
        number_id: None,
        route: None,
        at: at(5),
        ring_until: at(65),
    }
}

fn ended(reason: EndReason, fault: Fault, connected: bool) -> CallEvent {
    let ended_by = EndedBy::System;
    Ended { reason, ended_by, fault, connected, provider_code: None, sip_code: None, at: at(30) }.into()
}

fn answered(seconds: i64) -> CallEvent {
    Answered { at: at(seconds), ends_by: at(600) }.into()
}

#[test]
fn an_answer_that_comes_after_the_end_makes_a_failed_call_an_ended_one() {
    let mut events = vec![queued(), ended(EndReason::CallerHangup, Fault::None, false)];
    let before = view(&events);
    assert_eq!((before.status, before.duration_ms), (Status::Failed, None));
    events.push(answered(10));
    let after = view(&events);
    assert_eq!(
        (after.status, after.answered_at, after.duration_ms),
        (Status::Ended, Some(at(10)), Some(20_000))
    );
    assert_eq!(after.end_reason, Some(EndReason::CallerHangup));
}

#[test]
fn an_end_that_was_not_understood_is_explained_later() {
    let explained = Ended {
        reason: EndReason::Cancelled,
        ended_by: EndedBy::Caller,
        fault: Fault::None,
        connected: false,
        provider_code: Some("originator_cancel".to_owned()),
        sip_code: Some(487),
        at: at(12),
    };
    let events =
        [received().into(), ended(EndReason::Unknown, Fault::None, false), EndCorrected(explained).into()];
    let view = view(&events);
    assert_eq!((view.end_reason, view.ended_by), (Some(EndReason::Cancelled), Some(EndedBy::Caller)));
    assert_eq!((view.ended_at, view.sip_code), (Some(at(12)), Some(487)));
}

#[test]
fn a_fault_makes_an_answered_call_a_failed_one() {
    let events = [queued(), answered(10), ended(EndReason::MediaLost, Fault::Platform, true)];
    assert_eq!(view(&events).status, Status::Failed);
}

#[test]
fn a_call_never_lasts_less_than_nothing() {
    let events = [queued(), answered(40), ended(EndReason::CallerHangup, Fault::None, true)];
    assert_eq!(view(&events).duration_ms, Some(0), "the carrier's clock is not ours");
}

#[test]
fn a_dial_goes_through_its_states() {
    let effect_id = sequential(2);
    let mut events = vec![queued()];
    let mut status_after = |event: Option<CallEvent>| {
        events.extend(event);
        view(&events).status
    };
    assert_eq!(status_after(None), Status::Queued);
    let started = || Some(DialStarted { effect_id, at: at(1), ring_until: at(41) }.into());
    assert_eq!(status_after(started()), Status::Dialing);
    assert_eq!(status_after(Some(DialPostponed { effect_id, at: at(2) }.into())), Status::Queued);
    assert_eq!(status_after(started()), Status::Dialing);
    assert_eq!(status_after(Some(DialUnknown { effect_id, at: at(3) }.into())), Status::DialUnknown);
    let provider = "telnyx".to_owned();
    let accepted = DialAccepted { effect_id, provider, leg: leg(Some("control")), at: at(4) };
    assert_eq!(status_after(Some(accepted.into())), Status::Dialing);
    assert_eq!(status_after(Some(Ringing { at: at(5) }.into())), Status::Ringing);
    assert_eq!(status_after(Some(answered(6))), Status::InProgress);
    let view = view(&events);
    assert_eq!(view.provider_call_id.as_deref(), Some("control"));
    assert_eq!((view.created_at, view.ringing_at, view.answered_at), (at(0), Some(at(5)), Some(at(6))));
}

#[test]
fn what_the_carrier_says_later_of_a_leg_is_taken_and_the_creation_stays() {
    let known = LegIdentified {
        foreign: false,
        leg: leg(Some("control")),
        direction: Direction::Inbound,
        from: Some(Party::new("+12025550101").into()),
        to: Some(Party::new("+12025550102").into()),
        number_id: None,
        route: None,
        appeared_at: Some(at(3)),
        at: at(6),
    };
    let before = view(&[received().into()]);
    assert_eq!((before.from, before.provider_call_id.as_deref()), (None, Some("leg")));
    let after = view(&[received().into(), known.into()]);
    assert_eq!(after.from.as_deref(), Some("+12025550101"));
    assert_eq!(after.provider_call_id.as_deref(), Some("control"));
    assert_eq!((after.created_at, after.ringing_at), (at(5), Some(at(3))));
}

#[test]
fn erased_values_read_as_unknown() {
    let from = Some(Personal::erased());
    let call = Received { from, to: Some(Party::new("+12025550102").into()), ..received() };
    let erased = MetadataChanged { command_id: sequential(3), metadata: Personal::erased(), at: at(6) };
    let view = view(&[call.into(), erased.into()]);
    assert_eq!((view.from, view.to.as_deref()), (None, Some("+12025550102")));
    assert!(view.metadata.is_empty());
}

#[test]
fn a_saved_recording_is_shown_with_its_place() {
    let saved = RecordingAvailable {
        recording_id: Some("rec".to_owned()),
        url: Some("https://carrier.example.test/rec.mp3".to_owned().into()),
        url_expires_at: Some(at(630)),
        format: None,
        duration_ms: Some(20_000),
        channels: Some(2),
        at: at(31),
    };
    let row = row(&[queued(), answered(10), saved.into()]);
    assert_eq!(row.view.recording_status, RecordingStatus::Available);
    assert_eq!(row.files.recording.status, RecordingStatus::Available);
    assert_eq!(row.files.recording.url.as_deref(), Some("https://carrier.example.test/rec.mp3"));
    assert_eq!(
        (row.files.recording.url_expires_at, row.files.recording.duration_ms),
        (Some(at(630)), Some(20_000))
    );
}

fn saved(recording_id: &str) -> CallEvent {
    RecordingAvailable {
        recording_id: Some(recording_id.to_owned()),
        url: Some("https://carrier.example.test/rec.mp3".to_owned().into()),
        url_expires_at: Some(at(630)),
        format: None,
        duration_ms: Some(20_000),
        channels: Some(2),
        at: at(31),
    }
    .into()
}

fn stored(recording_id: &str, object: &str) -> CallEvent {
    let file = StoredFile {
        object: object.to_owned(),
        bytes: 104,
        sha256: "ab".repeat(32).into(),
        content_type: "audio/mpeg".to_owned(),
        key: None,
    };
    let (recording_id, effect_id) = (Some(recording_id.to_owned()), sequential(9));
    RecordingStored { effect_id, recording_id, file, channels: Some(2), at: at(33) }.into()
}

#[test]
fn a_stored_recording_has_a_size_and_no_address_of_the_carrier() {
    let row = row(&[queued(), answered(10), saved("one"), stored("one", "a/b")]);
    let recording = &row.files.recording;
    assert_eq!((recording.storage, recording.url.as_ref()), (RecordingStorage::Stored, None));
    assert_eq!((recording.bytes, recording.channels), (Some(104), Some(2)));
    assert_eq!(recording.sha256.as_deref(), Some(&*"ab".repeat(32)));
    assert_eq!(row.files.stored().unwrap().object.as_deref(), Some("a/b"));
    assert_eq!(row.view.recording_status, RecordingStatus::Available);
}

#[test]
fn each_recording_of_a_call_is_a_file_and_what_is_removed_is_told() {
    let because = LostBecause::TooLarge;
    let lost = RecordingNotStored {
        effect_id: sequential(8),
        recording_id: Some("two".to_owned()),
        because,
        attempts: 1,
        at: at(40),
    };
    let removed = RecordingRemoved { object: "a/b".to_owned(), because: RemovedBecause::Erased, at: at(50) };
    let events = [queued(), saved("one"), stored("one", "a/b"), saved("two"), lost.into(), removed.into()];
    let row = row(&events);
    let files: Vec<_> = row.files.files.iter().map(|file| (file.state, file.failure)).collect();
    assert_eq!(files, [(FileState::Removed, None), (FileState::Failed, Some(because))]);
    assert_eq!(row.files.files[0].sha256, None);
    assert_eq!(row.files.recording.storage, RecordingStorage::None);
    // rows of an older node have no files
    let old = r#"{"status":"none","url":null,"url_expires_at":null,"duration_ms":null,"sha256":null}"#;
    assert_eq!(serde_json::from_str::<CallFiles>(old).unwrap(), CallFiles::default());
}

#[test]
fn numbers_in_metadata_survive_any_number_of_readings() {
    let value =
        serde_json::json!({"f": 0.1 + 0.2, "tiny": 5e-324, "large": u64::MAX, "deep": {"z": 1, "a": [1.5]}});
    let metadata: CallMetadata = serde_json::from_value(value).unwrap();
    let changed = MetadataChanged { command_id: sequential(3), metadata: metadata.into(), at: at(6) };
    let first = serde_json::to_string(&view(&[queued(), changed.into()])).unwrap();
    let read: CallView = serde_json::from_str(&first).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), first);
}

#[test]
fn events_before_the_first_fact_make_no_call() {
    assert_eq!(replay::<Calls>(&recorded(&[Ringing { at: at(0) }.into()])).unwrap(), None);
    assert_eq!(replay::<Calls>(&[]).unwrap(), None);
}
