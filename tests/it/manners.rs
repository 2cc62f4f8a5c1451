//! HTTP as browsers, caches, command-line tools and proxies expect it, on the real server.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use tests::client::TEST_KEY;
use tests::sse::Stream;
use tests::webhook::{Leg, OUR_NUMBER, rfc3339, unix_now};
use tests::world::World;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PAGE: &str = "https://app.example.com";

fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

async fn world() -> Result<(World, Client, String)> {
    let world = World::with(|plan| {
        plan.options =
            plan.options.clone().set("HTTP_CORS_ORIGINS", &format!("{PAGE},http://localhost:5173"));
    })
    .await?;
    let base = world.node.server()?.base.clone();
    Ok((world, Client::new(), base))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_got_can_be_asked_for_by_head_revalidated_and_found_with_a_slash() -> Result<()> {
    let (world, http, base) = world().await?;
    let number = world.take_number().await?;
    let path = format!("{base}/api/v1/numbers/{}", number["id"].as_str().context("an id")?);
    let asks = async |method: Method, path: &str, headers: &[(&str, &str)]| {
        let asked = http.request(method, path).bearer_auth(TEST_KEY);
        let asked = headers.iter().fold(asked, |asked, (name, value)| asked.header(*name, *value));
        asked.send().await
    };
    let got = asks(Method::GET, &path, &[]).await?;
    let etag = header(&got, "etag").to_owned();
    assert_eq!(
        (header(&got, "cache-control"), header(&got, "x-content-type-options")),
        ("private, no-cache", "nosniff")
    );
    let length = got.bytes().await?.len();
    let head = asks(Method::HEAD, &path, &[]).await?;
    assert_eq!((head.status().as_u16(), header(&head, "etag")), (200, &*etag));
    ensure!(header(&head, "content-length").parse::<usize>()?.abs_diff(length) < 8, "{head:?}");
    assert!(head.bytes().await?.is_empty());
    let stream = asks(Method::HEAD, &format!("{base}/api/v1/calls/stream"), &[]).await?;
    assert_eq!((stream.status().as_u16(), header(&stream, "content-type")), (200, "text/event-stream"));
    assert_eq!(asks(Method::HEAD, &format!("{base}/api/v1/nowhere"), &[]).await?.status(), 404);
    let only_posts = asks(Method::HEAD, &format!("{base}/api/v1/auth/login"), &[]).await?;
    assert_eq!((only_posts.status().as_u16(), header(&only_posts, "allow")), (405, "POST"));

    for known in [etag.clone(), format!("W/{etag}"), format!("\"0\", {etag}"), "*".to_owned()] {
        let unchanged = asks(Method::GET, &path, &[("if-none-match", &known)]).await?;
        assert_eq!((unchanged.status().as_u16(), header(&unchanged, "etag")), (304, &*etag), "{known}");
        assert!(unchanged.bytes().await?.is_empty());
    }
    assert_eq!(asks(Method::GET, &path, &[("if-none-match", "\"0\"")]).await?.status(), 200);

    for path in
        [format!("{path}/"), format!("{base}/api/v1/numbers/?limit=1"), format!("{base}/api/v1/numbers//")]
    {
        assert_eq!(asks(Method::GET, &path, &[]).await?.status(), 200, "{path}");
    }
    let secret = http.post(format!("{base}/api/v1/auth/api-keys/")).bearer_auth(TEST_KEY);
    let secret = secret.json(&json!({"name": "k", "scopes": ["calls:read"]})).send().await?;
    assert_eq!((secret.status().as_u16(), header(&secret, "cache-control")), (201, "no-store"));
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_compressed_for_whoever_asks_and_bodies_are_taken_as_they_are() -> Result<()> {
    let (world, http, base) = world().await?;
    for n in 0..30 {
        let number = json!({"number": format!("+120255502{n:02}"), "route": {"type": "reject"}});
        world.api.post("/api/v1/numbers", number).await?.data()?;
    }
    let numbers = format!("{base}/api/v1/numbers?limit=200");
    for encoding in ["gzip", "br"] {
        let got = http.get(&numbers).bearer_auth(TEST_KEY).header("accept-encoding", encoding).send().await?;
        assert_eq!(
            (header(&got, "content-encoding"), header(&got, "vary").contains("accept-encoding")),
            (encoding, true)
        );
        ensure!(got.bytes().await?.len() < 4_000, "{encoding}");
    }
    let open = http.get(format!("{base}/api/v1/calls/stream")).bearer_auth(TEST_KEY);
    let mut open = open.header("accept-encoding", "gzip, br").send().await?;
    assert_eq!((header(&open, "content-encoding"), header(&open, "x-accel-buffering")), ("", "no"));
    ensure!(open.chunk().await?.context("hello")?.starts_with(b"id: "));

    let post = |body: Vec<u8>| {
        http.post(format!("{base}/api/v1/numbers"))
            .bearer_auth(TEST_KEY)
            .header("content-type", "application/json")
            .body(body)
    };
    let packed = post(vec![0x1f, 0x8b, 8]).header("content-encoding", "gzip").send().await?;
    assert_eq!(packed.status(), 415);
    assert_eq!(packed.json::<Value>().await?["code"], "unsupported_media_type");
    let marked = [
        b"\xef\xbb\xbf".to_vec(),
        json!({"number": "+12025550299", "route": {"type": "reject"}}).to_string().into(),
    ];
    assert_eq!(post(marked.concat()).send().await?.status(), 201);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_as_bearer_as_a_header_or_as_curl_sends_a_user_and_refusals_say_why() -> Result<()> {
    let (world, http, base) = world().await?;
    let path = format!("{base}/api/v1/calls");
    for pair in [format!("{TEST_KEY}:"), format!("api:{TEST_KEY}")] {
        let basic = format!("Basic {}", STANDARD.encode(pair));
        assert_eq!(http.get(&path).header("authorization", basic).send().await?.status(), 200);
    }
    let refused = async |authorization: Option<&str>| {
        let asked = http.get(&path);
        let asked = match authorization {
            Some(value) => asked.header("authorization", value),
            None => asked,
        };
        let answer = asked.send().await?;
        anyhow::Ok((answer.status().as_u16(), header(&answer, "www-authenticate").to_owned()))
    };
    assert_eq!(refused(None).await?, (401, "Bearer realm=\"voxledger\"".to_owned()));
    for bad in ["Bearer vx_nonsense", "Basic !!!", "Basic bm9jb2xvbg=="] {
        let (status, challenge) = refused(Some(bad)).await?;
        assert_eq!(status, 401, "{bad}");
        assert!(
            challenge.starts_with("Bearer realm=\"voxledger\", error=\"invalid_token\", "),
            "{challenge}"
        );
    }
    let weak = json!({"name": "k", "scopes": ["numbers:read"]});
    let weak = world.api.post("/api/v1/auth/api-keys", weak).await?.data()?["plain_key"].clone();
    let (status, challenge) = refused(Some(&format!("Bearer {}", weak.as_str().context("a key")?))).await?;
    assert!(status == 403 && challenge.contains("error=\"insufficient_scope\""), "{status} {challenge}");

    // a refusal ends no connection, whatever is left of the request's body
    let mut socket = TcpStream::connect(base.trim_start_matches("http://")).await?;
    let body =
        json!({"number": OUR_NUMBER, "route": {"type": "reject"}, "x": "y".repeat(20_000)}).to_string();
    let request = |key: &str, content_type: &str| {
        format!(
            "POST /api/v1/numbers HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: {content_type}\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    for (key, content_type, status) in [
        ("vx_nonsense", "application/json", "401"),
        (TEST_KEY, "text/plain", "415"),
        (TEST_KEY, "application/json", "422"),
    ] {
        socket.write_all(request(key, content_type).as_bytes()).await?;
        let mut answer = Vec::new();
        let whole = async {
            while !answer.ends_with(b"}") {
                ensure!(
                    socket.read_buf(&mut answer).await? > 0,
                    "closed after {}",
                    String::from_utf8_lossy(&answer)
                );
            }
            Ok(())
        };
        tokio::time::timeout(Duration::from_secs(10), whole).await??;
        let text = String::from_utf8_lossy(&answer).to_lowercase();
        ensure!(
            text.starts_with(&format!("http/1.1 {status}")) && !text.contains("connection: close"),
            "{text}"
        );
    }
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_named_origins_may_call_the_api_and_no_others() -> Result<()> {
    let (world, http, base) = world().await?;
    let path = format!("{base}/api/v1/numbers");
    let asks = async |origin: &str| {
        let asked = http.request(Method::OPTIONS, &path).header("origin", origin);
        let asked = asked.header("access-control-request-method", "PATCH");
        asked
            .header("access-control-request-headers", "authorization, if-match, idempotency-key")
            .send()
            .await
    };
    let may = asks(PAGE).await?;
    assert_eq!((may.status().as_u16(), header(&may, "access-control-allow-origin")), (200, PAGE));
    assert!(header(&may, "access-control-allow-methods").contains("PATCH"), "{may:?}");
    assert!(header(&may, "access-control-allow-headers").to_lowercase().contains("if-match"), "{may:?}");
    let got = http.get(&path).bearer_auth(TEST_KEY).header("origin", PAGE).send().await?;
    assert!(header(&got, "access-control-expose-headers").to_lowercase().contains("etag"), "{got:?}");
    let refused = asks("https://evil.example.net").await?;
    assert_eq!((refused.status().as_u16(), header(&refused, "access-control-allow-origin")), (400, ""));
    // what is no browser says no origin
    assert_eq!(http.get(&path).bearer_auth(TEST_KEY).send().await?.status(), 200);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_call_and_an_unknown_last_event_id_is_answered() -> Result<()> {
    let (world, ..) = world().await?;
    world.take_number().await?;
    let mut leg = Leg::inbound(7);
    let at = rfc3339(unix_now());
    for webhook in [leg.initiated(&at), leg.hangup(&at)] {
        assert_eq!(world.api.webhook(&webhook).await?.status, 200);
    }
    let call = world.call_of_leg(&leg.control_id()).await?;
    let path = format!("/api/v1/calls/{}/stream", call["id"].as_str().context("an id")?);
    for told in ["x", "100000", "-1"] {
        let mut stream = Stream::of(world.api.open(&path, &[("last-event-id", told)]).await?);
        assert_eq!(stream.next().await?.context("reset")?.name, "reset", "{told}");
        assert_eq!(stream.next().await?.context("the first event")?.name, "call.carrier_event_received");
    }
    let mut stream = Stream::of(world.api.open(&path, &[]).await?);
    let mut names = Vec::new();
    while let Some(event) = stream.next().await? {
        names.push(event.name);
    }
    assert!(names.contains(&"call.ended".to_owned()), "{names:?}");
    assert_eq!(names.last().map(String::as_str), Some("done"));
    for told in ["x", "100000000"] {
        let mut all = Stream::of(world.api.open("/api/v1/calls/stream", &[("last-event-id", told)]).await?);
        assert_eq!(all.next().await?.context("hello")?.name, "reset", "{told}");
    }
    world.close().await?;
    Ok(())
}
