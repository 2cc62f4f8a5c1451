//! More than a node can do: it says so early, and whoever is slow or many takes nothing from the others.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use serde_json::json;
use tests::client::{Api, TEST_KEY};
use tests::server::{Server, ServerOptions};
use tests::webhook::{Leg, OUR_NUMBER};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

fn small(folder: &std::path::Path) -> ServerOptions {
    ServerOptions::embedded(folder)
        .set("HTTP_CONCURRENCY", "2")
        .set("HTTP_QUEUE", "8")
        .set("HTTP_QUEUE_WAIT_MS", "300")
        .set("LIMITS_KEY_REQUESTS_PER_HOUR", "4294967295")
        .set("LIMITS_CLIENT_REQUESTS_PER_MINUTE", "4294967295")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_in_time_is_refused_early_and_said_once_a_second() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(&small(folder.path()))?;
    let api = Api::new(&server.base)?;
    api.post("/api/v1/numbers", json!({"number": OUR_NUMBER, "route": {"type": "agent"}})).await?.data()?;
    let begun = Instant::now();
    let answers = try_join_all((0..200_u64).map(async |n| {
        let sent = Instant::now();
        let answer = api.webhook(&Leg::inbound(n).initiated("2026-01-15T10:20:30.123456Z")).await?;
        anyhow::Ok((answer, sent.elapsed()))
    }))
    .await?;
    let took = begun.elapsed();
    let refused: Vec<_> = answers.iter().filter(|(answer, _)| answer.status == 503).collect();
    let done = answers.iter().filter(|(answer, _)| answer.status == 200).count();
    ensure!(done + refused.len() == answers.len() && done >= 2, "{done} done, {} refused", refused.len());
    ensure!(refused.len() >= 20, "only {} of 200 at once were refused", refused.len());
    for (answer, _) in &refused {
        ensure!(
            (answer.code(), answer.header("retry-after")) == ("overloaded", Some("1")),
            "{}",
            answer.body
        );
    }
    let warnings = server.printed().lines().filter(|line| line.contains("request refused")).count() as u64;
    ensure!((1..=took.as_secs() + 2).contains(&warnings), "{warnings} warnings in {took:?}");
    let metrics = api.get("/metrics").await?.body;
    let metrics = metrics.as_str().context("text")?.to_owned();
    let counted = format!("voxledger_http_refused_total {}", refused.len());
    ensure!(metrics.lines().any(|line| line == counted), "not counted: {counted}");
    ensure!(server.terminate()?.success());
    Ok(())
}

/// The head of a webhook and half of its body.
async fn half_a_body(address: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    let head = "POST /api/v1/webhooks/telnyx HTTP/1.1\r\nHost: voxledger.test\r\nContent-Length: 100\r\n\r\n{\"data\"";
    stream.write_all(head.as_bytes()).await?;
    Ok(stream)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sends_a_body_slowly_takes_nobodys_turn() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server =
        Server::start(&small(folder.path()).set("HTTP_QUEUE", "100").set("HTTP_QUEUE_WAIT_MS", "10000"))?;
    let api = Api::new(&server.base)?;
    let slow = try_join_all((0..50).map(|_| half_a_body(server.address()))).await?;
    for n in 0..20 {
        let answer = api.get("/api/v1/calls").await?;
        ensure!(answer.status == 200, "request {n} beside slow ones was answered {}", answer.status);
    }
    for mut stream in slow {
        stream.write_all(&[b' '; 93]).await?;
        let mut answer = [0; 12];
        tokio::time::timeout(Duration::from_secs(10), stream.read_exact(&mut answer)).await??;
        // what came late was looked at all the same: it is not signed
        ensure!(matches!(&answer[9..], b"401" | b"503"), "{}", String::from_utf8_lossy(&answer));
    }
    Ok(())
}

/// One client has far more under way than the node does at once; another one's requests are not refused for that.
#[tokio::test(flavor = "multi_thread")]
async fn another_clients_requests_are_served_in_turn_while_one_client_floods() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(&small(folder.path()).set("HTTP_QUEUE_WAIT_MS", "10000"))?;
    let api = Api::new(&server.base)?.with_key(Some(TEST_KEY));
    let made = api.post("/api/v1/auth/clients", json!({"name": "Another"})).await?.data()?;
    let other = api.with_key(Some(made["plain_key"].as_str().context("a key")?));
    let over = tokio_util::sync::CancellationToken::new();
    let flood = try_join_all((0..60).map(async |_| {
        let mut refused = 0;
        while !over.is_cancelled() {
            refused += u32::from(api.get("/api/v1/calls").await?.status == 503);
        }
        anyhow::Ok(refused)
    }));
    let calm = async {
        for n in 0..30 {
            let answer = other.get("/api/v1/calls").await?;
            ensure!(answer.status == 200, "request {n} of the calm client was answered {}", answer.status);
        }
        over.cancel();
        anyhow::Ok(())
    };
    let (refused, calm) = tokio::join!(flood, calm);
    calm?;
    ensure!(refused?.iter().sum::<u32>() > 0, "the flood was none");
    ensure!(server.terminate()?.success());
    Ok(())
}
