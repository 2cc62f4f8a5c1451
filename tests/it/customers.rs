//! Customers: who they are, what is linked to them, merges, imports, and what an erasure leaves.

mod hubspot;
mod import;
mod memories;
mod merges;

use adapters::testing::postgres::Cluster;
use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use serde_json::{Value, json};
use tests::client::Api;
use tests::installation::Installation;
use tests::webhook::{Leg, rfc3339, unix_now};
use tests::world::World;

use crate::crash::address_of;
use crate::privacy::{ask, done, files_with};

pub const CUSTOMERS: &str = "/api/v1/customers";

pub fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_default()
}

/// A new customer; answers it.
pub async fn create(api: &Api, body: Value) -> Result<Value> {
    let made = api.post(CUSTOMERS, body).await?;
    ensure!(made.status == 201, "{}", made.body);
    made.data()
}

pub fn path_of(customer: &Value) -> String {
    format!("{CUSTOMERS}/{}", text(customer, "id"))
}

/// A call from somebody, over at once; its id.
pub async fn call_from(world: &World, leg: u64, from: &str) -> Result<String> {
    let mut leg = Leg::inbound(leg);
    leg.from = from.to_owned();
    let at = rfc3339(unix_now());
    for event in [leg.initiated(&at), leg.hangup(&at)] {
        assert_eq!(world.api.webhook(&event).await?.status, 200);
    }
    Ok(text(&world.call_of_leg(&leg.control_id()).await?, "id").to_owned())
}

/// Ids on a customer's timeline.
pub async fn timeline(api: &Api, customer: &Value) -> Result<Vec<String>> {
    let entries = api.list_in_pages(&format!("{}/timeline", path_of(customer)), 2).await?;
    Ok(entries.iter().map(|entry| text(entry, "id").to_owned()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_is_created_found_changed_and_deleted() -> Result<()> {
    let world = World::start().await?;
    let body = json!({
        "external_id": "crm-1", "name": "Rosalind Quillfeather", "phones": ["+1 (202) 555-0101", "0012025550102"],
        "emails": [" Ros@Example.COM "], "language": "en-GB", "timezone": "Europe/London",
        "metadata": {"plan": "gold", "since": 2019},
    });
    let made = world.api.post_once(CUSTOMERS, "once", &body).await?;
    assert_eq!((made.status, made.header("etag")), (201, Some("\"1\"")), "{}", made.body);
    assert_eq!(world.api.post_once(CUSTOMERS, "once", &body).await?.bytes, made.bytes, "replayed");
    let location = made.header("location").context("a location")?.to_owned();
    let ros = made.data()?;
    assert_eq!(path_of(&ros), location);
    assert_eq!(ros["phones"], json!(["+12025550101", "+12025550102"]));
    assert_eq!(ros["emails"], json!(["ros@example.com"]));
    let ann = create(&world.api, json!({"name": "Ann", "phones": ["+12025550102"]})).await?;

    let found = async |query: &str| {
        let found = world.api.list_all(&format!("{CUSTOMERS}?{query}")).await?;
        anyhow::Ok(found.iter().map(|one| text(one, "id").to_owned()).collect::<Vec<_>>())
    };
    let (ros_id, ann_id) = (text(&ros, "id").to_owned(), text(&ann, "id").to_owned());
    for query in [
        "phone=%2B12025550101",
        "phone=001-202-555-0101",
        "external_id=crm-1",
        "email=ROS@example.com",
        "q=quill",
        "q=%2B12025550101",
        "q=crm-1",
        "q=ros@example.com",
        "q=ROS&phone=%2B12025550102",
    ] {
        assert_eq!(found(query).await?, std::slice::from_ref(&ros_id), "{query}");
    }
    assert_eq!(found("phone=%2B12025550102").await?, [ann_id.clone(), ros_id.clone()]);
    assert_eq!(found("").await?, [ann_id.clone(), ros_id.clone()]);
    for query in ["q=%25", "q=_", "external_id=+12025550101", "phone=%2B12025559999"] {
        assert_eq!(found(query).await?, [] as [String; 0], "{query}");
    }
    assert_eq!(world.api.get(&format!("{CUSTOMERS}?phone=nobody")).await?.status, 422);

    let change = json!({"name": null, "phones": ["+12025550103"], "metadata": {}});
    let changed = world.api.patch(&location, Some(1), change.clone()).await?;
    assert_eq!((changed.status, changed.header("etag")), (200, Some("\"2\"")), "{}", changed.body);
    let changed = changed.data()?;
    assert_eq!((&changed["name"], &changed["phones"]), (&Value::Null, &json!(["+12025550103"])));
    assert_eq!((&changed["external_id"], &changed["metadata"]), (&json!("crm-1"), &json!({})));
    assert_eq!(world.api.patch(&location, Some(1), change.clone()).await?.code(), "precondition_failed");
    assert_eq!(world.api.patch(&location, None, change).await?.header("etag"), Some("\"2\""), "no news");
    assert_eq!(found("phone=%2B12025550101").await?, [] as [String; 0]);
    assert_eq!(world.api.get(&format!("{location}?version=1")).await?.data()?, ros);

    assert_eq!(world.api.send("DELETE", &location, &[("if-match", "\"1\"")], None).await?.status, 412);
    assert_eq!(world.api.send("DELETE", &location, &[("if-match", "\"2\"")], None).await?.status, 204);
    assert_eq!(world.api.get(&location).await?.status, 404);
    assert_eq!(found("").await?, [ann_id]);
    let history = world.api.list_all(&format!("{location}/events")).await?;
    let types: Vec<_> = history.iter().map(|event| text(event, "type")).collect();
    assert_eq!(types, ["customer.created", "customer.updated", "customer.deleted"]);
    // the name is free again
    create(&world.api, json!({"external_id": "crm-1"})).await?;
    let log = world.api.list_all("/api/v1/audit/log?resource=customer").await?;
    let actions: Vec<_> = log.iter().rev().map(|entry| text(entry, "action")).collect();
    let (created, changed, deleted) = ("CUSTOMER_CREATED", "CUSTOMER_UPDATED", "CUSTOMER_DELETED");
    assert_eq!(actions, [created, created, changed, deleted, created]);
    assert!(!serde_json::to_string(&log)?.contains("Quillfeather"), "no name is in the audit log");
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_out_of_bounds_or_somebody_elses_is_refused() -> Result<()> {
    let world = World::start().await?;
    let mine = create(&world.api, json!({"external_id": "crm-1", "phones": ["+12025550101"]})).await?;
    let many: Vec<_> = (0..11).map(|n| format!("+120255502{n:02}")).collect();
    let deep = (0..70).fold(json!(1), |inner, _| json!({"x": inner}));
    for (field, body) in [
        ("phones[0]", json!({"phones": ["12"]})),
        ("phones[1]", json!({"phones": ["+12025550101", "call me"]})),
        ("phones", json!({"phones": many})),
        ("emails[0]", json!({"emails": ["nobody"]})),
        ("name", json!({"name": ""})),
        ("name", json!({"name": "x".repeat(201)})),
        ("external_id", json!({"external_id": "a\u{7}"})),
        ("language", json!({"language": "English, please"})),
        ("timezone", json!({"timezone": "Europe/Atlantis"})),
        ("metadata", json!({"metadata": {"big": "x".repeat(17 << 10)}})),
        (
            "metadata",
            json!({"metadata": (0..51).map(|n| (n.to_string(), json!(n))).collect::<serde_json::Map<_, _>>()}),
        ),
        ("shoe_size", json!({"shoe_size": 38})),
    ] {
        let refused = world.api.post(CUSTOMERS, body.clone()).await?;
        assert_eq!(
            (refused.status, &refused.body["errors"][0]["field"]),
            (422, &json!(field)),
            "{}",
            refused.body
        );
        let refused = world.api.patch(&path_of(&mine), None, body).await?;
        assert_eq!(refused.status, 422, "{}", refused.body);
    }
    let refused = world.api.post(CUSTOMERS, json!({"metadata": deep})).await?;
    assert_eq!((refused.status, &refused.body["errors"][0]["code"]), (422, &json!("too_deep")));
    let taken = world.api.post(CUSTOMERS, json!({"external_id": "crm-1"})).await?;
    assert_eq!((taken.status, taken.code()), (409, "external_id_taken"));

    let other = world.api.post("/api/v1/auth/clients", json!({"name": "Another"})).await?.data()?;
    let other = world.api.with_key(other["plain_key"].as_str());
    let path = path_of(&mine);
    for id in [path.as_str(), "/api/v1/customers/cus_01h455vb4pex5vsknk084sn02q", "/api/v1/customers/x"] {
        for part in ["", "/events", "/timeline", "?version=1"] {
            assert_eq!(other.get(&format!("{id}{part}")).await?.status, 404, "{id}{part}");
        }
        assert_eq!(other.patch(id, None, json!({"name": "Eve"})).await?.status, 404);
        assert_eq!(other.patch(id, None, json!({"external_id": "crm-2"})).await?.status, 404);
        assert_eq!(other.send("DELETE", id, &[], None).await?.status, 404);
    }
    assert_eq!(other.list_all(&format!("{CUSTOMERS}?external_id=crm-1")).await?, [] as [Value; 0]);
    let theirs = create(&other, json!({"external_id": "crm-1", "phones": ["+12025550101"]})).await?;
    let merge = json!({"other_id": mine["id"]});
    let refused = other.post(&format!("{}/merge", path_of(&theirs)), merge).await?;
    assert_eq!((refused.status, &refused.body["errors"][0]["code"]), (422, &json!("unknown")));
    let conversation = other.post("/api/v1/conversations", json!({"customer_id": mine["id"]})).await?;
    assert_eq!((conversation.status, &conversation.body["errors"][0]["field"]), (422, &json!("customer_id")));
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_conversations_are_linked_by_number_by_name_and_by_id_also_from_before() -> Result<()> {
    const PHONE: &str = "+12025550111";
    let world = World::start().await?;
    world.take_number().await?;
    let before = call_from(&world, 1, PHONE).await?;
    let chat = world.api.post("/api/v1/conversations", json!({"user_id": "crm-7"})).await?.data()?;
    let ros = create(&world.api, json!({"external_id": "crm-7", "phones": [PHONE]})).await?;
    let bob = create(&world.api, json!({"name": "Bob"})).await?;
    let after = call_from(&world, 2, PHONE).await?;
    let named = json!({"to": PHONE, "customer_id": bob["id"]});
    let named = world.dial(named).await?;
    assert_eq!(named["customer_id"], bob["id"]);
    let named_chat = json!({"customer_id": bob["id"], "user_id": "crm-7"});
    let named_chat = world.api.post("/api/v1/conversations", named_chat).await?.data()?;

    let mut hers = timeline(&world.api, &ros).await?;
    hers.sort();
    let mut expected = vec![before.clone(), after.clone(), text(&chat, "id").to_owned()];
    expected.sort();
    assert_eq!(hers, expected);
    let his = timeline(&world.api, &bob).await?;
    assert_eq!(his, [text(&named_chat, "id"), text(&named, "id")], "newest first");
    let call = world.api.get(&format!("/api/v1/calls/{before}")).await?.data()?;
    assert_eq!(call["customer_id"], ros["id"]);
    let entries = world.api.get(&format!("{}/timeline?order=asc&limit=1", path_of(&bob))).await?;
    assert_eq!(entries.body["data"][0]["data"]["to"], PHONE);

    // a number that several have says nothing of whose call it was
    let twin = create(&world.api, json!({"name": "Twin", "phones": [PHONE]})).await?;
    let call = world.api.get(&format!("/api/v1/calls/{before}")).await?.data()?;
    assert_eq!(call["customer_id"], Value::Null);
    assert_eq!(timeline(&world.api, &ros).await?, [text(&chat, "id")]);
    let shown = world.api.get(&format!("{}/timeline", path_of(&twin))).await?;
    assert_eq!(shown.body["meta"]["shared_phones"], json!([PHONE]));
    assert_eq!(world.api.send("DELETE", &path_of(&twin), &[], None).await?.status, 204);
    assert_eq!(timeline(&world.api, &ros).await?.len(), 3);

    // who may not read calls sees none
    let key = json!({"name": "narrow", "scopes": ["customers:read", "conversations:read"]});
    let key = world.api.post("/api/v1/auth/api-keys", key).await?.data()?;
    let narrow = world.api.with_key(key["plain_key"].as_str());
    assert_eq!(timeline(&narrow, &ros).await?, [text(&chat, "id")]);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_by_number_reaches_the_customer_everywhere() -> Result<()> {
    const PHONE: &str = "+12025550133";
    const NAME: &str = "Wilhelmina Brackenbury";
    const EMAIL: &str = "wilhelmina@example.test";
    let mut world = World::start().await?;
    let body = json!({
        "external_id": "crm-erased", "name": NAME, "phones": [PHONE, "+12025550134"], "emails": [EMAIL],
        "metadata": {"note": "likes tea in the morning"},
    });
    let made = world.api.post_once(CUSTOMERS, "her", &body).await?.data()?;
    world.api.patch(&path_of(&made), None, json!({"language": "en"})).await?.data()?;
    let kept = create(&world.api, json!({"name": "Somebody Else", "phones": ["+12025550135"]})).await?;
    let chat = json!({"customer_id": made["id"], "metadata": {"about": "a secret plan"}});
    let chat = world.api.post("/api/v1/conversations", chat).await?.data()?;

    let export = ask(&world.api, "export", json!({"phone": PHONE})).await?;
    done(&world.api, &export).await?;
    let result = format!("/api/v1/privacy/jobs/{}/result", text(&export, "id"));
    let export = world.api.get(&result).await?.data()?.to_string();
    for known in [NAME, EMAIL, PHONE, "crm-erased", "likes tea", "a secret plan"] {
        assert!(export.contains(known), "{known} is in the export: {export}");
    }
    assert!(!export.contains("Somebody Else"));

    let job = ask(&world.api, "erase", json!({"phone": PHONE})).await?;
    let receipt = done(&world.api, &job).await?;
    assert_eq!((&receipt["nothing_found"], &receipt["streams"]["customer"]), (&json!(false), &json!(1)));
    let husk = world.api.get(&path_of(&made)).await?.data()?;
    assert_eq!((text(&husk, "name"), text(&husk, "external_id")), ("[erased]", "[erased]"));
    assert_eq!((&husk["phones"], &husk["emails"]), (&json!(["[erased]", "[erased]"]), &json!(["[erased]"])));
    assert_eq!(husk["metadata"], json!({}));
    let replayed = world.api.post_once(CUSTOMERS, "her", &body).await?;
    assert!(!replayed.body.to_string().contains(NAME), "{}", replayed.body);
    for path in ["/events", "?version=1"] {
        let past = world.api.get(&format!("{}{path}", path_of(&made))).await?;
        assert!(past.status == 200 && !past.body.to_string().contains(NAME), "{}", past.body);
    }
    let chat = world.api.get(&format!("/api/v1/conversations/{}", text(&chat, "id"))).await?.data()?;
    assert_eq!(chat["metadata"], json!({}));
    for query in
        ["phone=%2B12025550133", "external_id=crm-erased", "q=brackenbury", "q=wilhelmina@example.test"]
    {
        assert_eq!(world.api.list_all(&format!("{CUSTOMERS}?{query}")).await?, [] as [Value; 0], "{query}");
    }
    let other = world.api.get(&path_of(&kept)).await?.data()?;
    assert_eq!(text(&other, "name"), "Somebody Else");
    tokio::task::block_in_place(|| world.node.terminate())?;
    for what in [NAME, &NAME.to_lowercase(), EMAIL, PHONE, "likes tea", "a secret plan"] {
        assert_eq!(files_with(world.data_dir(), what)?, [] as [String; 0], "{what}");
    }
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_on_two_nodes_who_want_an_external_id_at_once_one_gets_it() -> Result<()> {
    let pair = Installation::start(&address_of(&Cluster::shared().database().await)?, &[])?;
    let mut owner = Value::Null;
    for round in 0..4 {
        let body = json!({"external_id": format!("crm-{round}"), "phones": ["+12025550140"]});
        let asking = (0..10).map(|k| pair.apis[k % 2].post(CUSTOMERS, body.clone()));
        let answers = try_join_all(asking).await?;
        let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
        assert_eq!(won.len(), 1);
        assert!(lost.iter().all(|answer| (answer.status, answer.code()) == (409, "external_id_taken")));
        owner = won.into_iter().next().context("a winner")?.data()?;
    }
    // its owner exchanges it for another one: many want the old one
    let moved = pair.apis[0].patch(&path_of(&owner), None, json!({"external_id": "crm-new"})).await?;
    assert_eq!(moved.status, 200, "{}", moved.body);
    let path = path_of(&owner);
    let back = pair.apis[1].patch(&path, None, json!({"external_id": "crm-3"}));
    let takers =
        try_join_all((0..6).map(|k| pair.apis[k % 2].post(CUSTOMERS, json!({"external_id": "crm-3"}))));
    let (back, takers) = tokio::join!(back, takers);
    let won = takers?.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(won + usize::from(back?.status == 200), 1, "one has it");
    let having = pair.apis[0].list_all(&format!("{CUSTOMERS}?external_id=crm-3")).await?;
    assert_eq!(having.len(), 1);
    pair.stop()
}
