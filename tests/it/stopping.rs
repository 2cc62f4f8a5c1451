//! A node that is told to stop: it is not ready at once, serves until others have noticed, and ends in bounded time.

use std::time::{Duration, Instant};

use adapters::testing::postgres::Cluster;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use tests::client::Api;
use tests::server::{Server, ServerOptions};
use tests::sse::Stream;
use tests::until::{SOON, until};

use crate::crash::address_of;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_told_to_stop_is_not_ready_serves_on_and_lets_connections_and_streams_end() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(&ServerOptions::embedded(folder.path()).set("HTTP_DRAIN_MS", "3000"))?;
    let api = Api::new(&server.base)?;
    let mut stream = Stream::of(api.open("/api/v1/calls/stream", &[]).await?);
    ensure!(stream.next().await?.context("hello")?.name == "ready");
    ensure!(api.get("/readyz").await?.status == 200);
    ensure!(api.get("/api/v1/calls").await?.header("connection").is_none());
    server.ask_to_stop()?;
    let begun = Instant::now();
    until("the node to be not ready", SOON, async || {
        let answer = api.get("/readyz").await?;
        Ok((answer.status == 503 && answer.body["status"] == "draining").then_some(()))
    })
    .await?;
    // work goes on, and its connections come to an end
    let number = json!({"number": "+12025550188", "route": {"type": "reject"}});
    let made = api.post("/api/v1/numbers", number).await?;
    ensure!((made.status, made.header("connection")) == (201, Some("close")), "{}", made.body);
    ensure!(stream.next().await?.is_none(), "the stream goes on");
    ensure!(begun.elapsed() >= Duration::from_millis(2_500), "streams end with the drain, not before");
    ensure!(server.terminate()?.success());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_ends_in_bounded_time_though_its_database_is_frozen() -> Result<()> {
    let cluster = tokio::task::block_in_place(Cluster::start);
    let url = address_of(&cluster.database().await)?;
    let folder = tempfile::tempdir()?;
    let options = ServerOptions::postgres(folder.path(), &url).set("HTTP_SHUTDOWN_GRACE_MS", "2000");
    let server = Server::start(&options)?;
    let api = Api::new(&server.base)?;
    api.post("/api/v1/numbers", json!({"number": "+12025550188", "route": {"type": "reject"}}))
        .await?
        .data()?;
    tokio::task::block_in_place(|| cluster.freeze());
    // a request that waits for the database, too
    let hanging = tokio::spawn(async move { api.get("/api/v1/numbers").await.map(|answer| answer.status) });
    let begun = Instant::now();
    let status = tokio::task::block_in_place(|| server.terminate());
    tokio::task::block_in_place(|| cluster.thaw());
    let took = begun.elapsed();
    ensure!(status.is_ok() && took < Duration::from_secs(25), "it took {took:?} to stop: {status:?}");
    hanging.abort();
    Ok(())
}
