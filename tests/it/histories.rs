//! Every resource tells its history, has its tag, and is shown as it was: also those that no view shows.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use simulator::fake_telnyx::{CallScript, Step};
use tests::client::Api;
use tests::receiver::{Answers, Receiver};
use tests::until::{SOON, until};
use tests::webhook::OUR_NUMBER;
use tests::world::World;

async fn types(api: &Api, path: &str) -> Result<Vec<String>> {
    let events = api.list_all(&format!("{path}/events")).await?;
    Ok(events.iter().filter_map(|event| event["type"].as_str().map(str::to_owned)).collect())
}

async fn status_of(api: &Api, method: &str, path: &str, headers: &[(&str, String)]) -> Result<u16> {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Ok(api.send(method, path, &headers, None).await?.status)
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_there_from_the_beginning_and_change_at_the_version_that_was_read() -> Result<()> {
    let world = World::start().await?;
    let (api, path) = (&world.api, "/api/v1/privacy/settings");
    let fresh = api.get(path).await?;
    assert_eq!(fresh.header("etag"), Some("\"0\""));
    assert_eq!(fresh.data()?["version"], 0);
    assert_eq!(api.get(&format!("{path}?version=0")).await?.status, 200);
    assert_eq!(api.get(&format!("{path}?version=1")).await?.status, 404);
    assert_eq!(types(api, path).await?, Vec::<String>::new());
    let basic = json!({"call_content": "basic_attributes_only"});
    assert_eq!(api.patch(path, Some(3), basic.clone()).await?.status, 412, "there is no version 3");
    let changed = api.patch(path, Some(0), basic).await?;
    assert_eq!((changed.status, changed.header("etag")), (200, Some("\"1\"")), "{}", changed.body);
    let left_out = api.patch(path, Some(1), json!({})).await?.data()?;
    assert_eq!(left_out["call_content"], "basic_attributes_only", "what is left out stays");
    let null = api.patch(path, Some(1), json!({"call_content": null})).await?.data()?;
    assert_eq!((&null["call_content"], &null["version"]), (&Value::Null, &json!(2)));
    assert_eq!(api.get(&format!("{path}?version=1")).await?.data()?["call_content"], "basic_attributes_only");
    let events = api.list_all(&format!("{path}/events")).await?;
    assert_eq!(events.len(), 2);
    let before = events[1]["recorded_at"].as_str().context("a time")?.replace('Z', "+00:00");
    let before = chrono::DateTime::parse_from_rfc3339(&before)? - chrono::TimeDelta::microseconds(1);
    let before = before.to_rfc3339_opts(chrono::SecondsFormat::Micros, true).replace("+00:00", "Z");
    let then = api.get(&format!("{path}?at={before}")).await?.data()?;
    assert_eq!(then["call_content"], "basic_attributes_only");
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_with_a_provider_is_shown_as_it_was_also_after_its_removal() -> Result<()> {
    let world = World::start().await?;
    let (api, path) = (&world.api, "/api/v1/auth/providers/llm");
    assert_eq!(api.get(path).await?.status, 404);
    assert_eq!(api.get(&format!("{path}/events")).await?.status, 404);
    assert_eq!(api.get("/api/v1/auth/providers/nonsense").await?.status, 404);
    let account = json!({"provider": "groq", "api_key": "gsk_0123456789"});
    assert_eq!(api.patch(path, Some(4), account.clone()).await?.status, 412, "there is no version 4");
    assert_eq!(api.patch(path, None, account).await?.status, 200);
    let model = json!({"settings": {"model": "openai/gpt-oss-20b"}});
    assert_eq!(api.patch(path, Some(1), model).await?.status, 200);
    let now = api.get(path).await?;
    assert_eq!(now.header("etag"), Some("\"2\""));
    assert_eq!(now.data()?["key_last4"], "6789");
    assert_eq!(api.get(&format!("{path}?version=1")).await?.data()?["settings"], json!({}));
    let if_match = |version: u64| [("if-match", format!("\"{version}\""))];
    assert_eq!(status_of(api, "DELETE", path, &if_match(1)).await?, 412);
    assert_eq!(status_of(api, "DELETE", path, &if_match(2)).await?, 204);
    assert_eq!(api.get(path).await?.status, 404);
    assert_eq!(api.get(&format!("{path}?version=3")).await?.status, 404, "it was gone by then");
    assert_eq!(api.get(&format!("{path}?version=4")).await?.status, 404);
    assert_eq!(api.get(&format!("{path}?version=2")).await?.data()?["version"], 2);
    let told = types(api, path).await?;
    assert_eq!(told, ["provider.configured", "provider.configured", "provider.removed"]);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_and_an_erasure_are_shown_as_they_were() -> Result<()> {
    let world = World::start().await?;
    let api = &world.api;
    let asked = api.post("/api/v1/audit/exports", json!({})).await?;
    assert_eq!(asked.status, 202, "{}", asked.body);
    let path = asked.header("location").context("a location")?.to_owned();
    let ready = until("the export to be sealed", SOON, async || {
        let export = api.get(&path).await?;
        let tag = export.header("etag").map(str::to_owned);
        Ok((export.data()?["status"] == "ready").then_some(tag))
    })
    .await?;
    let tag = ready.context("a tag")?;
    assert_eq!(status_of(api, "GET", &path, &[("if-none-match", tag)]).await?, 304);
    let sealing = ("if-none-match", "\"1-sealing\"".to_owned());
    assert_eq!(status_of(api, "GET", &path, &[sealing]).await?, 200, "what is ready is news");
    assert_eq!(types(api, &path).await?, ["export.requested"]);
    assert_eq!(api.get(&format!("{path}?version=1")).await?.status, 200);
    assert_eq!(api.get(&format!("{path}?version=2")).await?.status, 404);

    let job = api.post("/api/v1/privacy/subjects/erase", json!({"customer_id": "4711"})).await?;
    let path = job.header("location").context("a location")?.to_owned();
    let done = until("the erasure to end", SOON, async || {
        let job = api.get(&path).await?.data()?;
        Ok((job["status"] == "completed").then_some(job))
    })
    .await?;
    assert_eq!(api.get(&format!("{path}?version=1")).await?.data()?["status"], "requested");
    let told = types(api, &path).await?;
    assert_eq!(told.first().map(String::as_str), Some("privacy_job.requested"));
    let newest = told.len();
    assert_eq!(api.get(&format!("{path}?version={newest}")).await?.data()?, done);
    assert_eq!(api.get(&format!("{path}?version={}", newest + 1)).await?.status, 404);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_shown_at_each_of_its_versions_and_at_none_beyond_and_its_history_tells_its_leaves()
-> Result<()> {
    let world = World::start().await?;
    world.take_number().await?;
    let script = CallScript::new("+12025550111", OUR_NUMBER).then(Step::HangUp);
    let handle = world.carrier.place_call(script).await;
    let id = world.call_of_leg(&handle.control_id).await?["id"].as_str().context("an id")?.to_owned();
    let path = format!("/api/v1/calls/{id}");
    world.call_when(&id, |call| !call["ended_at"].is_null()).await?;
    let events = world.api.list_all(&format!("{path}/events")).await?;
    for version in 1..=events.len() {
        let then = world.api.get(&format!("{path}?version={version}")).await?.data()?;
        assert_eq!((&then["version"], &then["direction"]), (&json!(version), &json!("inbound")));
    }
    let beyond = world.api.get(&format!("{path}?version={}", events.len() + 1000)).await?;
    assert_eq!(beyond.status, 404);
    ensure!(beyond.body.to_string().contains("its newest is"), "{}", beyond.body);
    let audit = world.api.list_all(&format!("/api/v1/audit/events?stream={id}")).await?;
    let leaves: BTreeMap<_, _> =
        audit.iter().map(|event| (event["position"].as_u64(), event["leaf_hash"].as_str())).collect();
    for event in &events {
        let leaf = event["leaf_hash"].as_str();
        ensure!(leaf.is_some() && leaves.get(&event["position"].as_u64()) == Some(&leaf), "{event}");
    }
    world.close().await?;
    Ok(())
}

/// A node that delivers to this machine.
async fn delivering() -> Result<World> {
    World::with(|plan| {
        let options = plan.options.clone().set("WEBHOOKS_ALLOW_PRIVATE", "true");
        plan.options = options.set("WEBHOOKS_RETRY_SCHEDULE", "50ms");
    })
    .await
}

async fn one_delivery(world: &World, endpoint: &str, query: &str) -> Result<Value> {
    until("a delivery", SOON, async || {
        let path = format!("/api/v1/webhooks/{endpoint}/deliveries?{query}");
        Ok(world.api.list_all(&path).await?.into_iter().next())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_begins_before_its_first_attempt_and_ends_with_its_endpoint() -> Result<()> {
    let world = delivering().await?;
    let receiver = Receiver::start(|_| Answers::Status(500, "")).await?;
    let body = json!({"url": receiver.url, "events": ["agent.*"], "ordering": "per_subject"});
    let endpoint = world.api.post("/api/v1/webhooks", body).await?.data()?;
    let endpoint = endpoint["id"].as_str().context("an id")?.to_owned();
    let agent = json!({"name": "A", "system_prompt": "Help.", "provider": "groq", "model": "m"});
    let agent = world.api.post("/api/v1/agents", agent).await?.data()?;
    let agent = format!("/api/v1/agents/{}", agent["id"].as_str().context("an id")?);
    // the second one waits for the first, which fails
    for name in ["B", "C"] {
        world.api.patch(&agent, None, json!({"name": name})).await?.data()?;
    }
    let waiting = one_delivery(&world, &endpoint, "order=desc&status=pending").await?;
    let path = format!("/api/v1/webhooks/deliveries/{}", waiting["id"].as_str().context("an id")?);
    let first = world.api.list_all(&format!("{path}/events")).await?;
    assert_eq!(first[0]["type"], "delivery.scheduled", "{first:?}");
    assert_eq!((&first[0]["version"], &first[0]["id"]), (&json!(0), &waiting["event_id"]));
    let source = &first[0]["data"]["follows_from"];
    assert_eq!(source["type"], "agent.updated");
    let begun = world.api.get(&format!("{path}?version=0")).await?.data()?;
    assert_eq!((&begun["status"], &begun["attempts"]), (&json!("pending"), &json!([])));
    assert_eq!(begun["payload"], waiting["payload"]);

    assert_eq!(
        world.api.send("DELETE", &format!("/api/v1/webhooks/{endpoint}"), &[], None).await?.status,
        204
    );
    let over = until("the delivery to end", SOON, async || {
        let delivery = world.api.get(&path).await?.data()?;
        Ok((delivery["status"] != "pending").then_some(delivery))
    })
    .await?;
    let told = types(&world.api, &path).await?;
    let with_endpoint = told.iter().any(|told| told == "delivery.endpoint_deleted");
    // the first one may have given up just before, and this one have been attempted
    assert_eq!(over["status"] == "cancelled", with_endpoint, "{over}: {told:?}");
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_a_delivery_goes_on_is_told_by_its_history_and_changes_its_tag() -> Result<()> {
    let world = delivering().await?;
    let receiver = Receiver::start(|_| Answers::Status(200, "")).await?;
    let body = json!({"url": receiver.url, "events": ["agent.*"]});
    let endpoint = world.api.post("/api/v1/webhooks", body).await?.data()?;
    let endpoint = endpoint["id"].as_str().context("an id")?.to_owned();
    let agent = json!({"name": "A", "system_prompt": "Help.", "provider": "groq", "model": "m"});
    let agent = world.api.post("/api/v1/agents", agent).await?.data()?;
    let agent = format!("/api/v1/agents/{}", agent["id"].as_str().context("an id")?);
    world.api.patch(&agent, None, json!({"name": "B"})).await?.data()?;
    let done = one_delivery(&world, &endpoint, "status=succeeded").await?;
    let path = format!("/api/v1/webhooks/deliveries/{}", done["id"].as_str().context("an id")?);
    let tag = world.api.get(&path).await?.header("etag").context("a tag")?.to_owned();
    let unchanged = [("if-none-match", tag.clone())];
    assert_eq!(status_of(&world.api, "GET", &path, &unchanged).await?, 304);

    let replay = json!({"since": "2020-01-01T00:00:00Z"});
    assert_eq!(world.api.post(&format!("/api/v1/webhooks/{endpoint}/replay"), replay).await?.status, 202);
    let attempts = async |count: u64| {
        until("another attempt", SOON, async || {
            let delivery = world.api.get(&path).await?.data()?;
            Ok((delivery["attempt_count"] == count && delivery["status"] == "succeeded").then_some(delivery))
        })
        .await
    };
    attempts(2).await?;
    assert_eq!(status_of(&world.api, "GET", &path, &unchanged).await?, 200, "the old tag is no more");
    assert_eq!(world.api.post(&format!("{path}/redeliver"), Value::Null).await?.status, 202);
    let now = attempts(3).await?;
    let expected = [
        "delivery.scheduled",
        "delivery.attempted",
        "delivery.replayed",
        "delivery.attempted",
        "delivery.redelivery_requested",
        "delivery.attempted",
    ];
    assert_eq!(types(&world.api, &path).await?, expected);
    let pages = world.api.list_in_pages(&format!("{path}/events"), 2).await?;
    assert_eq!(pages.len(), expected.len());
    let backwards = world.api.list_in_pages(&format!("{path}/events?order=desc"), 2).await?;
    assert!(backwards.iter().rev().eq(&pages), "the same, newest first");
    for (version, attempts, status) in
        [(0, 0, "pending"), (1, 1, "succeeded"), (2, 2, "succeeded"), (3, 2, "pending")]
    {
        let then = world.api.get(&format!("{path}?version={version}")).await?.data()?;
        assert_eq!(
            (&then["attempt_count"], &then["status"]),
            (&json!(attempts), &json!(status)),
            "{version}"
        );
    }
    let newest = world.api.get(&format!("{path}?version={}", now["version"])).await?.data()?;
    assert_eq!(newest, now);
    assert_eq!(world.api.get(&format!("{path}?version=5")).await?.status, 404);
    world.close().await?;
    Ok(())
}
