//! What operators, browsers and every client rely on.

use anyhow::{Context, Result};
use domain::zones::Zones;
use serde_json::{Value, json};
use tests::until::{SOON, until};
use tests::webhook::{Leg, rfc3339, unix_now};
use tests::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn the_node_tells_how_it_is_without_a_key() -> Result<()> {
    let world = World::start().await?;
    let stranger = world.api.with_key(None);
    assert_eq!(stranger.get("/healthz").await?.body, json!({"status": "ok"}));
    let ready = stranger.get("/readyz").await?;
    assert_eq!((ready.status, &ready.body["status"]), (200, &json!("ready")), "{}", ready.body);
    let checks = ready.body["checks"].as_array().context("checks")?.clone();
    let names: Vec<_> = checks.iter().filter_map(|check| check["name"].as_str()).collect();
    assert_eq!(names, ["event_store", "key_store", "seals", "projections", "outbox", "history"]);
    // a view that is idle trails by a moment
    let lags = until("the views to have seen everything", SOON, async || {
        let lags = stranger.get("/readyz").await?.body["projections"].clone();
        let all = lags.as_array().context("projections")?;
        let caught_up = |view: &Value| view["lag_events"] == 0 && view["lag_seconds"] == 0.0;
        Ok((all.len() > 10 && all.iter().all(caught_up)).then_some(lags))
    })
    .await?;
    assert!(lags[0]["name"].is_string() && lags[0]["position"].is_u64(), "{lags}");
    let version = stranger.get("/version").await?;
    let zone_data = Zones::bundled_release().to_string();
    let running = json!({"name": "voxledger", "version": env!("CARGO_PKG_VERSION"), "zone_data": zone_data});
    assert_eq!(version.body, running);
    // something must have happened for something to be measured
    world.take_number().await?;
    let call = Leg::inbound(1).initiated(&rfc3339(unix_now()));
    assert_eq!(world.api.webhook(&call).await?.status, 200);
    for name in [
        "voxledger_append_seconds",
        "voxledger_append_batch_events",
        "voxledger_mailbox_depth",
        "voxledger_projection_lag_events",
        "voxledger_projection_lag_seconds",
        "voxledger_outbox_age_seconds",
        "voxledger_breakers_open",
        "voxledger_carrier_ingress_total",
        "voxledger_effect_attempts_total",
    ] {
        // some are measured once a second
        until(name, SOON, async || {
            let metrics = stranger.get("/metrics").await?.body;
            let line = metrics.as_str().context("text")?.lines().find(|line| line.starts_with(name));
            Ok(line.map(str::to_owned))
        })
        .await?;
    }
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_a_request_id_and_a_clients_own_is_kept() -> Result<()> {
    let world = World::start().await?;
    for path in ["/api/v1/calls", "/api/v1/nowhere", "/healthz", "/docs/errors"] {
        let given = world.api.get(path).await?;
        assert!(given.header("x-request-id").is_some_and(|id| id.len() >= 16), "{path}");
        let kept = world.api.send("GET", path, &[("x-request-id", "mine-42")], None).await?;
        assert_eq!(kept.header("x-request-id"), Some("mine-42"), "{path}");
    }
    let listed = world.api.send("GET", "/api/v1/calls", &[("x-request-id", "mine-43")], None).await?;
    assert_eq!(listed.body["meta"]["request_id"], "mine-43");
    let problem = world.api.send("GET", "/api/v1/nowhere", &[("x-request-id", "mine-44")], None).await?;
    assert_eq!(problem.header("content-type"), Some("application/problem+json"));
    assert_eq!((problem.status, &problem.body["request_id"]), (404, &json!("mine-44")));
    let long = "x".repeat(129);
    let refused = world.api.send("GET", "/healthz", &[("x-request-id", &long)], None).await?;
    assert_ne!(refused.header("x-request-id"), Some(long.as_str()));
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_names_every_endpoint_and_the_docs_need_no_network() -> Result<()> {
    let world = World::start().await?;
    let stranger = world.api.with_key(None);
    let document = stranger.get("/api/v1/openapi.json").await?.body;
    for path in [
        "/api/v1/calls",
        "/api/v1/calls/{id}",
        "/api/v1/calls/{id}/hangup",
        "/api/v1/calls/{id}/transfer",
        "/api/v1/calls/{id}/say",
        "/api/v1/calls/{id}/dtmf",
        "/api/v1/calls/{id}/transcript",
        "/api/v1/calls/{id}/recording",
        "/api/v1/calls/{id}/events",
        "/api/v1/calls/{id}/stream",
        "/api/v1/numbers",
        "/api/v1/numbers/{id}",
        "/api/v1/audit/log",
        "/api/v1/webhooks/telnyx",
        "/healthz",
        "/readyz",
        "/metrics",
        "/version",
    ] {
        assert!(document["paths"][path].is_object(), "{path} is not in the document");
    }
    let page = stranger.get("/docs/").await?;
    let html = page.body.as_str().context("a page")?;
    let sources: Vec<_> = ["src=\"", "href=\""]
        .iter()
        .flat_map(|attribute| html.split(attribute).skip(1))
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(sources.len() >= 4, "{html}");
    for source in sources {
        assert!(!source.contains("//"), "{source} is somebody else's");
        let asset = stranger.get(&format!("/docs/{}", source.trim_start_matches("./"))).await?;
        assert_eq!(asset.status, 200, "{source}");
    }
    let settings = stranger.get("/docs/swagger-initializer.js").await?;
    let settings = settings.body.as_str().context("a script")?;
    assert!(settings.contains("/api/v1/openapi.json") && !settings.contains("https://"), "{settings}");
    // a problem's type leads to a page of this very node that explains it
    let problem = world.api.get("/api/v1/nowhere").await?.body;
    let link = problem["type"].as_str().context("a type")?;
    let guide = stranger.get("/docs/errors").await?;
    assert!(link.contains("/docs/errors#route_not_found"), "{link}");
    assert!(guide.body.as_str().is_some_and(|page| page.contains("id=\"route_not_found\"")));
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_reads_its_own_writes_at_once() -> Result<()> {
    let world = World::start().await?;
    let mut last = 0;
    for n in 0..20 {
        let body = json!({"number": format!("+120255502{n:02}"), "route": {"type": "reject"}});
        let answer = world.api.post("/api/v1/numbers", body).await?;
        let position = answer.body["meta"]["position"].as_u64().context("a position")?;
        assert!(position > last, "{position} after {last}");
        last = position;
        let number = answer.data()?;
        let path = format!("/api/v1/numbers/{}", number["id"].as_str().context("an id")?);
        assert_eq!(world.api.get(&path).await?.data()?, number);
        let listed = world.api.get("/api/v1/numbers?limit=1").await?.data()?;
        assert_eq!(listed[0], number);
    }
    assert_eq!(world.api.get("/api/v1/numbers/num_nonsense").await?.status, 404);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_started_again_knows_its_key_its_numbers_and_its_calls() -> Result<()> {
    let mut world = World::start().await?;
    let number = world.take_number().await?;
    world.carrier.set_usual_callee(simulator::fake_telnyx::CalleeScript::Busy);
    let call = world.dial(json!({"to": "+12025550151"})).await?;
    let id = call["id"].as_str().context("an id")?.to_owned();
    world.call_when(&id, |call| call["status"] == "failed" && !call["cost"].is_null()).await?;
    let before = world.api.get(&format!("/api/v1/calls/{id}")).await?.data()?;
    assert!(world.node.terminate()?.success());
    world.node.resume()?;
    assert_eq!(world.api.get(&format!("/api/v1/calls/{id}")).await?.data()?, before);
    assert_eq!(world.api.list_all("/api/v1/numbers").await?, vec![number]);
    let again = world.take_number().await;
    assert!(again.is_err_and(|error| error.to_string().contains("number_taken")));
    assert_eq!(world.api.get("/api/v1/calls?status=queued").await?.data()?, Value::Array(vec![]));
    world.close().await?;
    Ok(())
}
