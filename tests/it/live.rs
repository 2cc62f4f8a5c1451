//! A call's history as it happens, by server-sent events.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use simulator::fake_telnyx::{CallScript, Step};
use tests::sse::Stream;
use tests::webhook::OUR_NUMBER;
use tests::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_tells_the_past_then_the_present_resumes_and_ends_with_the_node() -> Result<()> {
    let mut world = World::start().await?;
    world.take_number().await?;
    let script = CallScript::new("+12025550111", OUR_NUMBER).then(Step::Stay);
    let handle = world.carrier.place_call(script).await;
    let id = world.call_of_leg(&handle.control_id).await?["id"].as_str().context("an id")?.to_owned();
    world.call_when(&id, |call| call["status"] == "in_progress").await?;

    let path = format!("/api/v1/calls/{id}/stream");
    let response = world.api.open(&path, &[]).await?;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut stream = Stream::of(response);
    let mut seen = Vec::new();
    while seen.last().is_none_or(|(name, _)| name != "call.speech_ended") {
        let event = stream.next().await?.context("the stream ended")?;
        seen.push((event.name, event.id));
    }
    // what happens from here on comes by itself
    world
        .api
        .patch(&format!("/api/v1/calls/{id}"), None, json!({"metadata": {"seen": true}}))
        .await?
        .data()?;
    let live = loop {
        let event = stream.next().await?.context("the stream ended")?;
        seen.push((event.name.clone(), event.id.clone()));
        if event.name == "call.metadata_changed" {
            break event;
        }
    };
    assert_eq!(live.data["data"]["metadata"], json!({"seen": true}));
    assert_eq!(live.id, live.data["version"].to_string());
    let ids: Vec<_> = seen.iter().map(|(_, id)| id.clone()).collect();
    assert_eq!(ids, (1..=seen.len()).map(|n| n.to_string()).collect::<Vec<_>>(), "dense and in order");
    let history = world.api.list_all(&format!("/api/v1/calls/{id}/events")).await?;
    assert_eq!(history[seen.len() - 1], live.data, "the same as the history");

    let before_last = (seen.len() - 1).to_string();
    let mut resumed = Stream::of(world.api.open(&path, &[("last-event-id", &before_last)]).await?);
    let next = resumed.next().await?.context("the stream ended")?;
    assert_eq!((&next.id, &next.name), (&live.id, &live.name));

    world.api.post(&format!("/api/v1/calls/{id}/hangup"), Value::Null).await?.data()?;
    let told = async |stream: &mut Stream| loop {
        let event = stream.next().await?.context("the stream ended")?;
        if event.name == "call.ended" {
            break anyhow::Ok(event);
        }
    };
    assert_eq!(told(&mut stream).await?, told(&mut resumed).await?);

    let begun = std::time::Instant::now();
    world.node.server()?.ask_to_stop()?;
    while stream.next().await?.is_some() {}
    while resumed.next().await?.is_some() {}
    assert!(world.node.terminate()?.success());
    assert!(begun.elapsed() < Duration::from_secs(8), "open streams held the node up: {:?}", begun.elapsed());
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_streams_a_call_that_does_not_exist_or_without_a_key() -> Result<()> {
    let world = World::start().await?;
    let path = "/api/v1/calls/call_01h455vb4pex5vsknk084sn02q/stream";
    assert_eq!(world.api.get(path).await?.status, 404);
    assert_eq!(world.api.get("/api/v1/calls/nonsense/stream").await?.status, 404);
    assert_eq!(world.api.with_key(None).get(path).await?.status, 401);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_of_all_calls_tells_each_change_resumes_and_shows_nobody_elses() -> Result<()> {
    let mut world = World::start().await?;
    world.take_number().await?;
    let made = world.api.post("/api/v1/auth/clients", json!({"name": "Another"})).await?.data()?;
    let other = world.api.with_key(made["plain_key"].as_str());
    let path = "/api/v1/calls/stream";
    let response = world.api.open(path, &[]).await?;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let (mut stream, mut others) = (Stream::of(response), Stream::of(other.open(path, &[]).await?));
    for stream in [&mut stream, &mut others] {
        let ready = stream.next().await?.context("the stream ended")?;
        assert_eq!((ready.name.as_str(), &ready.data["position"].to_string()), ("ready", &ready.id));
    }

    let script = CallScript::new("+12025550111", OUR_NUMBER).then(Step::Stay);
    let handle = world.carrier.place_call(script).await;
    let names = |events: &[tests::sse::Event]| -> Vec<String> {
        let types =
            events.iter().flat_map(|event| event.data["events"].as_array().cloned().unwrap_or_default());
        types.filter_map(|name| name.as_str().map(str::to_owned)).collect()
    };
    // a frame shows the call as it is when the frame is made: that may be later than what the frame tells of
    let mut told = Vec::new();
    while !names(&told).iter().any(|name| name == "call.answered") {
        told.push(stream.next().await?.context("the stream ended")?);
    }
    let last = told.last().context("a frame")?;
    assert_eq!(last.data["call"]["status"], "in_progress", "{told:?}");
    let id = world.call_of_leg(&handle.control_id).await?["id"].clone();
    assert!(told.iter().all(|event| event.name == "call" && event.data["call"]["id"] == id), "{told:?}");
    let positions: Vec<u64> = told.iter().map(|event| event.id.parse()).collect::<Result<_, _>>()?;
    assert!(positions.is_sorted_by(|one, next| one < next), "{positions:?}");
    assert!(names(&told).contains(&"call.received".to_owned()), "{told:?}");

    // resumed from before the first change: nothing is missed, and nothing told that was not there
    let before = (positions[0] - 1).to_string();
    let mut resumed = Stream::of(world.api.open(path, &[("last-event-id", &before)]).await?);
    assert_eq!(resumed.next().await?.map(|event| (event.name, event.id)), Some(("ready".to_owned(), before)));
    let again = resumed.next().await?.context("the stream ended")?;
    assert_eq!(again.data["call"]["id"], id);

    let hang_up = format!("/api/v1/calls/{}/hangup", id.as_str().context("an id")?);
    world.api.post(&hang_up, Value::Null).await?.data()?;
    for stream in [&mut stream, &mut resumed] {
        loop {
            let event = stream.next().await?.context("the stream ended")?;
            if event.data["call"]["status"] == "ended" {
                break;
            }
        }
    }
    // a position that is not there yet was another log's: the stream begins anew
    let fresh = world.api.open(path, &[("last-event-id", "999999999")]).await?;
    assert_eq!(fresh.status(), 200);

    world.node.server()?.ask_to_stop()?;
    assert!(others.next().await?.is_none(), "another client's calls were told");
    while stream.next().await?.is_some() {}
    assert!(world.node.terminate()?.success());
    world.close().await?;
    Ok(())
}
