//! Files of calls: fetched, stored, played, listed, erased.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actors::uploads::{PutUrl, Uploads};
use actors::{CommandContext, Runtime, TraceHooks};
use adapters::clock::SystemClock;
use adapters::database::Database;
use adapters::event_store::{EventLog, Target};
use adapters::ids::RandomIds;
use adapters::keys::{KeyVault, KeysDb, MasterKey};
use adapters::objects::Objects;
use anyhow::{Context as _, Result};
use domain::ids::{ClientId, UploadId};
use domain::object_url::TokenSigner;
use domain::ports::ids::Ids as _;
use domain::ports::outbox::Cause;
use domain::ports::vault::Vault as _;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use simulator::fake_telnyx::{CalleeScript, Step};
use tests::client::Api;
use tests::until::{SOON, until};
use tests::world::World;

const CALLEE: &str = "+12025550151";

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// Longest time until a recording is fetched: an unoptimised build hashes and writes 104 MB beside other tests.
const FETCHED: Duration = Duration::from_secs(60);

/// A call that was recorded, once its recording is as `wanted`: the call's id and the recording.
async fn recorded(world: &World, wanted: impl Fn(&Value) -> bool) -> Result<(String, Value)> {
    let steps = vec![Step::Say("=SUM(A1) is what I say".to_owned()), Step::HangUp];
    world.carrier.set_callee(CALLEE, CalleeScript::Answers { ring: Duration::ZERO, steps });
    let call = world.dial(json!({"to": CALLEE, "record": true})).await?;
    let id = text(&call, "id").to_owned();
    let path = format!("/api/v1/calls/{id}/recording");
    let recording = until("the recording as wanted", FETCHED, async || {
        let recording = world.api.get(&path).await?.data()?;
        Ok(wanted(&recording).then_some(recording))
    })
    .await?;
    Ok((id, recording))
}

async fn stored(world: &World) -> Result<(String, Value)> {
    recorded(world, |recording| recording["storage"] == "stored").await
}

/// What a URL leads to, without any credentials.
async fn fetch(url: &str, range: Option<&str>) -> Result<(u16, HeaderMap, Vec<u8>)> {
    let mut request = reqwest::Client::builder().no_proxy().build()?.get(url);
    if let Some(range) = range {
        request = request.header("range", range);
    }
    // a player takes what it gets: the node must not compress sound
    let response = request.header("accept-encoding", "gzip, br").send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok((status, headers, response.bytes().await?.to_vec()))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files_in(&path)),
            path => found.push(path),
        }
    }
    found
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_stored_encrypted_and_played_by_a_url_that_expires() -> Result<()> {
    let world = World::start().await?;
    let (id, recording) = stored(&world).await?;
    let url = text(&recording, "url");
    assert!(url.starts_with(&format!("{}/api/v1/objects/", world.node.server()?.base)), "{url}");
    assert_eq!((&recording["status"], &recording["channels"]), (&json!("available"), &json!(2)));
    let (status, headers, whole) = fetch(url, None).await?;
    assert_eq!((status, header(&headers, "content-type")), (200, "audio/mpeg"));
    assert_eq!(whole.len() as u64, recording["bytes"].as_u64().context("a size")?);
    assert_eq!(hex(&whole), text(&recording, "sha256"));
    assert_eq!(header(&headers, "x-content-type-options"), "nosniff");
    assert_eq!(header(&headers, "content-disposition"), format!("inline; filename=\"{id}.mp3\""));
    assert_eq!(header(&headers, "cache-control"), "private, no-store");
    assert_eq!(header(&headers, "content-length"), whole.len().to_string());

    let (status, headers, part) = fetch(url, Some("bytes=100-207")).await?;
    assert_eq!((status, &part[..]), (206, &whole[100..208]));
    assert_eq!(header(&headers, "content-range"), format!("bytes 100-207/{}", whole.len()));
    assert_eq!(fetch(url, Some("bytes=99999999-")).await?.0, 416);

    // on the disk there is one file, and no sound in it
    let files = files_in(&world.data_dir().join("objects"));
    assert_eq!(files.len(), 1, "{files:?}");
    let kept = fs::read(&files[0])?;
    assert!(kept.len() > whole.len() && !kept.windows(16).any(|window| window == &whole[..16]));

    let token = url.rsplit('/').next().context("a token")?;
    let mut forged = token.to_owned().into_bytes();
    forged[20] = if forged[20] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged)?;
    let nobody = world.api.with_key(None);
    let refused = nobody.get(&format!("/api/v1/objects/{forged}")).await?;
    assert_eq!((refused.status, refused.code()), (403, "object_url_invalid"));
    let put = nobody.send("PUT", &format!("/api/v1/objects/{token}"), &[], Some(b"{}".to_vec())).await?;
    assert_eq!((put.status, put.code()), (403, "object_url_invalid"), "a download is no upload");

    let short = world.api.get(&format!("/api/v1/calls/{id}/recording?expires_in_seconds=1")).await?.data()?;
    let path = text(&short, "url").trim_start_matches(&*world.node.server()?.base).to_owned();
    until("the URL to expire", SOON, async || {
        let answer = nobody.get(&path).await?;
        Ok((answer.status == 403 && answer.code() == "object_url_expired").then_some(()))
    })
    .await?;
    for bad in ["0", "86401", "x"] {
        let path = format!("/api/v1/calls/{id}/recording?expires_in_seconds={bad}");
        assert_eq!(world.api.get(&path).await?.status, 422, "{bad}");
    }
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_a_call_are_listed_and_its_history_names_them() -> Result<()> {
    let world = World::start().await?;
    let (id, recording) = stored(&world).await?;
    let files = world.api.list_all(&format!("/api/v1/calls/{id}/artifacts")).await?;
    assert_eq!(files.len(), 1);
    let file = &files[0];
    assert_eq!((text(file, "kind"), text(file, "state")), ("recording", "stored"));
    for field in ["bytes", "sha256", "channels"] {
        assert_eq!(file[field], recording[field], "{field}");
    }
    assert_eq!(hex(&fetch(text(file, "url"), None).await?.2), text(file, "sha256"));
    let events = world.api.list_all(&format!("/api/v1/calls/{id}/events")).await?;
    let stored = events.iter().find(|event| event["type"] == "call.recording_stored").context("an event")?;
    assert_eq!(stored["data"]["file"]["bytes"], recording["bytes"]);
    // another client's call has no files
    let other = json!({"name": "Other"});
    let other = world.api.post("/api/v1/auth/clients", other).await?.data()?;
    let stranger = world.api.with_key(other["plain_key"].as_str());
    for path in ["recording", "artifacts", "transcript"] {
        assert_eq!(stranger.get(&format!("/api/v1/calls/{id}/{path}")).await?.status, 404, "{path}");
    }
    let metrics = world.api.open("/metrics", &[]).await?.text().await?;
    assert!(metrics.contains("voxledger_recording_fetches_total{outcome=\"stored\"} 1"), "{metrics}");
    assert!(metrics.contains("voxledger_objects_written_total 1"));
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transcript_is_read_as_subtitles_lines_and_a_table() -> Result<()> {
    let world = World::start().await?;
    let (id, _) = stored(&world).await?;
    let path = format!("/api/v1/calls/{id}/transcript");
    let read = async |accept: &str| -> Result<(String, String)> {
        let response = world.api.open(&path, &[("accept", accept)]).await?;
        let varies = response.headers().get_all("vary").iter().any(|vary| vary == "accept");
        assert!(varies, "{:?}", response.headers());
        let kind = header(response.headers(), "content-type").to_owned();
        Ok((kind, response.text().await?))
    };
    let (kind, vtt) = read("text/vtt").await?;
    assert!(kind.starts_with("text/vtt") && vtt.starts_with("WEBVTT\n"), "{kind} {vtt}");
    assert!(vtt.contains("<v caller>=SUM(A1) is what I say"), "{vtt}");
    let (kind, csv) = read("text/csv, application/json;q=0.5").await?;
    assert!(kind.starts_with("text/csv") && csv.contains(",'=SUM(A1) is what I say,"), "{csv}");
    let (kind, plain) = read("text/plain").await?;
    assert!(kind.starts_with("text/plain") && plain.contains(" caller: =SUM(A1)"), "{plain}");
    let (kind, _) = read("application/json").await?;
    assert!(kind.starts_with("application/json"));
    world.close().await?;
    Ok(())
}

async fn erased(api: &Api, phone: &str) -> Result<Value> {
    let job = api.post("/api/v1/privacy/subjects/erase", json!({"phone": phone})).await?.data()?;
    let path = format!("/api/v1/privacy/jobs/{}", text(&job, "id"));
    until("the erasure", SOON, async || {
        let job = api.get(&path).await?.data()?;
        Ok((job["status"] == "completed").then_some(job))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_person_leaves_no_file_and_no_url_that_works() -> Result<()> {
    let world = World::start().await?;
    let (id, recording) = stored(&world).await?;
    let url = text(&recording, "url").to_owned();
    assert_eq!(fetch(&url, None).await?.0, 200);
    erased(&world.api, CALLEE).await?;
    assert_eq!(fetch(&url, None).await?.0, 404, "a URL from before");
    assert_eq!(files_in(&world.data_dir().join("objects")), Vec::<PathBuf>::new());
    let recording = world.api.get(&format!("/api/v1/calls/{id}/recording")).await?.data()?;
    assert_eq!((&recording["storage"], &recording["sha256"]), (&json!("none"), &Value::Null), "{recording}");
    let files = world.api.list_all(&format!("/api/v1/calls/{id}/artifacts")).await?;
    assert_eq!((text(&files[0], "state"), &files[0]["url"]), ("removed", &Value::Null));
    let events = world.api.list_all(&format!("/api/v1/calls/{id}/events")).await?;
    assert!(events.iter().any(|event| event["type"] == "call.recording_removed"));
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_is_not_to_be_kept_is_not_fetched() -> Result<()> {
    let world = World::start().await?;
    let settings = json!({"call_content": "everything_except_pii"});
    world.api.patch("/api/v1/privacy/settings", None, settings).await?.data()?;
    let (id, _) = recorded(&world, |recording| recording["status"] == "available").await?;
    let path = format!("/api/v1/calls/{id}/artifacts");
    let file = until("the file to be given up", SOON, async || {
        let files = world.api.list_all(&path).await?;
        Ok(files.into_iter().next().filter(|file| file["state"] == "failed"))
    })
    .await?;
    assert_eq!(text(&file, "failure"), "not_retained");
    assert_eq!(files_in(&world.data_dir().join("objects")), Vec::<PathBuf>::new());
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_stays_with_the_carrier_where_the_operator_wants_it() -> Result<()> {
    let world =
        World::with(|plan| plan.options = plan.options.clone().set("RECORDINGS_STORE", "false")).await?;
    let (id, recording) = recorded(&world, |recording| recording["status"] == "available").await?;
    assert_eq!((text(&recording, "storage"), &recording["bytes"]), ("provider", &Value::Null));
    assert!(text(&recording, "url").contains("/recordings/"));
    let files = world.api.list_all(&format!("/api/v1/calls/{id}/artifacts")).await?;
    assert_eq!((files.len(), text(&files[0], "state")), (1, "provider"));
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_killed_again_and_again_stores_every_recording_once() -> Result<()> {
    // each file is asked for in vain a few times: the node dies over these attempts
    let mut world = World::with(|plan| plan.carrier.recordings_late = 3).await?;
    world.carrier.set_usual_callee(CalleeScript::Answers { ring: Duration::ZERO, steps: vec![Step::HangUp] });
    let mut calls = Vec::new();
    for n in 0..8 {
        let order = json!({"to": format!("+120255502{n:02}"), "record": true});
        calls.push(text(&world.dial(order).await?, "id").to_owned());
    }
    for id in &calls {
        world.call_when(id, |call| call["recording_status"] == "available").await?;
    }
    for _ in 0..3 {
        world.node.kill()?;
        world.node.resume()?;
    }
    for id in &calls {
        let path = format!("/api/v1/calls/{id}/recording");
        until("the recording to be stored", SOON, async || {
            let recording = world.api.get(&path).await?.data()?;
            Ok((recording["storage"] == "stored").then_some(()))
        })
        .await?;
        let events = world.api.list_all(&format!("/api/v1/calls/{id}/events")).await?;
        let stored = events.iter().filter(|event| event["type"] == "call.recording_stored").count();
        assert_eq!(stored, 1, "{id}");
    }
    let files = files_in(&world.data_dir().join("objects"));
    let whole = files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "mp3"));
    assert_eq!(whole.count(), calls.len(), "{files:?}");
    world.close().await?;
    Ok(())
}

/// Presigns uploads of audio, of at most so many bytes each, as a resource of the node would: no endpoint does yet.
/// The node is down meanwhile. Answers ids, and paths to put the files at.
async fn presigned(world: &mut World, wishes: &[u64]) -> Result<Vec<(UploadId, String)>> {
    let client = world.api.get("/api/v1/auth/me").await?.data()?["client"].clone();
    let client: ClientId = client.as_str().context("a client")?.parse()?;
    world.node.terminate()?;
    let log = EventLog::open(&Target::sqlite(world.data_dir().join("events.db"))).await?;
    let keys = KeysDb::open(&Database::Sqlite(world.data_dir().join("keys.db"))).await?;
    let master = MasterKey::read(&world.data_dir().join("master.key"))?;
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(RandomIds));
    let vault = KeyVault::new(keys.clone(), master, clock.clone(), ids.clone());
    let runtime = Runtime {
        store: log.store(),
        clock,
        ids: ids.clone(),
        node: "test".into(),
        trace: TraceHooks::default(),
        snapshots: None,
    };
    let signer = TokenSigner::new(vault.secret("object urls").await?);
    let uploads = Uploads { runtime, objects: Arc::new(Objects::in_memory()), signer };
    let mut made = Vec::new();
    for max_bytes in wishes {
        let id = UploadId(ids.next());
        let cause = Cause { event_id: id.0, correlation_id: id.0, traceparent: None };
        let context = CommandContext::following("test", client, &cause);
        match uploads.presign(&context, id, "audio/mpeg", *max_bytes).await?.url {
            PutUrl::Node(token) => made.push((id, format!("/api/v1/objects/{}", token.0))),
            PutUrl::Bucket(_) => anyhow::bail!("a folder signs no URLs"),
        }
    }
    keys.close().await;
    log.close().await;
    world.node.resume()?;
    Ok(made)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_uploaded_once_and_only_as_it_was_promised() -> Result<()> {
    let mut world = World::start().await?;
    let uploads = presigned(&mut world, &[3_000_000, 100, 100]).await?;
    let nobody = world.api.with_key(None);
    let put = async |path: &str, kind: &str, body: Vec<u8>| {
        nobody.send("PUT", path, &[("content-type", kind)], Some(body)).await
    };
    let sound = |bytes: usize| [&b"ID3\x04"[..], &vec![7; bytes - 4][..]].concat();
    let small = &uploads[1].1;
    for (kind, body, status, code) in [
        ("text/html", sound(50), 415, "unsupported_media_type"),
        ("audio/mpeg", b"<html>not a sound, whatever it says</html>".to_vec(), 415, "unsupported_media_type"),
        ("audio/mpeg", b"RIFF\x24\x06\0\0WAVEfmt ".to_vec(), 415, "unsupported_media_type"),
        ("audio/mpeg", Vec::new(), 422, "invalid_request"),
        ("audio/mpeg", sound(101), 413, "payload_too_large"),
    ] {
        let refused = put(small, kind, body).await?;
        assert_eq!((refused.status, refused.code()), (status, code), "{}", refused.body);
    }
    // more than was promised, without saying so
    let pieces = futures::stream::iter((0..50).map(move |_| Ok::<_, std::io::Error>(sound(10))));
    let url = format!("{}{small}", world.node.server()?.base);
    let client = reqwest::Client::builder().no_proxy().build()?;
    let endless = client.put(&url).header("content-type", "audio/mpeg");
    let endless = endless.body(reqwest::Body::wrap_stream(pieces)).send().await?;
    assert_eq!(endless.status().as_u16(), 413);
    // cut in the middle
    let broken = futures::stream::iter([Ok(sound(50)), Err(std::io::Error::other("cut"))]);
    let broken =
        client.put(&url).header("content-type", "audio/mpeg").body(reqwest::Body::wrap_stream(broken));
    assert!(broken.send().await.is_err());
    let objects = world.data_dir().join("objects");
    until("what was cut to be gone", SOON, async || Ok(files_in(&objects).is_empty().then_some(()))).await?;

    // after all of that it is still to be had, once
    let body = sound(100);
    let taken = put(small, "audio/mpeg", body.clone()).await?.data()?;
    assert_eq!((&taken["bytes"], text(&taken, "sha256")), (&json!(100), &*hex(&body)));
    assert_eq!(text(&taken, "upload_id"), uploads[1].0.to_string());
    let again = put(small, "audio/mpeg", body).await?;
    assert_eq!((again.status, again.code()), (409, "conflict"));
    // of two at once one is taken, and the other leaves nothing
    let (one, two) = tokio::join!(
        put(&uploads[0].1, "audio/mpeg", sound(2_500_000)),
        put(&uploads[0].1, "audio/mpeg", sound(2_400_000)),
    );
    let mut both = [one?.status, two?.status];
    both.sort_unstable();
    assert_eq!(both, [200, 409]);
    assert_eq!(files_in(&objects).len(), 2);
    let get = nobody.get(&uploads[2].1).await?;
    assert_eq!((get.status, get.code()), (403, "object_url_invalid"), "an upload is no download");
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_the_carrier_hands_out_late_is_stored_all_the_same() -> Result<()> {
    let world = World::with(|plan| plan.carrier.recordings_late = 2).await?;
    let (id, _) = stored(&world).await?;
    let metrics = world.api.open("/metrics", &[]).await?.text().await?;
    assert!(metrics.contains("voxledger_recording_fetches_total{outcome=\"later\"} 2"), "{metrics}");
    let events = world.api.list_all(&format!("/api/v1/calls/{id}/events")).await?;
    assert_eq!(events.iter().filter(|event| event["type"] == "call.recording_stored").count(), 1);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_recording_takes_little_memory() -> Result<()> {
    // 104 MB; the first, small one warms up what is allocated once
    let world = World::with(|plan| plan.carrier.recorded_frames = 1_000_000).await?;
    let server = world.node.server()?;
    let before = server.resident_bytes()?.max(server.peak_bytes()?);
    let (_, recording) = stored(&world).await?;
    assert_eq!(recording["bytes"], 104_000_000);
    let grown = server.peak_bytes()?.saturating_sub(before);
    let metrics = world.api.open("/metrics", &[]).await?.text().await?;
    let took = metrics.lines().find(|line| line.starts_with("voxledger_recording_fetch_seconds_sum"));
    println!("memory above idle, stored: {grown} bytes; {}", took.unwrap_or_default());
    assert!(grown <= 20 << 20, "{grown} bytes more than idle");
    let (status, headers, part) = fetch(text(&recording, "url"), Some("bytes=103999000-")).await?;
    assert_eq!((status, part.len()), (206, 1_000), "{headers:?}");
    let (_, _, whole) = fetch(text(&recording, "url"), None).await?;
    assert_eq!(hex(&whole), text(&recording, "sha256"));
    let grown = server.peak_bytes()?.saturating_sub(before);
    println!("memory above idle, stored and read: {grown} bytes");
    assert!(grown <= 20 << 20, "{grown} bytes more than idle");
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_waits_while_the_disk_is_full() -> Result<()> {
    let world = World::with(|plan| plan.carrier.recorded_frames = 200_000).await?;
    // the databases still have room, a file of 20 MB does not
    world.node.server()?.limit_files(Some(12 << 20))?;
    let (id, _) = recorded(&world, |recording| recording["status"] == "available").await?;
    until("the first attempt to fail", SOON, async || {
        let metrics = world.api.open("/metrics", &[]).await?.text().await?;
        let failed = metrics.lines().find(|line| line.contains("recording_fetches_total{outcome=\"later\"}"));
        Ok(failed.filter(|line| !line.ends_with(" 0")).map(drop))
    })
    .await?;
    let objects = world.data_dir().join("objects");
    until("half of it to be gone", SOON, async || Ok(files_in(&objects).is_empty().then_some(()))).await?;
    world.node.server()?.limit_files(None)?;
    let path = format!("/api/v1/calls/{id}/recording");
    until("the recording to be stored", SOON, async || {
        let recording = world.api.get(&path).await?.data()?;
        Ok((recording["storage"] == "stored").then_some(()))
    })
    .await?;
    world.close().await?;
    Ok(())
}
