//! Customers come from HubSpot's webhooks.

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tests::client::{Answer, Api};
use tests::until::{SOON, until};
use tests::webhook::unix_now;
use tests::world::World;

use super::{CUSTOMERS, text};
use crate::privacy::files_with;

const SECRET: &str = "0a1b2c3d-client-secret-of-the-app";
const OLD_SECRET: &str = "old-client-secret-of-the-app";
const PATH: &str = "/api/v1/webhooks/hubspot";

/// One event, of contact `object`.
fn event(kind: &str, object: u64, occurred_at: i64, more: Value) -> Value {
    let mut event = json!({
        "eventId": occurred_at % 97, "subscriptionId": 25, "portalId": 33, "appId": 1_160_452, "attemptNumber": 0,
        "occurredAt": 1_780_000_000_000_i64 + occurred_at, "subscriptionType": kind, "objectId": object,
        "changeSource": "CRM_UI",
    });
    if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
        event.extend(more);
    }
    event
}

fn property(object: u64, name: &str, value: &str, occurred_at: i64) -> Value {
    event(
        "contact.propertyChange",
        object,
        occurred_at,
        json!({"propertyName": name, "propertyValue": value}),
    )
}

/// A webhook as HubSpot sends it, signed with `secret` at a time.
async fn send(world: &World, path: &str, secret: &str, sent_ms: i64, body: &[u8]) -> Result<Answer> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())?;
    let uri = format!("{}{path}", world.node.server()?.base);
    for part in [b"POST", uri.as_bytes(), body, sent_ms.to_string().as_bytes()] {
        mac.update(part);
    }
    let (signature, sent) = (STANDARD.encode(mac.finalize().into_bytes()), sent_ms.to_string());
    let headers =
        [("x-hubspot-signature-v3", signature.as_str()), ("x-hubspot-request-timestamp", sent.as_str())];
    world.api.with_key(None).send("POST", path, &headers, Some(body.to_vec())).await
}

async fn tell(world: &World, events: &[Value]) -> Result<()> {
    let body = serde_json::to_vec(events)?;
    let answer = send(world, PATH, SECRET, unix_now() * 1_000, &body).await?;
    anyhow::ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    Ok(())
}

async fn customers(api: &Api) -> Result<Vec<Value>> {
    api.list_all(&format!("{CUSTOMERS}?order=asc")).await
}

/// The customers, once `wanted` holds of them.
async fn when(api: &Api, what: &str, wanted: impl Fn(&[Value]) -> bool) -> Result<Vec<Value>> {
    until(what, SOON, async || {
        let all = customers(api).await?;
        Ok(wanted(&all).then_some(all))
    })
    .await
}

async fn with_account() -> Result<World> {
    let world = World::start().await?;
    let account = json!({
        "provider": "hubspot", "api_key": format!("{SECRET}, {OLD_SECRET}"),
        "settings": {"portal_id": "33", "map.external_id": "crm_number", "map.metadata.stage": "lifecyclestage"},
    });
    let set = world.api.patch("/api/v1/auth/providers/crm", None, account).await?;
    anyhow::ensure!(set.status == 200, "{}", set.body);
    Ok(world)
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_become_customers_in_whatever_order_and_however_often_they_are_told() -> Result<()> {
    let world = with_account().await?;
    let story = [
        event("contact.creation", 7, 0, json!({})),
        property(7, "firstname", "Ada", 1),
        property(7, "lastname", "Byron", 2),
        property(7, "lastname", "Lovelace", 5),
        property(7, "phone", "+1 (202) 555-0101", 3),
        property(7, "email", "Ada@Example.com", 4),
        property(7, "crm_number", "crm-7", 6),
        property(7, "lifecyclestage", "customer", 7),
        property(7, "hs_timezone", "europe_slash_london", 8),
        property(7, "shoe_size", "38", 9),
        event("company.creation", 900, 9, json!({})),
        event("contact.creation", 8, 1, json!({"portalId": 34})),
    ];
    // the last first, some twice, in several webhooks
    for batch in [&story[6..], &story[2..5], &story[..], &story[..2], &story[3..4]] {
        let mut batch = batch.to_vec();
        batch.reverse();
        tell(&world, &batch).await?;
    }
    let all =
        when(&world.api, "one customer", |all| all.len() == 1 && all[0]["metadata"]["stage"] == "customer")
            .await?;
    let ada = &all[0];
    assert_eq!((text(ada, "name"), text(ada, "external_id")), ("Ada Lovelace", "crm-7"));
    assert_eq!((&ada["phones"], &ada["emails"]), (&json!(["+12025550101"]), &json!(["ada@example.com"])));
    assert_eq!((text(ada, "timezone"), &ada["metadata"]), ("Europe/London", &json!({"stage": "customer"})));

    // what somebody changes here stays when HubSpot repeats itself
    let path = super::path_of(ada);
    world.api.patch(&path, None, json!({"name": "Countess Lovelace"})).await?.data()?;
    tell(&world, &story).await?;
    assert_eq!(text(&world.api.get(&path).await?.data()?, "name"), "Countess Lovelace");
    tell(&world, &[property(7, "phone", "", 20)]).await?;
    let all = when(&world.api, "no number", |all| all[0]["phones"] == json!([])).await?;
    assert_eq!(text(&all[0], "name"), "Countess Lovelace", "only what changed is changed");

    // two become one
    tell(&world, &[property(9, "firstname", "Augusta", 30), property(9, "mobilephone", "+12025550109", 31)])
        .await?;
    when(&world.api, "two customers", |all| all.len() == 2).await?;
    let merge = json!({"primaryObjectId": 7, "mergedObjectIds": [9], "newObjectId": 7});
    for _ in 0..2 {
        tell(&world, &[event("contact.merge", 7, 40, merge.clone())]).await?;
        let one = |all: &[Value]| all.len() == 1 && all[0]["merged"] != json!([]);
        let all = when(&world.api, "one again", one).await?;
        assert_eq!((all[0]["id"].clone(), &all[0]["phones"]), (ada["id"].clone(), &json!(["+12025550109"])));
    }

    // and are deleted; a late change does not bring them back
    tell(&world, &[event("contact.deletion", 7, 50, json!({}))]).await?;
    when(&world.api, "nobody", <[Value]>::is_empty).await?;
    tell(&world, &[property(7, "firstname", "Ghost", 45), property(9, "firstname", "Ghost", 60)]).await?;
    assert_eq!(world.api.get(&path).await?.status, 404);
    assert_eq!(customers(&world.api).await?, [] as [Value; 0]);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_privacy_deletion_erases_the_person_with_a_receipt() -> Result<()> {
    const NAME: &str = "Theodosia";
    let mut world = with_account().await?;
    let story = [property(5, "firstname", NAME, 1), property(5, "phone", "+12025550155", 2)];
    tell(&world, &story).await?;
    let all = when(&world.api, "her", |all| all.len() == 1 && all[0]["phones"] != json!([])).await?;
    let path = super::path_of(&all[0]);
    for _ in 0..2 {
        tell(&world, &[event("contact.privacyDeletion", 5, 9, json!({}))]).await?;
    }
    let history = world.api.list_all(&format!("{path}/events")).await?;
    let deleted = history.iter().find(|event| event["type"] == "customer.deleted").context("a deletion")?;
    let log = world.api.list_all("/api/v1/audit/log?action=CUSTOMER_DELETED").await?;
    let job =
        log.first().map(|entry| text(&entry["after"], "erasure").to_owned()).context("an audit entry")?;
    assert!(job.starts_with("prv_"), "{deleted} {log:?}");
    let receipt = crate::privacy::done(&world.api, &json!({"id": job})).await?;
    assert_eq!(receipt["nothing_found"], false, "{receipt}");
    // what comes late is not told to anybody
    tell(&world, &story).await?;
    tell(&world, &[property(5, "firstname", NAME, 20)]).await?;
    assert_eq!(customers(&world.api).await?, [] as [Value; 0]);
    let history = world.api.list_all(&format!("{path}/events")).await?;
    assert!(!serde_json::to_string(&history)?.contains(NAME));
    tokio::task::block_in_place(|| world.node.terminate())?;
    for what in [NAME, "+12025550155"] {
        assert_eq!(files_with(world.data_dir(), what)?, [] as [String; 0], "{what}");
    }
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_signed_by_hubspot_or_no_batch_is_refused() -> Result<()> {
    let world = World::start().await?;
    let (now, one) = (unix_now() * 1_000, serde_json::to_vec(&[event("contact.creation", 1, 0, json!({}))])?);
    let none = send(&world, PATH, SECRET, now, &one).await?;
    assert_eq!((none.status, none.code()), (404, "not_found"));
    world.close().await?;

    let world = with_account().await?;
    for (secret, sent, status, code) in [
        ("another secret", now, 401, "signature_invalid"),
        ("", now, 401, "signature_invalid"),
        (SECRET, now - 301_000, 401, "signature_stale"),
        (SECRET, now + 330_000, 401, "signature_stale"),
    ] {
        let refused = send(&world, PATH, secret, sent, &one).await?;
        assert_eq!((refused.status, refused.code()), (status, code));
    }
    let bare = world.api.with_key(None).send("POST", PATH, &[], Some(one.clone())).await?;
    assert_eq!(bare.code(), "signature_missing");
    let many: Vec<_> = (0..101).map(|n| event("contact.creation", n, 0, json!({}))).collect();
    let deep = "[".repeat(70) + &"]".repeat(70);
    for (bad, status) in [
        (b"{}".to_vec(), 400),
        (b"".to_vec(), 400),
        (b"[{}]".to_vec(), 400),
        (b"\xff".to_vec(), 400),
        (serde_json::to_vec(&many)?, 400),
        (deep.into_bytes(), 422),
    ] {
        let refused = send(&world, PATH, SECRET, now, &bad).await?;
        assert_eq!(refused.status, status, "{} {}", String::from_utf8_lossy(&bad), refused.body);
    }
    let large = vec![b' '; 2 << 20];
    assert_eq!(send(&world, PATH, SECRET, now, &large).await?.status, 413);
    assert_eq!(customers(&world.api).await?, [] as [Value; 0]);
    assert_eq!(
        send(&world, PATH, OLD_SECRET, now, &one).await?.status,
        200,
        "while it is exchanged both count"
    );
    when(&world.api, "the contact", |all| all.len() == 1).await?;

    let unknown = format!("{PATH}/cli_01h455vb4pex5vsknk084sn02q");
    assert_eq!(send(&world, &unknown, SECRET, now, &one).await?.status, 404);
    let bad = json!({"settings": {"map.shoe_size": "x"}});
    assert_eq!(world.api.patch("/api/v1/auth/providers/crm", None, bad).await?.status, 422);
    world.close().await?;
    Ok(())
}
