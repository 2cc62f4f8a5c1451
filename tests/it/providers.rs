//! A client's own account with the carrier.

use std::time::Duration;

use adapters::telephony::telnyx::{ApiKey, SIGNATURE_HEADER, Signer, TIMESTAMP_HEADER};
use anyhow::{Context, Result};
use domain::ids::ClientId;
use serde_json::{Value, json};
use simulator::fake_telnyx::{CalleeScript, Step};
use tests::client::{Answer, Api};
use tests::webhook::{Leg, rfc3339, unix_now};
use tests::world::World;
use uuid::Uuid;

/// What the clients' carrier wants to see; the node's own key is another one.
const KEY: &str = "KEY_of_example_travel_9fA2";
/// What it signs its webhooks with.
const SEED: [u8; 32] = *b"another-account-signs-with-this1";
/// The client that a node has from its start.
const CLIENT: ClientId = ClientId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));
const ACCOUNT: &str = "/api/v1/auth/providers/telephony";
const CALLEE: &str = "+12025550151";

/// A node whose carrier knows the client's account, and not the node's own.
async fn world() -> Result<World> {
    World::with(|plan| {
        plan.carrier.api_key = ApiKey::new(KEY);
        plan.carrier.signing_seed = SEED;
        plan.carrier.webhook_url = format!("{}/{CLIENT}", plan.carrier.webhook_url);
    })
    .await
}

fn account() -> Value {
    let key = Signer::from_seed(&SEED).public_key_base64();
    json!({"provider": "telnyx", "api_key": KEY,
        "settings": {"connection_id": "1900000000000000001", "caller_id": "+12025550100", "public_key": key}})
}

async fn call(world: &World) -> Result<Value> {
    let steps = vec![Step::HangUp];
    world.carrier.set_callee(CALLEE, CalleeScript::Answers { ring: Duration::ZERO, steps });
    let placed = world.dial(json!({"to": CALLEE})).await?;
    let over = |call: &Value| call["status"] == "ended" || call["status"] == "failed";
    world.call_when(placed["id"].as_str().context("an id")?, over).await
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_through_the_clients_own_account_as_long_as_it_has_one() -> Result<()> {
    let world = world().await?;
    let me = world.api.get("/api/v1/auth/me").await?.data()?;
    assert_eq!(me["client"], CLIENT.to_string(), "{me}");
    let refused = call(&world).await?;
    assert_eq!(refused["status"], "failed", "the node's own key is not the carrier's: {refused}");

    let set = world.api.patch(ACCOUNT, None, account()).await?;
    assert_eq!((set.status, set.body["data"]["key_last4"].as_str()), (200, Some("9fA2")), "{set:?}");
    let reached = call(&world).await?;
    assert_eq!((&reached["status"], &reached["end_reason"]), (&json!("ended"), &json!("caller_hangup")));
    // the webhooks came to the client's own address, signed with its account's key

    let removed = world.api.send("DELETE", ACCOUNT, &[], None).await?;
    assert_eq!(removed.status, 204);
    assert_eq!(call(&world).await?["status"], "failed");
    assert_eq!(world.api.list_all("/api/v1/auth/providers").await?, Vec::<Value>::new());
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accounts_key_is_told_to_nobody_and_stands_nowhere() -> Result<()> {
    let world = world().await?;
    let version = world.api.patch(ACCOUNT, None, account()).await?.data()?["version"].as_u64();
    let settings = json!({"settings": {"connection_id": "2"}});
    let stale = world.api.patch(ACCOUNT, version.map(|v| v + 1), settings.clone()).await?;
    assert_eq!((stale.status, stale.code()), (412, "precondition_failed"));
    world.api.patch(ACCOUNT, version, settings).await?.data()?;
    let listed = world.api.list_all("/api/v1/auth/providers").await?;
    assert_eq!(
        (&listed[0]["key_last4"], &listed[0]["settings"]["connection_id"]),
        (&json!("9fA2"), &json!("2"))
    );
    world.api.send("DELETE", ACCOUNT, &[], None).await?;

    let audit = world.api.list_all("/api/v1/audit/log?resource=provider&order=asc").await?;
    let actions: Vec<_> = audit.iter().map(|entry| entry["action"].as_str().unwrap_or_default()).collect();
    assert_eq!(actions, ["PROVIDER_CONFIGURED", "PROVIDER_CONFIGURED", "PROVIDER_REMOVED"]);
    assert_eq!(audit[0]["resource"], json!({"type": "provider", "id": "telephony"}));
    for shown in [json!(listed), json!(audit)] {
        assert!(!shown.to_string().contains(KEY), "{shown}");
    }
    let printed = world.node.server()?.printed();
    assert!(!printed.contains(KEY), "{printed}");
    for file in std::fs::read_dir(world.data_dir())? {
        let file = file?.path();
        if file.is_file() {
            let bytes = std::fs::read(&file)?;
            let found = bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes());
            assert!(!found, "the key stands in {}", file.display());
        }
    }
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_an_account_is_told_at_once() -> Result<()> {
    let world = world().await?;
    let fields = [
        (json!({"provider": "telnyx", "api_key": KEY}), "settings.connection_id"),
        (json!({"provider": "other", "api_key": KEY, "settings": {"connection_id": "1"}}), "provider"),
        (json!({"provider": "telnyx", "settings": {"connection_id": "1"}}), "api_key"),
        (json!({"provider": "telnyx", "api_key": "short", "settings": {"connection_id": "1"}}), "api_key"),
        (json!({"settings": {"connection_id": "1", "caller_id": "12"}}), "settings.caller_id"),
        (json!({"settings": {"connection_id": "1", "public_key": "AAAA"}}), "settings.public_key"),
        (json!({"settings": {"connection_id": "1", "region": "eu"}}), "settings.region"),
    ];
    for (body, field) in fields {
        let answer = world.api.patch(ACCOUNT, None, body.clone()).await?;
        assert_eq!((answer.status, answer.body["errors"][0]["field"].as_str()), (422, Some(field)), "{body}");
    }
    let nothing = world.api.send("DELETE", ACCOUNT, &[], None).await?;
    assert_eq!((nothing.status, nothing.code()), (404, "not_found"));
    let unknown = world.api.patch("/api/v1/auth/providers/fax", None, account()).await?;
    assert_eq!((unknown.status, unknown.code()), (404, "not_found"));
    world.close().await?;
    Ok(())
}

async fn webhook(api: &Api, client: &str, seed: &[u8; 32], event: &Value) -> Result<Answer> {
    let (body, timestamp) = (event.to_string(), unix_now().to_string());
    let signature = Signer::from_seed(seed).sign(&timestamp, body.as_bytes());
    let headers = [(SIGNATURE_HEADER, signature.as_str()), (TIMESTAMP_HEADER, timestamp.as_str())];
    let path = format!("/api/v1/webhooks/telnyx/{client}");
    api.send("POST", &path, &headers, Some(body.into_bytes())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_tells_of_its_own_clients_calls_alone() -> Result<()> {
    let world = world().await?;
    world.api.patch(ACCOUNT, None, account()).await?.data()?;
    let made = world.api.post("/api/v1/auth/clients", json!({"name": "Another"})).await?.data()?;
    let other = made["id"].as_str().context("an id")?;
    let others = world.api.with_key(made["plain_key"].as_str());
    let nobody = world.api.with_key(None);
    let (mut leg, now) = (Leg::inbound(7), rfc3339(unix_now()));
    let event = leg.initiated(&now);

    // another client has no account yet
    let answer = webhook(&nobody, other, &SEED, &event).await?;
    assert_eq!((answer.status, answer.code()), (404, "not_found"));
    // the node's own account does not speak for a client's
    let answer = webhook(&nobody, &CLIENT.to_string(), &tests::webhook::SEED, &event).await?;
    assert_eq!((answer.status, answer.code()), (401, "signature_invalid"));
    assert_eq!(webhook(&nobody, &CLIENT.to_string(), &SEED, &event).await?.status, 200);
    // and once it has one, it has nothing to say about a leg that is somebody else's
    others.patch(ACCOUNT, None, account()).await?.data()?;
    let hangup = leg.hangup(&now);
    let answer = webhook(&nobody, other, &SEED, &hangup).await?;
    assert_eq!((answer.status, answer.code()), (404, "not_found"));
    assert_eq!(webhook(&nobody, &CLIENT.to_string(), &SEED, &hangup).await?.status, 200);
    assert_eq!(others.list_all("/api/v1/calls").await?, Vec::<Value>::new());
    world.close().await?;
    Ok(())
}
