//! Whatever comes in: it is refused with a word that helps, or taken and harmless, and never half.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::future::join_all;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor};
use tests::client::{Answer, Api};
use tests::history::History;
use tests::server::{Server, ServerOptions};
use tests::until::{SOON, until};
use tests::webhook::{self, Leg, OUR_NUMBER, rfc3339, signed, unix_now};
use tests::world::World;

const HOOK: &str = "/api/v1/webhooks/telnyx";
const MIB: usize = 1 << 20;

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn now() -> String {
    rfc3339(unix_now())
}

async fn post_raw(api: &Api, body: &[u8], headers: &[(&str, String)]) -> Result<Answer> {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    api.with_key(None).send("POST", HOOK, &headers, Some(body.to_vec())).await
}

async fn post_signed(api: &Api, body: &[u8]) -> Result<Answer> {
    post_raw(api, body, &signed(body, unix_now())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_without_a_right_and_fresh_signature_is_401_and_leaves_no_trace() -> Result<()> {
    let mut world = World::start().await?;
    let body = Leg::inbound(1).initiated(&now()).to_string().into_bytes();
    let mut other = body.clone();
    other.push(b' ');
    let [signature, timestamp] = signed(&body, unix_now());
    let short = ("telnyx-signature-ed25519", "AAAA".to_owned());
    let zeros = ("telnyx-signature-ed25519", format!("{}==", "A".repeat(86)));
    let noise = ("telnyx-signature-ed25519", "not base64!".to_owned());
    let not_a_number = ("telnyx-timestamp", "soon".to_owned());
    let a_second_later = ("telnyx-timestamp", (unix_now() + 1).to_string());
    for (name, headers, code) in [
        ("none", vec![], "signature_missing"),
        ("no timestamp", vec![signature.clone()], "signature_missing"),
        ("no signature", vec![timestamp.clone()], "signature_missing"),
        ("of another body", signed(&other, unix_now()).to_vec(), "signature_invalid"),
        ("of another time", vec![signature.clone(), a_second_later], "signature_invalid"),
        ("short", vec![short, timestamp.clone()], "signature_invalid"),
        ("all zero", vec![zeros, timestamp.clone()], "signature_invalid"),
        ("noise", vec![noise, timestamp.clone()], "signature_invalid"),
        ("no number", vec![signature, not_a_number], "signature_invalid"),
        ("stale", signed(&body, unix_now() - 310).to_vec(), "signature_stale"),
        ("of the future", signed(&body, unix_now() + 310).to_vec(), "signature_stale"),
    ] {
        let refused = post_raw(&world.api, &body, &headers).await?;
        assert_eq!((refused.status, refused.code()), (401, code), "{name}: {}", refused.body);
    }
    assert_eq!(world.api.list_all("/api/v1/calls").await?, Vec::<Value>::new());

    // within 300 s either way it is taken, and the names of headers may be in any case
    for (number, age) in [(2, -290), (3, 290)] {
        let body = Leg::inbound(number).initiated(&now()).to_string().into_bytes();
        let [(_, signature), (_, timestamp)] = signed(&body, unix_now() + age);
        let headers = [("TELNYX-SIGNATURE-ED25519", signature), ("Telnyx-Timestamp", timestamp)];
        assert_eq!(post_raw(&world.api, &body, &headers).await?.status, 200, "{age} s");
    }
    world.node.terminate()?;
    let history = History::read(&world.node.options).await?;
    assert_eq!(history.carrier_events().len(), 2, "a refused webhook was stored");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_one_mib_is_413_and_one_of_exactly_that_is_taken() -> Result<()> {
    let world = World::start().await?;
    let mut leg = Leg::inbound(1);
    let mut padded = |bytes: usize| {
        let mut event = leg.initiated(&now());
        event["data"]["payload"]["padding"] = json!("");
        let padding = "x".repeat(bytes - event.to_string().len());
        event["data"]["payload"]["padding"] = padding.into();
        event.to_string().into_bytes()
    };
    let fits = padded(MIB);
    assert_eq!(fits.len(), MIB);
    let taken = post_signed(&world.api, &fits).await?;
    assert_eq!(taken.status, 200, "{}", taken.body);

    let large = padded(MIB + 1);
    let refused = post_signed(&world.api, &large).await?;
    assert_eq!((refused.status, refused.code()), (413, "payload_too_large"));
    let chunked = send_in_chunks(&world.api, HOOK, &large).await?;
    assert_eq!(chunked.status, 413);
    let metadata = json!({"to": "+12025550123", "metadata": {"x": "y".repeat(MIB)}});
    let refused = world.api.post("/api/v1/calls", metadata).await?;
    assert_eq!((refused.status, refused.code()), (413, "payload_too_large"));
    // the node goes on, and a small body in chunks is a body like any other
    let small = Leg::inbound(2).initiated(&now()).to_string().into_bytes();
    assert_eq!(send_in_chunks(&world.api, HOOK, &small).await?.status, 200);
    world.close().await?;
    Ok(())
}

/// `Transfer-Encoding: chunked`, so that nobody is told the length before.
async fn send_in_chunks(api: &Api, path: &str, body: &[u8]) -> Result<Answer> {
    let headers = signed(body, unix_now());
    let chunks: Vec<_> =
        body.chunks(64 * 1024).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect();
    api.with_key(None).send_stream(path, &headers, futures::stream::iter(chunks)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_webhook_is_400_and_says_why() -> Result<()> {
    let world = World::start().await?;
    let cases: [(&str, &[u8]); 5] = [
        ("nothing", b""),
        ("cut short", br#"{"data": {"id": "7", "event_type": "call.ini"#),
        ("not JSON", b"event=call.initiated"),
        ("not UTF-8", b"{\"data\": \"\xff\xfe\"}"),
        ("two values", br#"{"data":{"id":"7","event_type":"x"}} {}"#),
    ];
    for (name, body) in cases {
        let refused = post_signed(&world.api, body).await?;
        assert_eq!((refused.status, refused.code()), (400, "malformed_json"), "{name}: {}", refused.body);
    }
    // a list in a list in a list …: it must not take the node down
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000)).into_bytes();
    let refused = post_signed(&world.api, &deep).await?;
    assert_eq!((refused.status, refused.code()), (422, "invalid_request"));
    // as deep as anything reads that has to keep it, and no deeper
    for (levels, status) in [(60, 200), (70, 422), (120, 422), (126, 422)] {
        let deep = (0..levels).fold(json!(1), |deep, _| json!([deep]));
        let event = json!({"data": {"id": format!("deep-{levels}"), "event_type": "conference.created", "payload": deep}});
        let answer = post_signed(&world.api, event.to_string().as_bytes()).await?;
        assert_eq!(answer.status, status, "{levels}: {}", answer.body);
    }
    let cases: [(&str, Value, &str); 5] = [
        ("a list", json!([1, 2]), "data.id"),
        ("no data", json!({"meta": {}}), "data.id"),
        ("no id", json!({"data": {"event_type": "call.initiated"}}), "data.id"),
        ("no type", json!({"data": {"id": "7"}}), "data.event_type"),
        (
            "version 1",
            json!({"event_type": "call_initiated", "id": "7", "payload": {"call_control_id": "AgDI"}}),
            "webhook_api_version",
        ),
    ];
    for (name, body, hint) in cases {
        let refused = post_signed(&world.api, body.to_string().as_bytes()).await?;
        assert_eq!((refused.status, refused.code()), (400, "malformed_request"), "{name}");
        assert!(text(&refused.body, "detail").contains(hint), "{name}: {}", refused.body);
    }
    assert_eq!(world.api.list_all("/api/v1/calls").await?, Vec::<Value>::new());
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_understood_is_stored_and_answered_200() -> Result<()> {
    let mut world = World::start().await?;
    let mut leg = Leg::inbound(1);
    let unknown =
        leg.event("call.teleported", &now(), json!({"to_planet": {"name": "Mars", "moons": [1, 2]}}));
    let mut strange = leg.initiated(&now());
    strange["data"]["payload"]["from"] = json!(["not", "a", "number"]);
    strange["data"]["payload"]["direction"] = json!(17);
    strange["data"]["occurred_at"] = json!("the day after tomorrow");
    let conference =
        json!({"data": {"id": "e-1", "event_type": "conference.created", "payload": {"conference_id": "c"}}});
    let message =
        json!({"data": {"id": "e-2", "event_type": "message.received", "payload": {"text": "hello"}}});
    for event in [&unknown, &strange, &conference, &message, &conference] {
        let taken = world.api.webhook(event).await?;
        assert_eq!(taken.status, 200, "{}", taken.body);
    }
    // the leg nobody knows has become a call, from what is known of it
    let calls = world.api.list_all("/api/v1/calls").await?;
    assert_eq!(
        calls.iter().map(|call| call["provider_call_id"].clone()).collect::<Vec<_>>(),
        [leg.control_id()]
    );
    world.node.terminate()?;
    let history = History::read(&world.node.options).await?;
    history.check_order()?;
    let counts = history.carrier_events();
    assert_eq!(counts.len(), 4);
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
    Ok(())
}

/// What `call` looks like but for its ids, parties and versions.
fn essence(call: &Value) -> Value {
    let fields =
        ["direction", "status", "end_reason", "ended_by", "answered_at", "ended_at", "duration_ms", "to"];
    fields
        .iter()
        .map(|field| ((*field).to_owned(), call[*field].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_for_an_unknown_call_creates_it_and_order_repeats_and_age_change_nothing() -> Result<()> {
    let mut world = World::with(|plan| {
        plan.options = plan.options.clone().set("TELNYX_API_BASE", "http://127.0.0.1:9/v2");
    })
    .await?;
    world.take_number().await?;
    // recent enough for no timer to have a say
    let start = unix_now() - 31;
    let times = [rfc3339(start), rfc3339(start + 1), rfc3339(start + 31)];
    // one call in every order its webhooks can take, each webhook twice; and one that is told of after years
    const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for (number, order) in (1..).zip(ORDERS) {
        let mut leg = Leg::inbound(number);
        let events = [leg.initiated(&times[0]), leg.answered(&times[1]), leg.hangup(&times[2])];
        for index in order {
            for _ in 0..2 {
                let taken = world.api.webhook(&events[index]).await?;
                assert_eq!(taken.status, 200, "{order:?}: {}", taken.body);
            }
            let calls = world.api.list_all("/api/v1/calls").await?;
            let known = calls.iter().any(|call| call["provider_call_id"] == leg.control_id());
            ensure!(known || !calls.is_empty() || number == 1, "the first event made no call");
        }
        for event in &events {
            assert_eq!(world.api.webhook(event).await?.status, 200);
        }
    }
    let calls = until("six calls that are over", SOON, async || {
        let calls = world.api.list_all("/api/v1/calls").await?;
        // the answer may be told after the end
        let over = |call: &Value| call["status"] == "ended" && !call["answered_at"].is_null();
        Ok((calls.len() == 6 && calls.iter().all(over)).then_some(calls))
    })
    .await?;
    let expected = json!({
        "direction": "inbound", "status": "ended", "end_reason": "caller_hangup", "ended_by": "caller",
        "answered_at": micros(&times[1])?, "ended_at": micros(&times[2])?, "duration_ms": 30_000,
        "to": OUR_NUMBER,
    });
    for call in &calls {
        let mut is = essence(call);
        for time in ["answered_at", "ended_at"] {
            is[time] = micros(text(call, time))?;
        }
        assert_eq!(is, expected);
    }
    // years late, for a call that is over and for one nobody heard of
    let mut late = Leg::inbound(1);
    let _ = (late.initiated("x"), late.answered("x"), late.hangup("x"));
    for event in [
        late.answered("2031-01-01T00:00:00.000000Z"),
        late.event("call.dtmf.received", "1999-01-01T00:00:00.000000Z", json!({"digit": "5"})),
        late.hangup("2041-01-01T00:00:00.000000Z"),
        Leg::inbound(99).hangup("1994-07-12T00:00:00.000000Z"),
    ] {
        assert_eq!(world.api.webhook(&event).await?.status, 200);
    }
    let path = format!("/api/v1/calls?from=%2B{}", &Leg::inbound(1).from[1..]);
    let again = world.api.list_all(&path).await?;
    assert_eq!(again.iter().map(essence).collect::<Vec<_>>(), [essence(&calls[0])]);
    let old = world.call_of_leg(&Leg::inbound(99).control_id()).await?;
    assert_eq!(text(&old, "status"), "ended");
    world.node.terminate()?;
    let history = History::read(&world.node.options).await?;
    history.check_order()?;
    let counts = history.carrier_events();
    assert!(counts.len() == 22 && counts.values().all(|count| *count == 1), "{counts:?}");
    Ok(())
}

/// Times may be written with more or fewer digits.
fn micros(time: &str) -> Result<Value> {
    Ok(chrono::DateTime::parse_from_rfc3339(time)?.timestamp_micros().into())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_setting_is_named_and_stops_the_start() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("node.toml");
    std::fs::write(&file, "[telnyx]\npublic_kay = \"x\"\n")?;
    let options = ServerOptions::embedded(folder.path());
    let key = "vx_0000000000000000000000000000000000000000000deadbeef";
    for (name, value, hints) in [
        ("BNID", "127.0.0.1:0", &["VOXLEDGER_BNID", "VOXLEDGER_BIND"][..]),
        ("BIND", "nine", &["VOXLEDGER_BIND", "nine"]),
        ("HTTP_WORKERS", "0", &["VOXLEDGER_HTTP_WORKERS"]),
        ("BOOTSTRAP_KEY", key, &["VOXLEDGER_BOOTSTRAP_KEY"]),
        ("TELNYX_PUBLIC_KEY", "short", &["VOXLEDGER_TELNYX_PUBLIC_KEY"]),
        ("EVENT_STORE", "mysql://u:hunter2@h/db", &["VOXLEDGER_EVENT_STORE"]),
        ("LOG_FORMAT", "xml", &["VOXLEDGER_LOG_FORMAT", "xml"]),
        ("CONFIG", &file.to_string_lossy(), &["telnyx.public_kay", "telnyx.public_key"]),
    ] {
        let error = match Server::start(&options.clone().set(name, value)) {
            Ok(_) => anyhow::bail!("the node started with {name}={value}"),
            Err(error) => error.to_string(),
        };
        for hint in hints {
            assert!(error.contains(hint), "{name}: {error}");
        }
        assert!(error.contains("exit status: 1"), "{name}: {error}");
        assert!(!error.contains("hunter2") && !error.contains(key), "{name} shows a secret: {error}");
    }
    assert!(!folder.path().join("events.db").exists(), "a start that failed left a log behind");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_with_unknown_or_impossible_parts_name_them() -> Result<()> {
    let world = World::start().await?;
    let number = json!({"number": OUR_NUMBER, "route": {"type": "agent"}});
    let faulty = [
        ("/api/v1/calls", json!({"to": "+12025550123", "colour": "red"}), "colour"),
        ("/api/v1/calls", json!({"to": "twelve"}), "to"),
        ("/api/v1/calls", json!({"to": "+12025550123", "from": "me"}), "from"),
        ("/api/v1/calls", json!({}), "to"),
        ("/api/v1/calls", json!({"to": 7}), "to"),
        ("/api/v1/calls", json!({"to": "+12025550123", "ring_timeout_ms": 1}), "ring_timeout_ms"),
        ("/api/v1/calls", json!({"to": "+12025550123", "max_duration_ms": 1}), "max_duration_ms"),
        ("/api/v1/calls", json!({"to": "+12025550123", "metadata": {"": 1}}), "metadata"),
        (
            "/api/v1/calls",
            json!({"to": "+12025550123", "agent_id": "agt_01h455vb4pex5vsknk084sn02q"}),
            "agent_id",
        ),
        ("/api/v1/numbers", json!({"number": "0123", "route": {"type": "agent"}}), "number"),
        ("/api/v1/numbers", json!({"number": OUR_NUMBER, "route": {"type": "moon"}}), "route"),
        ("/api/v1/numbers", json!({"number": OUR_NUMBER, "route": {"type": "reject"}, "x": 1}), "x"),
        (
            "/api/v1/numbers",
            json!({"number": OUR_NUMBER, "route": {"type": "agent", "id": "agt_01h455vb4pex5vsknk084sn02q"}}),
            "route.id",
        ),
    ];
    for (path, body, field) in faulty {
        let refused = world.api.post(path, body.clone()).await?;
        assert_eq!((refused.status, refused.code()), (422, "invalid_request"), "{body}: {}", refused.body);
        let errors = refused.body["errors"].as_array().context("errors")?;
        let named = errors.iter().any(|error| text(error, "field").starts_with(field));
        assert!(named, "{body}: {}", refused.body);
    }
    for (query, field) in [
        ("colour=red", "colour"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("cursor=nonsense", "cursor"),
        ("order=sideways", "order"),
        ("status=asleep", "status"),
        ("direction=up", "direction"),
        ("created_after=yesterday", "created_after"),
        ("include_total=maybe", "include_total"),
        ("limit=1&limit=2", "limit"),
    ] {
        let refused = world.api.get(&format!("/api/v1/calls?{query}")).await?;
        assert_eq!((refused.status, refused.code()), (422, "invalid_request"), "{query}: {}", refused.body);
        assert_eq!(refused.body["errors"][0]["field"], field, "{query}");
    }
    let broken = world.api.send("POST", "/api/v1/numbers", &[], Some(b"{".to_vec())).await?;
    assert_eq!((broken.status, broken.code()), (400, "malformed_json"));
    let body = number.to_string().into_bytes();
    let typed =
        world.api.send("POST", "/api/v1/numbers", &[("content-type", "text/plain")], Some(body)).await?;
    assert_eq!((typed.status, typed.code()), (415, "unsupported_media_type"));
    let method = world.api.send("PUT", "/api/v1/calls", &[], None).await?;
    assert_eq!((method.status, method.code()), (405, "method_not_allowed"));
    assert_eq!(world.api.get("/api/v1/nowhere").await?.code(), "route_not_found");
    assert_eq!(world.api.list_all("/api/v1/numbers").await?, Vec::<Value>::new());
    assert_eq!(world.api.list_all("/api/v1/calls").await?, Vec::<Value>::new());
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_key_or_a_wrong_one_is_told_which_it_is() -> Result<()> {
    let world = World::start().await?;
    // right in form and checksum, and nobody's
    let unknown = "vx_00000000000000000000000000000000000000000008df72f43";
    let typo = tests::client::TEST_KEY.replacen('T', "U", 1);
    for (key, code) in [
        (None, "missing_credentials"),
        (Some("hello"), "api_key_malformed"),
        (Some(typo.as_str()), "api_key_malformed"),
        (Some(unknown), "api_key_unknown"),
    ] {
        let api = world.api.with_key(key);
        for (method, path) in [
            ("GET", "/api/v1/calls"),
            ("POST", "/api/v1/calls"),
            ("GET", "/api/v1/calls/call_01h455vb4pex5vsknk084sn02q"),
            ("DELETE", "/api/v1/numbers/num_01h455vb4pex5vsknk084sn02q"),
        ] {
            let refused = api.send(method, path, &[], None).await?;
            assert_eq!((refused.status, refused.code()), (401, code), "{method} {path}");
        }
    }
    let header = [("x-api-key", tests::client::TEST_KEY)];
    let by_header = world.api.with_key(None).send("GET", "/api/v1/calls", &header, None).await?;
    assert_eq!(by_header.status, 200);
    world.close().await?;
    Ok(())
}

/// What the log must hold of webhooks that were answered so.
/// What a raw request is answered with, if it is answered at all.
fn send_bytes(address: &str, request: &[u8]) -> Result<Option<u16>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    // the node may hang up before it has read everything
    let _ = stream.write_all(request);
    let mut answer = [0; 12];
    Ok(match stream.read_exact(&mut answer) {
        Ok(()) => Some(std::str::from_utf8(&answer[9..])?.parse()?),
        Err(_) => None,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_is_huge_or_no_header_at_all_is_refused_and_costs_the_node_nothing() -> Result<()> {
    let world = World::start().await?;
    let server = world.node.server()?;
    let before = server.resident_bytes()?;
    let request = |credential: &[u8]| {
        [b"GET /api/v1/calls HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ", credential, b"\r\n\r\n"].concat()
    };
    for credential in [&vec![b'x'; MIB][..], b"vx_\0", b"vx_\x01", b"vx_\x7f"] {
        for _ in 0..20 {
            let status = send_bytes(server.address(), &request(credential))?;
            let shown = credential.len();
            assert!(matches!(status, None | Some(400 | 401 | 431)), "{shown} bytes: {status:?}");
        }
    }
    assert_eq!(send_bytes(server.address(), &request(&[0xc3, 0x28]))?, Some(401), "not UTF-8");
    let grown = server.resident_bytes()?.saturating_sub(before);
    assert!(grown < 16 * MIB as u64, "the node grew by {grown} bytes");
    assert_eq!(world.api.get("/api/v1/calls").await?.status, 200);
    world.close().await?;
    Ok(())
}

async fn compare_with_log(world: &World, answers: &HashMap<String, u16>) -> Result<()> {
    let history = History::read(&world.node.options).await?;
    history.check_order()?;
    let counts = history.carrier_events();
    for (event_id, status) in answers {
        let stored = counts.get(event_id).copied().unwrap_or(0);
        ensure!(
            stored == usize::from(*status == 200),
            "{event_id} was answered {status}, stored {stored} times"
        );
    }
    ensure!(counts.len() == answers.values().filter(|status| **status == 200).count());
    Ok(())
}

fn event_id(event: &Value) -> String {
    event["data"]["id"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_503_at_once_and_nothing_of_it_is_written() -> Result<()> {
    let world = World::with(|plan| {
        plan.options = plan
            .options
            .clone()
            .set("STORAGE_APPEND_QUEUE", "1")
            .set("TELNYX_API_BASE", "http://127.0.0.1:9/v2");
    })
    .await?;
    let events: Vec<_> = (1..=24).map(|number| Leg::inbound(number).initiated(&now())).collect();
    // another process holds the log: the writer waits with one append at hand and one in its queue
    let log = SqliteConnectOptions::new().filename(world.data_dir().join("events.db"));
    let mut other = log.connect().await?;
    other.execute("BEGIN IMMEDIATE").await?;
    let under_way = events.iter().map(|event| world.api.webhook(event));
    let release = async {
        until("a refusal", SOON, async || {
            let metrics = world.api.get("/metrics").await?.body;
            let lines = metrics.as_str().unwrap_or_default().lines();
            let mut refusals = lines.filter(|line| line.contains("outcome=\"overloaded\""));
            Ok(refusals.any(|line| !line.ends_with(" 0")).then_some(()))
        })
        .await?;
        other.execute("ROLLBACK").await?;
        anyhow::Ok(())
    };
    let (answers, released) = tokio::join!(join_all(under_way), release);
    released?;
    let mut statuses = HashMap::new();
    let mut refused = 0;
    for (event, answer) in events.iter().zip(answers) {
        let answer = answer?;
        statuses.insert(event_id(event), answer.status);
        if answer.status != 200 {
            refused += 1;
            assert_eq!((answer.status, answer.code()), (503, "overloaded"), "{}", answer.body);
            let wait = answer.header("retry-after").context("no Retry-After")?;
            assert!(wait.parse::<u64>()? >= 1, "{wait}");
        }
    }
    assert!(refused > 0 && refused < 24, "{refused} of 24 were refused");
    compare_with_log(&world, &statuses).await?;
    // the carrier tries again, one after the other, and gets through
    for event in &events {
        let again = world.api.webhook(event).await?;
        assert_eq!(again.status, 200, "{}", again.body);
        statuses.insert(event_id(event), 200);
    }
    compare_with_log(&world, &statuses).await?;
    other.close().await?;
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_503_with_nothing_half_written_and_is_got_over_without_help() -> Result<()> {
    let mut world = World::start().await?;
    world.take_number().await?;
    let mut statuses = HashMap::new();
    let mut leg = Leg::inbound(1);
    let first = leg.initiated(&now());
    assert_eq!(world.api.webhook(&first).await?.status, 200);
    statuses.insert(event_id(&first), 200);

    world.node.server()?.limit_files(Some(1))?;
    let events: Vec<_> = (2..=5).map(|number| Leg::inbound(number).initiated(&now())).collect();
    let more = leg.answered(&now());
    let under_way: Vec<_> = events.iter().chain([&more]).collect();
    let answers = join_all(under_way.iter().map(|event| world.api.webhook(event))).await;
    for (event, answer) in under_way.iter().zip(answers) {
        let answer = answer?;
        assert_eq!((answer.status, answer.code()), (503, "unavailable"), "{}", answer.body);
        assert!(answer.header("retry-after").is_some());
        statuses.insert(event_id(event), answer.status);
    }
    let dialled = world.api.post("/api/v1/calls", json!({"to": "+12025550151"})).await?;
    assert_eq!((dialled.status, dialled.code()), (503, "unavailable"));
    assert!(dialled.header("retry-after").is_some());
    // reading goes on meanwhile, and nobody need kill the node
    assert_eq!(world.api.get("/healthz").await?.status, 200);
    assert_eq!(world.api.get("/api/v1/calls").await?.status, 200);

    world.node.server()?.limit_files(None)?;
    let again = Leg::inbound(2).initiated(&now());
    until("the node to take webhooks again", SOON, async || {
        Ok((world.api.webhook(&again).await?.status == 200).then_some(()))
    })
    .await?;
    statuses.insert(event_id(&again), 200);
    for event in under_way {
        assert_eq!(world.api.webhook(event).await?.status, 200);
        statuses.insert(event_id(event), 200);
    }
    // views and outbox follow by themselves: what is written now can be read now
    world.carrier.set_usual_callee(simulator::fake_telnyx::CalleeScript::Busy);
    let call = world.dial(json!({"to": "+12025550151"})).await?;
    world.call_when(text(&call, "id"), |call| call["end_reason"] == "busy").await?;
    assert_eq!(world.api.get("/readyz").await?.status, 200);
    assert!(world.node.terminate()?.success());
    let history = History::read(&world.node.options).await?;
    history.check_order()?;
    let counts = history.carrier_events();
    for id in statuses.keys() {
        assert_eq!(counts.get(id), Some(&1), "{id}");
    }
    tests::history::check_views(&world.node.options).await?;
    Ok(())
}

/// Keeps the helpers of `webhook` honest: a leg is the same leg for everybody who names its number.
#[test]
fn legs_of_one_number_are_one_leg() {
    assert_eq!(Leg::inbound(7).leg_id(), Leg::inbound(7).leg_id());
    assert_ne!(Leg::inbound(7).initiated("x"), Leg::inbound(8).initiated("x"));
    assert!(webhook::public_key().len() == 44);
}

/// Every operation with a body, given an array instead of its object: refused, and in nobody's words but the reader's.
#[tokio::test(flavor = "multi_thread")]
async fn an_array_is_never_taken_for_an_object() -> Result<()> {
    let world = World::start().await?;
    let document = world.api.get("/api/v1/openapi.json").await?.body;
    let mut asked = 0;
    for (path, operations) in document["paths"].as_object().context("paths")? {
        for (method, operation) in operations.as_object().context("operations")? {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            if schema.is_null()
                || path.starts_with("/api/v1/webhooks/telnyx")
                || path.starts_with("/api/v1/webhooks/hubspot")
                || path.starts_with("/api/v1/webhooks/stripe")
                || path.starts_with("/api/v1/webhooks/ultravox")
            {
                continue;
            }
            let path = path.replace("{id}", "call_01j00000000000000000000000").replace("{kind}", "openai");
            for body in [json!(["+12025550161", null, "a@example.com", {}, []]), json!([]), json!([{}])] {
                let sent = Some(body.to_string().into_bytes());
                let answer = world.api.send(&method.to_uppercase(), &path, &[], sent).await?;
                let told = answer.body.to_string();
                ensure!((400..500).contains(&answer.status), "{method} {path}: {} {told}", answer.status);
                ensure!(!told.contains("struct") && !told.contains("enum"), "{method} {path}: {told}");
                asked += 1;
            }
        }
    }
    ensure!(asked > 90, "{asked}");
    for (path, body, field) in [
        ("/api/v1/calls", json!(["+12025550161", null]), "body"),
        ("/api/v1/auth/login", json!(["a@example.com", "correct horse battery"]), "body"),
        ("/api/v1/numbers", json!({"number": OUR_NUMBER, "route": ["agent", null]}), "route"),
    ] {
        let answer = world.api.post(path, body).await?;
        ensure!((answer.status, answer.code()) == (422, "invalid_request"), "{path}: {}", answer.body);
        ensure!(answer.body["errors"][0]["field"] == field, "{path}: {}", answer.body);
    }
    ensure!(world.api.list_all("/api/v1/calls").await?.is_empty());
    let twice = r#"{"to": "+12025550161", "metadata": {"a": {"b": 1, "b": 2}}}"#;
    let answer = world.api.send("POST", "/api/v1/calls", &[], Some(twice.into())).await?;
    ensure!(
        (answer.status, &answer.body["errors"][0]["field"]) == (422, &json!("metadata.a.b")),
        "{}",
        answer.body
    );
    world.close().await?;
    Ok(())
}
