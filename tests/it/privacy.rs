//! A person is erased, over HTTP: from the log, the views, the webhooks, and every file of the data folder.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use adapters::testing::postgres::Cluster;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use simulator::fake_telnyx::{CallScript, CalleeScript, Step};
use sqlx::postgres::{PgConnectOptions, PgPool};
use tests::client::Api;
use tests::history::check_views;
use tests::installation::Installation;
use tests::receiver::{Answers, Receiver};
use tests::until::{SOON, until};
use tests::webhook::{Leg, OUR_NUMBER, rfc3339, unix_now};
use tests::world::World;

use crate::cli::run::voxledger;
use crate::crash::address_of;

const PERSON: &str = "+12025550111";
const NAME: &str = "Rosalind Quillfeather";
const OTHER: &str = "+12025550122";

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_default()
}

pub async fn ask(api: &Api, what: &str, whom: Value) -> Result<Value> {
    let answer = api.post(&format!("/api/v1/privacy/subjects/{what}"), whom).await?;
    ensure!(answer.status == 202, "{}", answer.body);
    ensure!(answer.header("location").is_some_and(|path| path.starts_with("/api/v1/privacy/jobs/prv_")));
    answer.data()
}

pub async fn done(api: &Api, job: &Value) -> Result<Value> {
    let path = format!("/api/v1/privacy/jobs/{}", text(job, "id"));
    let mut last = Value::Null;
    let receipt = until("the job to be done", SOON, async || {
        last = api.get(&path).await?.data()?;
        Ok((last["status"] == "completed").then(|| last.clone()))
    });
    receipt.await.with_context(|| format!("the job is {last}"))
}

/// A caller who says their name; the call once it is over.
async fn talks(world: &World, from: &str, says: &str) -> Result<String> {
    let script = CallScript::new(from, OUR_NUMBER).talks([says]);
    let handle = world.carrier.place_call(script).await;
    let control_id = handle.control_id.clone();
    handle.ended().await.context("the carrier stopped")?;
    let id = text(&world.call_of_leg(&control_id).await?, "id").to_owned();
    world.call_when(&id, |call| !call["cost"].is_null()).await?;
    Ok(id)
}

/// The files below `folder` in which `what` stands.
pub fn files_with(folder: &Path, what: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files_with(&path, what)?);
        } else if let Ok(bytes) = fs::read(&path)
            && bytes.windows(what.len()).any(|part| part == what.as_bytes())
        {
            found.push(path.display().to_string());
        }
    }
    Ok(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_exported_then_erased_from_views_webhooks_and_every_file() -> Result<()> {
    let receiver = Receiver::start(|_| {
        // an endpoint that answers with what it was sent
        Answers::Echo
    })
    .await?;
    let world = World::with(|plan| {
        plan.options = plan.options.clone().set("WEBHOOKS_ALLOW_PRIVATE", "true");
    })
    .await?;
    world.take_number().await?;
    let hook = json!({"url": receiver.url, "events": ["call.*"]});
    let hook = world.api.post("/api/v1/webhooks", hook).await?.data()?;
    let hers = talks(&world, PERSON, &format!("my name is {NAME}")).await?;
    let others = talks(&world, OTHER, "hello there").await?;
    let told = format!("/api/v1/webhooks/{}/deliveries", text(&hook, "id"));
    until("the deliveries", SOON, async || {
        let all = world.api.list_all(&told).await?;
        Ok((all.len() >= 6 && all.iter().all(|one| one["status"] == "succeeded")).then_some(()))
    })
    .await?;

    // found by her number, and shown
    let by_number = format!("/api/v1/calls?from=%2B{}", &PERSON[1..]);
    assert_eq!(world.api.list_all(&by_number).await?.len(), 1);
    let job = ask(&world.api, "export", json!({"phone": PERSON})).await?;
    let receipt = done(&world.api, &job).await?;
    assert_eq!((&receipt["kind"], &receipt["nothing_found"]), (&json!("export"), &json!(false)));
    let result = format!("/api/v1/privacy/jobs/{}/result", text(&job, "id"));
    let export = world.api.get(&result).await?.data()?;
    let exported = export.to_string();
    assert!(exported.contains(PERSON) && exported.contains(NAME) && !exported.contains(OTHER), "{exported}");
    assert_eq!(export["complete"], true);

    // two at once are harmless
    let (one, two) = tokio::join!(
        ask(&world.api, "erase", json!({"phone": PERSON})),
        ask(&world.api, "erase", json!({"phone": PERSON})),
    );
    let (one, two) = (one?, two?);
    assert_eq!(one["subject"], two["subject"], "one person, one pseudonym");
    let receipts = [done(&world.api, &one).await?, done(&world.api, &two).await?];
    let destroyed: u64 = receipts.iter().filter_map(|receipt| receipt["keys_destroyed"].as_u64()).sum();
    assert_eq!(destroyed, 1);
    for receipt in &receipts {
        assert_eq!(receipt["nothing_found"], false);
        assert!(receipt["values"].as_u64() > Some(5) && receipt["events"]["call.received"] == 1, "{receipt}");
        assert_eq!(receipt["streams"]["call"], 1);
        assert!(receipt["webhook_bodies"].as_u64() >= Some(3), "{receipt}");
        assert!(receipt["webhook_attempts"].as_u64() >= Some(3), "{receipt}");
        assert!(text(receipt, "final_at") > text(receipt, "completed_at"), "backups live on for a while");
        assert!(!receipt.to_string().contains(PERSON));
    }

    let call = world.api.get(&format!("/api/v1/calls/{hers}")).await?.data()?;
    assert_eq!((text(&call, "from"), text(&call, "to")), ("[erased]", OUR_NUMBER));
    let lines = world.api.list_all(&format!("/api/v1/calls/{hers}/transcript")).await?;
    assert!(lines.iter().any(|line| line["role"] == "caller" && line["text"] == "[erased]"), "{lines:?}");
    assert_eq!(world.api.list_all(&by_number).await?.len(), 0);
    let history = world.api.list_all(&format!("/api/v1/calls/{hers}/events")).await?;
    let received = history.iter().find(|event| event["type"] == "call.received").context("a beginning")?;
    assert_eq!(received["data"]["from"], "[erased]");
    let past = world.api.get(&format!("/api/v1/calls/{hers}?version=3")).await?.data()?;
    assert_eq!(text(&past, "from"), "[erased]", "it is erased from the past, too");
    let public = world.api.list_all("/api/v1/events").await?;
    let of_hers = public.iter().filter(|event| event["subject"]["id"] == json!(hers));
    assert!(of_hers.clone().count() >= 3 && of_hers.clone().all(|event| event["data"]["from"] == "[erased]"));
    assert_eq!(world.api.get(&result).await?.status, 404, "exports are thrown away");
    // others are not touched
    let call = world.api.get(&format!("/api/v1/calls/{others}")).await?.data()?;
    assert_eq!(text(&call, "from"), OTHER);

    let nothing = ask(&world.api, "erase", json!({"phone": "+12025559999"})).await?;
    let nothing = done(&world.api, &nothing).await?;
    assert_eq!((&nothing["nothing_found"], &nothing["final_at"]), (&json!(true), &Value::Null));
    let audit = world.api.list_all("/api/v1/audit/log?action=SUBJECT_ERASURE_REQUESTED").await?;
    assert_eq!(audit.len(), 3);

    for gone in [PERSON, NAME, "Quillfeather"] {
        assert_eq!(files_with(world.data_dir(), gone)?, [] as [String; 0], "{gone}, while the node runs");
    }
    assert!(!files_with(world.data_dir(), OTHER)?.is_empty(), "the search finds what is there");
    // she calls again: whoever she is now, what was stays erased
    talks(&world, PERSON, "me again").await?;
    assert_eq!(world.api.list_all(&by_number).await?.len(), 1);

    let World { folder, mut node, carrier, .. } = world;
    tokio::task::block_in_place(|| node.terminate())?;
    carrier.shutdown().await;
    check_views(&node.options).await?;
    assert_eq!(files_with(folder.path(), NAME)?, [] as [String; 0]);
    // the history is as it was, and whole
    voxledger(&["audit", "verify", "--views"], &node.options)?.succeeded().says("nothing is wrong");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_is_erased_with_everybody_their_calls_were_with() -> Result<()> {
    let world = World::start().await?;
    let steps = vec![Step::Say("who is there".to_owned()), Step::HangUp];
    world.carrier.set_callee(PERSON, CalleeScript::Answers { ring: Duration::ZERO, steps });
    let order = json!({"to": PERSON, "record": true, "metadata": {"customer_id": "c-4711", "note": NAME}});
    let call = world.dial(order).await?;
    let menu = json!({"name": "Main", "prompt": "Hello.", "timeout_ms": 60_000});
    let menu = world.api.post("/api/v1/ivr/menus", menu).await?.data()?;
    let session = json!({"menu_id": menu["id"], "session_id": "c-4711"});
    let session = world.api.post("/api/v1/ivr/sessions", session).await?.data()?;
    world.call_when(text(&call, "id"), |call| call["recording_status"] == "available").await?;
    let recording = format!("/api/v1/calls/{}/recording", text(&call, "id"));
    let recording = world.api.get(&recording).await?.data()?;
    let sound = async || anyhow::Ok(reqwest::get(text(&recording, "url")).await?.status().as_u16());
    assert_eq!(sound().await?, 200);
    let receipt =
        done(&world.api, &ask(&world.api, "erase", json!({"customer_id": "c-4711"})).await?).await?;
    assert_eq!((&receipt["named_by"], &receipt["nothing_found"]), (&json!("customer_id"), &json!(false)));
    assert_eq!((&receipt["streams"]["call"], &receipt["streams"]["ivr_session"]), (&json!(1), &json!(1)));
    assert_eq!((&receipt["recordings"], &receipt["recordings_left"]), (&json!(1), &json!(0)));
    assert_eq!(sound().await?, 404, "the carrier has deleted it");
    let call = world.api.get(&format!("/api/v1/calls/{}", text(&call, "id"))).await?.data()?;
    assert_eq!((text(&call, "to"), &call["metadata"]), ("[erased]", &json!({})));
    let session = world.api.get(&format!("/api/v1/ivr/sessions/{}", text(&session, "id"))).await?.data()?;
    assert_eq!(text(&session, "session_id"), "[erased]");
    world.close().await?;
    Ok(())
}

/// An answer under an idempotency key is kept for days: it is a copy like any other.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_tells_nothing_of_an_erased_person_and_does_nothing_twice() -> Result<()> {
    let world = World::start().await?;
    let steps = vec![Step::HangUp];
    world.carrier.set_callee(PERSON, CalleeScript::Answers { ring: Duration::ZERO, steps });
    let order = json!({"to": PERSON, "metadata": {"note": NAME}});
    let first = world.api.post_once("/api/v1/calls", "k-1", &order).await?;
    let call = first.data()?;
    world.call_when(text(&call, "id"), |call| !call["cost"].is_null()).await?;
    let replay = world.api.post_once("/api/v1/calls", "k-1", &order).await?;
    assert_eq!((replay.status, replay.header("idempotent-replayed")), (201, Some("true")));
    assert!(replay.body.to_string().contains(PERSON));
    done(&world.api, &ask(&world.api, "erase", json!({"phone": PERSON})).await?).await?;
    let replay = world.api.post_once("/api/v1/calls", "k-1", &order).await?;
    let told = replay.body.to_string();
    assert!(!told.contains(PERSON) && !told.contains(NAME), "{told}");
    // nor is she called again, whatever the answer is
    assert_eq!(world.api.list_all("/api/v1/calls").await?.len(), 1, "{told}");
    let again = json!({"to": OTHER});
    assert_eq!(world.api.post_once("/api/v1/calls", "k-1", &again).await?.code(), "idempotency_key_reused");
    let ledger = world.close().await?;
    assert_eq!(ledger.commands_named("dial").count(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_names_nobody_or_two_is_refused() -> Result<()> {
    let world = World::start().await?;
    for body in [
        json!({}),
        json!({"phone": "12"}),
        json!({"phone": "anonymous"}),
        json!({"phone": PERSON, "customer_id": "c"}),
        json!({"customer_id": ""}),
        json!({"customer_id": "x".repeat(201)}),
        json!({"phone": null}),
    ] {
        for what in ["erase", "export"] {
            let answer = world.api.post(&format!("/api/v1/privacy/subjects/{what}"), body.clone()).await?;
            assert_eq!((answer.status, answer.code()), (422, "invalid_request"), "{body} {}", answer.body);
        }
    }
    let unknown = "/api/v1/privacy/jobs/prv_01h455vb4pex5vsknk084sn02q";
    assert_eq!(world.api.get(unknown).await?.status, 404);
    assert_eq!(world.api.get(&format!("{unknown}/result")).await?.status, 404);
    world.close().await?;
    Ok(())
}

/// On PostgreSQL, with two nodes: what one erases, the other does not read for longer than its cache lives.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_one_node_erases_the_other_forgets() -> Result<()> {
    const LIFE: Duration = Duration::from_millis(1_500);
    let cluster = tokio::task::block_in_place(Cluster::start);
    let url = address_of(&cluster.database().await)?;
    let life = LIFE.as_millis().to_string();
    let pair = Installation::start(&url, &[("PRIVACY_KEY_CACHE_MS", &life)])?;
    let [one, two] = &pair.apis;
    let mut leg = Leg::inbound(11);
    let person = leg.from.clone();
    for event in [leg.initiated(&rfc3339(unix_now())), leg.hangup(&rfc3339(unix_now()))] {
        ensure!(one.webhook(&event).await?.status == 200);
    }
    let call = until("the call", SOON, async || {
        let calls = two.list_all("/api/v1/calls").await?;
        Ok(calls.into_iter().find(|call| call["from"] == json!(person) && !call["ended_at"].is_null()))
    })
    .await?;
    let history = format!("/api/v1/calls/{}/events", text(&call, "id"));
    let shown = async |api: &Api| anyhow::Ok(Value::from(api.list_all(&history).await?).to_string());
    for api in [one, two] {
        assert!(shown(api).await?.contains(&person));
    }
    let asked = Instant::now();
    let job = ask(one, "erase", json!({"phone": person})).await?;
    let path = format!("/api/v1/privacy/jobs/{}", text(&job, "id"));
    until("the keys to be destroyed", SOON, async || {
        Ok((one.get(&path).await?.data()?["status"] != "requested").then_some(()))
    })
    .await?;
    let destroyed = Instant::now();
    for api in [one, two] {
        until("the node to forget", SOON, async || Ok((!shown(api).await?.contains(&person)).then_some(())))
            .await?;
    }
    let forgotten = destroyed.elapsed();
    assert!(forgotten < LIFE + Duration::from_secs(1), "it took {forgotten:?}");
    let receipt = done(two, &job).await?;
    assert!(asked.elapsed() >= LIFE, "copies are cleaned only when nobody can read any more");
    assert_eq!(receipt["nothing_found"], false);
    for api in [one, two] {
        let call = api.get(&format!("/api/v1/calls/{}", text(&call, "id"))).await?.data()?;
        assert_eq!(text(&call, "from"), "[erased]");
    }

    // no row and no key is left
    let database = PgPool::connect_with(url.parse::<PgConnectOptions>()?).await?;
    let alive: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM subject_keys WHERE wrapped IS NOT NULL AND id IN \
         (SELECT id FROM subject_keys WHERE destroyed_at IS NOT NULL)",
    )
    .fetch_one(&database)
    .await?;
    let destroyed: i64 =
        sqlx::query_scalar("SELECT count(*) FROM subject_keys WHERE destroyed_at IS NOT NULL")
            .fetch_one(&database)
            .await?;
    assert_eq!((alive, destroyed), (0, 1));
    for (table, column) in [
        ("calls", "doc"),
        ("calls", "from_party"),
        ("transcript_lines", "doc"),
        ("audit_log", "doc"),
        ("work_public_events", "convert_from(body, 'UTF8')"),
        ("events", "encode(payload, 'escape')"),
    ] {
        let sql = format!("SELECT count(*) FROM {table} WHERE strpos({column}::text, $1) > 0");
        let mut tx = database.begin().await?;
        sqlx::query("SET LOCAL voxledger.client = 'system'").execute(&mut *tx).await?;
        let found: i64 =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(&person).fetch_one(&mut *tx).await?;
        assert_eq!(found, 0, "{table}.{column}");
    }
    database.close().await;
    pair.stop()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_does_not_keep_is_shown_nowhere_and_gone_once_the_call_is_over() -> Result<()> {
    let world = World::with(|plan| {
        plan.options = plan.options.clone().set("PRIVACY_CONTENT_GRACE_MS", "100");
    })
    .await?;
    let settings = "/api/v1/privacy/settings";
    let before = world.api.get(settings).await?.data()?;
    let nothing = json!({"call_content": null, "effective_call_content": "everything", "version": 0});
    assert_eq!(before, nothing);
    let refused = world.api.patch(settings, None, json!({"call_content": "some"})).await?;
    assert_eq!((refused.status, refused.code()), (422, "invalid_request"));
    let basic = json!({"call_content": "basic_attributes_only"});
    let changed = world.api.patch(settings, None, basic).await?.data()?;
    assert_eq!(changed["effective_call_content"], "basic_attributes_only");
    world.take_number().await?;
    // the greeting is spoken and the caller heard all the same
    let hers = talks(&world, PERSON, &format!("my name is {NAME}")).await?;
    let call = world.api.get(&format!("/api/v1/calls/{hers}")).await?.data()?;
    assert_eq!((text(&call, "from"), text(&call, "end_reason")), (PERSON, "caller_hangup"));
    let lines = world.api.list_all(&format!("/api/v1/calls/{hers}/transcript")).await?;
    assert!(lines.len() >= 2 && lines.iter().all(|line| line["text"] == "[erased]"), "{lines:?}");
    let history = format!("/api/v1/calls/{hers}/events");
    let gone = until("the content to end", SOON, async || {
        let events = world.api.list_all(&history).await?;
        let of = |event_type: &str, field: &str| {
            let found = events.iter().find(|event| event["type"] == event_type);
            found.map(|event| event["data"][field].clone()).unwrap_or_default()
        };
        let content = [of("call.line_transcribed", "text"), of("call.carrier_event_received", "raw")];
        Ok(content.iter().all(|value| value == "[erased]").then_some(events))
    })
    .await?;
    let received = gone.iter().find(|event| event["type"] == "call.received").context("a beginning")?;
    assert_eq!(received["data"]["from"], PERSON, "who called is kept");

    let pii = json!({"call_content": "everything_except_pii"});
    world.api.patch(settings, None, pii).await?.data()?;
    let others = talks(&world, OTHER, "hello there").await?;
    let call = world.api.get(&format!("/api/v1/calls/{others}")).await?.data()?;
    assert_eq!(text(&call, "from"), "[erased]");
    let lines = world.api.list_all(&format!("/api/v1/calls/{others}/transcript")).await?;
    assert!(lines.iter().any(|line| line["text"] == "hello there"), "{lines:?}");
    let audit = world.api.list_all("/api/v1/audit/log?action=PRIVACY_SETTINGS_CHANGED").await?;
    assert_eq!(audit.len(), 2);
    // it was never shown; that it cannot be read any more is what a run sees to
    until("a run of retention", SOON, async || {
        let path = "/api/v1/audit/events?type=privacy_policy.retention_ran&client_id=all";
        Ok((!world.api.list_all(path).await?.is_empty()).then_some(()))
    })
    .await?;

    let World { folder, mut node, carrier, .. } = world;
    tokio::task::block_in_place(|| node.terminate())?;
    carrier.shutdown().await;
    check_views(&node.options).await?;
    let runs = tests::history::History::read(&node.options).await?;
    let ran = runs.facts(&["privacy_policy.retention_ran"]).next().context("a run is an event")?;
    assert!(ran.1["destroyed"].as_u64() >= Some(1));
    for gone in [NAME, OTHER] {
        assert_eq!(files_with(folder.path(), gone)?, [] as [String; 0], "{gone}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_number_is_erased_and_exported_by_call_conversation_or_what_the_carrier_showed()
-> Result<()> {
    let world = World::start().await?;
    let agent = json!({"name": "Reception", "provider": "scripted", "greeting": "Good morning."});
    world.api.post("/api/v1/agents", agent).await?.data()?;
    world.take_number().await?;
    let exported = async |whom: Value| -> Result<String> {
        let job = ask(&world.api, "export", whom).await?;
        done(&world.api, &job).await?;
        let result = format!("/api/v1/privacy/jobs/{}/result", text(&job, "id"));
        Ok(world.api.get(&result).await?.data()?.to_string())
    };
    let heard = async |call: &str| -> Result<bool> {
        let lines = world.api.list_all(&format!("/api/v1/calls/{call}/transcript")).await?;
        Ok(lines.iter().any(|line| text(line, "text").contains(NAME)))
    };
    let says = format!("my name is {NAME}");
    for (n, from) in
        ["anonymous", "Restricted", "sip:frank@pbx.example.test", "+12025550133"].iter().enumerate()
    {
        let (call, other) = (talks(&world, from, &says).await?, talks(&world, from, &says).await?);
        let found = world.api.get(&format!("/api/v1/conversations?call_id={call}")).await?.data()?;
        let whom = match n {
            0 => json!({"call_id": call}),
            1 => json!({"conversation_id": found[0]["id"]}),
            _ => json!({"caller_id": from}),
        };
        let export = exported(whom.clone()).await?;
        assert!(export.contains(NAME), "{from}: {export}");
        let receipt = done(&world.api, &ask(&world.api, "erase", whom.clone()).await?).await?;
        assert_eq!(receipt["nothing_found"], false, "{from}: {receipt}");
        assert!(!heard(&call).await?, "{from}");
        let messages = format!("/api/v1/conversations/{}/messages", text(&found[0], "id"));
        let messages = world.api.list_all(&messages).await?;
        assert!(!json!(messages).to_string().contains(NAME), "{from}: {messages:?}");
        // two that withhold their numbers are two persons, until all that look like that are meant
        assert_eq!(heard(&other).await?, n < 2, "{from}");
    }
    for all in ["ANONYMOUS", "restricted"] {
        let receipt = done(&world.api, &ask(&world.api, "erase", json!({"caller_id": all})).await?).await?;
        assert_eq!(receipt["nothing_found"], false, "{receipt}");
    }
    let nobody = done(&world.api, &ask(&world.api, "erase", json!({"caller_id": "nobody"})).await?).await?;
    assert_eq!(nobody["nothing_found"], true);
    let unknown = json!({"call_id": "call_01h455vb4pex5vsknk084sn02q"});
    assert_eq!(world.api.post("/api/v1/privacy/subjects/erase", unknown).await?.status, 404);
    let both = json!({"phone": PERSON, "caller_id": "x"});
    assert_eq!(world.api.post("/api/v1/privacy/subjects/erase", both).await?.status, 422);
    assert!(files_with(world.folder.path(), NAME)?.is_empty());
    world.close().await?;
    Ok(())
}
