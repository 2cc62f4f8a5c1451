//! Following the log.

use std::time::Duration;

use adapters::testing::call_lives::{call, client};
use domain::aggregate::Aggregate;
use domain::call::Call;
use domain::call::CallEvent;
use domain::call::terms::RecordingStatus;
use domain::envelope::{Position, Version};
use domain::ports::event_store::Direction;
use domain::wire::DomainEvent;
use projections::calls::{CallFiles, CallQueries, CallView, Calls};
use projections::said::SaidPage;
use projections::store::ViewStore;
use projections::transcripts::{LineView, TranscriptQueries};
use projections::view::replay;

use super::{PATIENCE, World, caught_up, on_every_database};

on_every_database!(
    a_call_reads_as_its_events_say,
    the_view_and_the_rules_agree_on_the_status,
    what_is_appended_while_it_runs_shows_up,
    a_restart_goes_on_where_it_stopped,
    a_node_waits_while_another_owns_the_projections_and_takes_over_when_it_leaves,
    the_stored_checkpoint_follows_events_that_concern_nobody,
    waiting_for_what_never_comes_ends_with_the_timeout,
);

async fn a_call_reads_as_its_events_say(world: World) {
    world.lives(1..6).await;
    world.catch_up().await;
    let stored = world.one::<projections::calls::Calls>(client(2), call(1)).await.unwrap().unwrap();
    let view: CallView = serde_json::from_str(&stored.json).unwrap();
    let json: serde_json::Value = serde_json::from_str(&stored.json).unwrap();
    assert_eq!(stored.version, Version(13));
    let wanted = serde_json::json!({
        "id": call(1).to_string(), "direction": "outbound", "status": "ended",
        "from": "+12026000001", "to": "+12025000001",
        "agent_id": null, "customer_id": null, "ivr_session_id": null, "conversation_id": null,
        "provider": "telnyx", "provider_call_id": "v3:control-1-MgjWHmtNQh0qSbTbO2YqyOF0h",
        "created_at": "2026-01-01T00:00:00.010000Z", "ringing_at": "2026-01-01T00:00:02.010000Z",
        "answered_at": "2026-01-01T00:00:05.010000Z", "ended_at": "2026-01-01T00:00:30.010000Z",
        "duration_ms": 25_000, "end_reason": "caller_hangup", "ended_by": "caller", "fault": "none",
        "provider_code": "normal_clearing", "sip_code": 200, "answered_by": null, "recording_status": "none",
        "cost": {"amount_micros": 14_400, "currency": "USD"},
        "metadata": {"order": 1, "tier": "gold"}, "version": 13,
    });
    assert_eq!(json, wanted);
    assert_eq!(serde_json::to_string(&view).unwrap(), stored.json, "it reads back to the same bytes");
    let files = world.views.call_files(client(2), call(1)).await.unwrap().unwrap();
    assert_eq!(files, CallFiles::default());
    let files = world.views.call_files(client(1), call(2)).await.unwrap().unwrap();
    assert_eq!(
        files.recording.status,
        RecordingStatus::Recording,
        "ordered with the call, begun by the answer"
    );

    let lines = world.views.transcript(client(2), call(1), SaidPage::default()).await.unwrap();
    let lines: Vec<LineView> = lines.items.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said: Vec<_> = lines
        .iter()
        .map(|line| (line.seq, line.role.as_str(), line.kind.as_str(), line.text.as_deref()))
        .collect();
    let wanted = [
        (1, "agent", "utterance", Some("Hello, thank you for calling.")),
        (2, "caller", "dtmf", Some("1")),
        (3, "caller", "utterance", Some("I would like to move my appointment.")),
    ];
    assert_eq!(said, wanted);
    assert_eq!(lines[2].confidence, Some(0.87));
}

/// At every version of every call, time travel shows the status the rules would show.
async fn the_view_and_the_rules_agree_on_the_status(world: World) {
    world.lives(1..15).await;
    world.catch_up().await;
    for n in 1..15 {
        let events =
            world.log.read_stream(&call(n).stream(), Version::NONE, Direction::Forwards, 100).await.unwrap();
        let mut rules = Call::default();
        for (at, event) in events.iter().enumerate() {
            rules.evolve(&CallEvent::decode(&event.event_type, event.schema, &event.payload).unwrap());
            let row = replay::<Calls>(&events[..=at]).unwrap();
            assert_eq!(row.is_some(), rules.exists());
            if let Some(row) = row {
                assert_eq!(row.view.status, rules.status(), "call {n} version {}", event.version);
                assert_eq!(row.view.version, event.version.0);
            }
        }
        let last = replay::<Calls>(&events).unwrap().unwrap();
        let stored = world.one::<projections::calls::Calls>(last.client, call(n)).await.unwrap().unwrap();
        assert_eq!(stored.json, serde_json::to_string(&last.view).unwrap(), "time travel to now is now");
    }
}

async fn what_is_appended_while_it_runs_shows_up(world: World) {
    let runner = world.start("one");
    for n in 1..20 {
        world.lives(n..n + 1).await;
        caught_up(&runner, world.log.head().await.unwrap()).await;
        let stored = world.one::<projections::calls::Calls>(client(n % 2 + 1), call(n)).await.unwrap();
        assert!(stored.is_some(), "call {n} is not there after waiting for it");
    }
    runner.stop().await;
}

async fn a_restart_goes_on_where_it_stopped(world: World) {
    world.lives(1..10).await;
    world.catch_up().await;
    let before = ViewStore::checkpoint(&world.views, "calls").await.unwrap();
    assert_eq!(before.position, world.log.head().await.unwrap());
    world.lives(10..20).await;
    world.catch_up().await;
    let once = super::sqlite().await;
    once.lives(1..10).await;
    once.lives(10..20).await;
    once.catch_up().await;
    let (rows, lines) = world.digests().await;
    assert_eq!((rows.rows, lines.rows), (19, 3 * 17));
    let wanted = once.digests().await;
    assert_eq!((wanted.0.rows, wanted.1.rows), (19, 3 * 17));
    assert_eq!(lines, wanted.1, "the same rows in one go, in another database");
}

async fn a_node_waits_while_another_owns_the_projections_and_takes_over_when_it_leaves(world: World) {
    if !world.shared {
        return; // a file belongs to one process: there is no other node
    }
    let first = world.start("first");
    world.lives(1..5).await;
    caught_up(&first, world.log.head().await.unwrap()).await;
    let second = world.start("second");
    world.lives(5..10).await;
    caught_up(&second, world.log.head().await.unwrap()).await;
    assert!(world.views.statuses().await.unwrap().iter().all(|it| it.owner.as_deref() == Some("first")));
    first.stop().await;
    world.lives(10..15).await;
    caught_up(&second, world.log.head().await.unwrap()).await;
    assert!(world.views.statuses().await.unwrap().iter().all(|it| it.owner.as_deref() == Some("second")));
    second.stop().await;
    assert!(world.views.statuses().await.unwrap().iter().all(|it| it.owner.is_none()));
}

async fn the_stored_checkpoint_follows_events_that_concern_nobody(world: World) {
    world.lives(1..4).await;
    world.catch_up().await;
    let head = world.log.head().await.unwrap();
    for status in world.views.statuses().await.unwrap() {
        assert_eq!(status.position, head, "{}", status.name);
    }
}

async fn waiting_for_what_never_comes_ends_with_the_timeout(world: World) {
    let runner = world.start("one");
    assert!(runner.progress().wait_for(Position::START, PATIENCE).await);
    assert!(!runner.progress().wait_for(Position(1), Duration::from_millis(20)).await);
    runner.stop().await;
}
