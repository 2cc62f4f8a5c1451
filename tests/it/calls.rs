//! Calls that come in: from the carrier's webhook to what REST shows of them.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use simulator::fake_telnyx::{CallScript, CalleeScript, Step};
use tests::until::{SOON, until};
use tests::webhook::{self, Leg, OUR_NUMBER};
use tests::world::World;

const CALLER: &str = "+12025550111";

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// A caller who is answered and stays on the line; the call once it is in progress.
async fn talking(world: &World) -> Result<Value> {
    world.take_number().await?;
    let handle = world.carrier.place_call(CallScript::new(CALLER, OUR_NUMBER).then(Step::Stay)).await;
    let call = world.call_of_leg(&handle.control_id).await?;
    world.call_when(text(&call, "id"), |call| call["status"] == "in_progress").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_answered_greeted_heard_and_told_from_its_first_webhook_to_its_cost() -> Result<()> {
    let world = World::start().await?;
    world.take_number().await?;
    let script = CallScript::new(CALLER, OUR_NUMBER).talks(["hello", "two tickets please"]);
    let handle = world.carrier.place_call(script).await;
    let control_id = handle.control_id.clone();
    let record = handle.ended().await.context("the carrier stopped")?;
    ensure!(record.unmet.is_empty(), "the caller waited in vain: {:?}", record.unmet);
    ensure!(record.spoken.len() == 1 && record.spoken[0].starts_with("Hello"), "no greeting was spoken");

    let call = world.call_of_leg(&control_id).await?;
    let id = text(&call, "id").to_owned();
    let call = world.call_when(&id, |call| !call["cost"].is_null()).await?;
    let expected = json!({
        "direction": "inbound", "status": "ended", "from": CALLER, "to": OUR_NUMBER, "provider": "telnyx",
        "end_reason": "caller_hangup", "ended_by": "caller", "fault": "none",
        "provider_code": "normal_clearing", "sip_code": 200, "recording_status": "none", "metadata": {},
    });
    for (field, value) in expected.as_object().context("an object")? {
        assert_eq!(&call[field], value, "{field}");
    }
    for time in ["created_at", "ringing_at", "answered_at", "ended_at"] {
        assert!(text(&call, time).ends_with('Z'), "{time}: {}", call[time]);
    }
    assert!(call["duration_ms"].is_u64() && call["cost"]["currency"] == "USD", "{call}");
    assert!(id.starts_with("call_"));

    let path = format!("/api/v1/calls/{id}");
    let lines = world.api.list_in_pages(&format!("{path}/transcript"), 2).await?;
    let spoken: Vec<_> = lines.iter().map(|line| (text(line, "role"), text(line, "text"))).collect();
    assert_eq!(spoken[0], ("agent", record.spoken[0].as_str()));
    assert_eq!(spoken[1..], [("caller", "hello"), ("caller", "two tickets please")]);
    assert_eq!(
        lines.iter().map(|line| line["seq"].as_u64()).collect::<Vec<_>>(),
        [Some(1), Some(2), Some(3)]
    );
    assert_eq!(world.api.get(&format!("{path}/recording")).await?.data()?["status"], "none");

    // pages of three give the same history as one page, in order and without a gap
    let events = world.api.list_in_pages(&format!("{path}/events"), 3).await?;
    assert_eq!(events, world.api.list_all(&format!("{path}/events")).await?);
    let versions: Vec<_> = events.iter().filter_map(|event| event["version"].as_u64()).collect();
    assert_eq!(versions, (1..=events.len() as u64).collect::<Vec<_>>());
    assert_eq!(call["version"], *versions.last().context("no events")?);
    assert!(events.is_sorted_by_key(|event| event["position"].as_u64()));
    let types: BTreeSet<_> = events.iter().map(|event| text(event, "type")).collect();
    for wanted in [
        "call.carrier_event_received",
        "call.received",
        "call.answer_requested",
        "call.command_accepted",
        "call.answered",
        "call.speech_requested",
        "call.speech_ended",
        "call.line_transcribed",
        "call.ended",
        "call.cost_recorded",
    ] {
        assert!(types.contains(wanted), "no {wanted} in {types:?}");
    }
    let mut backwards = world.api.list_in_pages(&format!("{path}/events?order=desc"), 4).await?;
    backwards.reverse();
    assert_eq!(backwards, events);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_can_be_read_as_it_was_at_any_version_and_time() -> Result<()> {
    let world = World::start().await?;
    world.take_number().await?;
    let script = CallScript::new(CALLER, OUR_NUMBER).talks(["hello"]);
    let handle = world.carrier.place_call(script).await;
    let control_id = handle.control_id.clone();
    handle.ended().await.context("the carrier stopped")?;
    let id = text(&world.call_of_leg(&control_id).await?, "id").to_owned();
    let now = world.call_when(&id, |call| !call["cost"].is_null()).await?;
    let path = format!("/api/v1/calls/{id}");
    let events = world.api.list_all(&format!("{path}/events")).await?;

    let mut seen = Vec::new();
    for event in &events {
        let version = event["version"].as_u64().context("a version")?;
        let answer = world.api.get(&format!("{path}?version={version}")).await?;
        if answer.status == 404 {
            assert_eq!(seen, Vec::<Value>::new(), "a call that existed is gone again");
            continue; // the receipt of the first webhook stands before the call itself
        }
        assert_eq!(answer.header("etag"), Some(format!("\"{version}\"").as_str()));
        let then = answer.data()?;
        assert_eq!(then["version"], version);
        // several events may share a moment: as of it, the last of them holds
        let at = text(event, "recorded_at");
        let as_of = world.api.get(&format!("{path}?at={at}")).await?.data()?;
        assert!(as_of["version"].as_u64() >= Some(version), "at {at}: {as_of}");
        seen.push(then);
    }
    assert_eq!(seen.last(), Some(&now));
    let mut statuses: Vec<_> = seen.iter().map(|call| text(call, "status").to_owned()).collect();
    statuses.dedup();
    assert_eq!(statuses, ["ringing", "in_progress", "ended"]);

    assert_eq!(world.api.get(&format!("{path}?at=2001-01-01T00:00:00Z")).await?.status, 404);
    assert_eq!(world.api.get(&format!("{path}?at=2999-01-01T00:00:00Z")).await?.data()?, now);
    let both = world.api.get(&format!("{path}?at=2999-01-01T00:00:00Z&version=1")).await?;
    assert_eq!((both.status, both.code()), (422, "invalid_request"));
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calls_own_data_changes_only_at_the_version_the_client_knows() -> Result<()> {
    let world = World::start().await?;
    let call = talking(&world).await?;
    let path = format!("/api/v1/calls/{}", text(&call, "id"));
    // the greeting may still be on its way: change the call at the version it has by then
    let changed = until("the change", SOON, async || {
        let version = world.api.get(&path).await?.data()?["version"].as_u64();
        let answer = world.api.patch(&path, version, json!({"metadata": {"order": 7}})).await?;
        Ok((answer.status == 200).then_some(answer))
    })
    .await?;
    let etag = changed.header("etag").context("no etag")?.to_owned();
    assert!(changed.body["meta"]["position"].as_u64().is_some(), "{}", changed.body);
    let changed = changed.data()?;
    assert_eq!(changed["metadata"], json!({"order": 7}));
    assert_eq!(etag, format!("\"{}\"", changed["version"]));
    assert_eq!(world.api.get(&path).await?.data()?["metadata"], json!({"order": 7}));

    for stale in ["\"1\"", "\"1\", \"2\"", "W/\"1\"", "\"nonsense\""] {
        let body = br#"{"metadata": {"order": 8}}"#.to_vec();
        let refused = world.api.send("PATCH", &path, &[("if-match", stale)], Some(body)).await?;
        assert_eq!((refused.status, refused.code()), (412, "precondition_failed"), "{stale}");
    }
    assert_eq!(world.api.get(&path).await?.data()?["metadata"], json!({"order": 7}));
    let any = world.api.send("PATCH", &path, &[("if-match", "*")], Some(br#"{"metadata": {}}"#.to_vec()));
    assert_eq!(any.await?.data()?["metadata"], json!({}));
    world.api.post(&format!("{path}/hangup"), Value::Null).await?.data()?;
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_reach_the_leg_and_an_ended_call_refuses_them() -> Result<()> {
    let world = World::start().await?;
    let call = talking(&world).await?;
    let (id, control_id) = (text(&call, "id").to_owned(), text(&call, "provider_call_id").to_owned());
    let path = format!("/api/v1/calls/{id}");
    let say = world.api.post(&format!("{path}/say"), json!({"text": "one moment"})).await?;
    assert_eq!(say.status, 202);
    assert!(say.body["meta"]["position"].as_u64().is_some());
    assert_eq!(world.api.post(&format!("{path}/dtmf"), json!({"digits": "12#"})).await?.status, 202);
    let asked = async |name: &str, field: &str, value: &str| {
        until("the command at the carrier", SOON, async || {
            let ledger = world.carrier.ledger();
            let found = ledger.commands_named(name).any(|command| command.body[field] == value);
            Ok(found.then_some(()))
        })
        .await
    };
    asked("speak", "payload", "one moment").await?;
    asked("send_dtmf", "digits", "12#").await?;
    let lines = world.api.list_all(&format!("{path}/transcript")).await?;
    let said: Vec<_> = lines.iter().map(|line| (text(line, "kind"), text(line, "text"))).collect();
    assert!(said.contains(&("utterance", "one moment")) && said.contains(&("dtmf", "12#")), "{said:?}");

    let hung_up = world.api.post(&format!("{path}/hangup"), Value::Null).await?;
    assert_eq!(hung_up.status, 202);
    let ended = world.call_when(&id, |call| call["status"] == "ended").await?;
    assert_eq!((text(&ended, "end_reason"), text(&ended, "ended_by")), ("api_hangup", "operator"));
    let ledger = world.carrier.ledger();
    assert_eq!(ledger.commands_named("hangup").count(), 1);
    assert!(ledger.commands.iter().all(|command| command.command_id.is_some()));

    // what is over stays over, and says so
    assert_eq!(world.api.post(&format!("{path}/hangup"), Value::Null).await?.status, 202);
    let late = world.api.post(&format!("{path}/say"), json!({"text": "hello?"})).await?;
    assert_eq!((late.status, late.code()), (409, "call_wrong_status"));
    let ledger = world.close().await?;
    assert_eq!(ledger.commands_named("hangup").count(), 1);
    let leg = ledger.calls.iter().find(|leg| leg.control_id == control_id).context("the leg")?;
    assert_eq!(leg.hangup_cause, "normal_clearing");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transferred_call_ends_as_transferred_and_a_failed_transfer_ends_nothing() -> Result<()> {
    let world = World::start().await?;
    let (busy, free) = ("+12025550191", "+12025550192");
    world.carrier.set_callee(busy, CalleeScript::Busy);
    world.carrier.set_callee(free, CalleeScript::Answers { ring: Duration::ZERO, steps: vec![] });
    let call = talking(&world).await?;
    let id = text(&call, "id").to_owned();
    let path = format!("/api/v1/calls/{id}");
    assert_eq!(world.api.post(&format!("{path}/transfer"), json!({"to": busy})).await?.status, 202);
    until("the failed transfer", SOON, async || {
        let events = world.api.list_all(&format!("{path}/events")).await?;
        Ok(events.iter().any(|event| text(event, "type") == "call.transfer_failed").then_some(()))
    })
    .await?;
    assert_eq!(world.api.get(&path).await?.data()?["status"], "in_progress");
    assert_eq!(world.api.post(&format!("{path}/transfer"), json!({"to": free})).await?.status, 202);
    let ended = world.call_when(&id, |call| call["status"] == "ended").await?;
    assert_eq!(text(&ended, "end_reason"), "transferred");
    // the legs the transfers placed belong to this call and make no calls of their own
    assert_eq!(world.api.list_all("/api/v1/calls").await?.len(), 1);
    let ledger = world.close().await?;
    assert_eq!(ledger.commands_named("transfer").count(), 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_to_a_number_that_is_nobodys_or_says_so_is_refused() -> Result<()> {
    let world = World::start().await?;
    let stranger = world.carrier.place_call(CallScript::new(CALLER, "+12025550177")).await;
    let refused = world.call_of_leg(&stranger.control_id).await?;
    let refused = world.call_when(text(&refused, "id"), |call| call["status"] == "failed").await?;
    assert_eq!((text(&refused, "end_reason"), text(&refused, "ended_by")), ("rejected", "system"));

    let number = world.take_number().await?;
    let path = format!("/api/v1/numbers/{}", text(&number, "id"));
    world.api.patch(&path, None, json!({"route": {"type": "reject"}})).await?.data()?;
    let caller = world.carrier.place_call(CallScript::new(CALLER, OUR_NUMBER)).await;
    let refused = world.call_of_leg(&caller.control_id).await?;
    world.call_when(text(&refused, "id"), |call| call["end_reason"] == "rejected").await?;
    let ledger = world.close().await?;
    assert_eq!((ledger.commands_named("reject").count(), ledger.commands_named("answer").count()), (2, 0));
    Ok(())
}

/// Posts the webhooks of `count` calls in different states, and places a few calls more.
async fn many_calls(world: &World, count: u64) -> Result<Vec<Value>> {
    // recent enough for no timer to have a say
    let start = webhook::unix_now() - 30;
    for number in 0..count {
        let at = |seconds| webhook::rfc3339(start + number as i64 + seconds);
        let mut leg = Leg::inbound(number);
        let mut events = vec![leg.initiated(&at(0))];
        if number % 3 != 0 {
            events.push(leg.answered(&at(1)));
        }
        if number % 3 == 2 {
            events.push(leg.hangup(&at(2)));
        }
        for event in events {
            let answer = world.api.webhook(&event).await?;
            ensure!(answer.status == 200, "{}", answer.body);
        }
    }
    for number in 0..6 {
        let order = json!({
            "to": format!("+1202555017{number}"), "from": "+12025550100",
            "metadata": {"campaign": (if number % 2 == 0 { "spring" } else { "autumn" }), "n": number},
        });
        let call = world.dial(order).await?;
        let hang_up = format!("/api/v1/calls/{}/hangup", text(&call, "id"));
        world.api.post(&hang_up, Value::Null).await?.data()?;
    }
    until("all calls, those we placed taken back", SOON, async || {
        let calls = world.api.list_all("/api/v1/calls").await?;
        let over = calls.iter().filter(|call| call["end_reason"] == "cancelled").count();
        Ok((calls.len() as u64 == count + 6 && over == 6).then_some(calls))
    })
    .await
}

fn ids(calls: &[Value]) -> Vec<String> {
    calls.iter().map(|call| text(call, "id").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_page_without_gap_or_repeat_and_every_filter_means_what_it_says() -> Result<()> {
    // with the carrier out of reach no command is carried out, and every call stays where its webhooks left it
    let world = World::with(|plan| {
        plan.options = plan.options.clone().set("TELNYX_API_BASE", "http://127.0.0.1:9/v2");
    })
    .await?;
    let all = many_calls(&world, 25).await?;
    assert_eq!(all.len(), 31);
    assert!(all.is_sorted_by(|a, b| a["created_at"].as_str() >= b["created_at"].as_str()), "newest first");
    for limit in [1, 7, 31, 200] {
        let newest = world.api.list_in_pages("/api/v1/calls", limit).await?;
        assert_eq!(ids(&newest), ids(&all), "pages of {limit}");
        let mut oldest = world.api.list_in_pages("/api/v1/calls?order=asc", limit).await?;
        oldest.reverse();
        assert_eq!(ids(&oldest), ids(&all), "pages of {limit}, oldest first");
    }
    let first = world.api.get("/api/v1/calls?limit=5&include_total=true").await?;
    assert_eq!((&first.body["meta"]["total"], &first.body["meta"]["has_more"]), (&json!(31), &json!(true)));

    type Filter = Box<dyn Fn(&Value) -> bool>;
    let is =
        |field: &'static str, value: &'static str| -> Filter { Box::new(move |call| call[field] == value) };
    let middle = text(&all[15], "created_at").to_owned();
    let (after, before) = (middle.clone(), middle.clone());
    let filters: Vec<(String, Filter)> = vec![
        ("status=ringing".into(), is("status", "ringing")),
        ("status=in_progress".into(), is("status", "in_progress")),
        ("status=ended,failed".into(), Box::new(|call| matches!(text(call, "status"), "ended" | "failed"))),
        ("direction=outbound".into(), is("direction", "outbound")),
        ("from=%2B12025550103".into(), is("from", "+12025550103")),
        ("to=%2B12025550174".into(), is("to", "+12025550174")),
        ("end_reason=cancelled".into(), is("end_reason", "cancelled")),
        ("end_reason=rejected".into(), is("end_reason", "rejected")),
        ("metadata[campaign]=spring".into(), Box::new(|call| call["metadata"]["campaign"] == "spring")),
        (
            "metadata%5Bcampaign%5D=autumn&direction=outbound&status=failed".into(),
            Box::new(|call| call["metadata"]["campaign"] == "autumn"),
        ),
        (format!("created_after={middle}"), Box::new(move |call| text(call, "created_at") > after.as_str())),
        (
            format!("created_before={middle}"),
            Box::new(move |call| text(call, "created_at") < before.as_str()),
        ),
    ];
    for (query, wanted) in &filters {
        let expected: Vec<_> = all.iter().filter(|call| wanted(call)).cloned().collect();
        ensure!(!expected.is_empty() && expected.len() < all.len(), "{query} says nothing here");
        let listed = world.api.list_in_pages(&format!("/api/v1/calls?{query}"), 4).await?;
        assert_eq!(ids(&listed), ids(&expected), "{query}");
        let counted = world.api.get(&format!("/api/v1/calls?{query}&include_total=true&limit=1")).await?;
        assert_eq!(counted.body["meta"]["total"], expected.len(), "{query}");
    }
    let nobody = world.api.list_all("/api/v1/calls?agent_id=agt_01h455vb4pex5vsknk084sn02q").await?;
    assert_eq!(nobody, Vec::<Value>::new());
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_found_by_any_number_in_any_form_its_ids_or_its_metadata() -> Result<()> {
    let world = World::start().await?;
    world.take_number().await?;
    let mut ids = Vec::new();
    for (n, from) in [(1, "+12025550111"), (2, "sip:+12025550122@pbx.example.test")] {
        let mut leg = Leg::inbound(n);
        leg.from = from.to_owned();
        let initiated = leg.initiated(&webhook::rfc3339(webhook::unix_now()));
        assert_eq!(world.api.webhook(&initiated).await?.status, 200);
        ids.push(text(&world.call_of_leg(&leg.control_id()).await?, "id").to_owned());
    }
    let order = json!({"to": "+442079460958", "metadata": {"order": "A-77", "seats": 2}});
    ids.push(text(&world.dial(order).await?, "id").to_owned());
    let found = async |q: &str| -> Result<Vec<usize>> {
        let encoded: String = q.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer =
            world.api.get(&format!("/api/v1/calls?include_total=true&order=asc&q={encoded}")).await?;
        let calls = answer.body["data"].as_array().with_context(|| answer.body.to_string())?;
        ensure!(answer.body["meta"]["total"] == calls.len(), "{}", answer.body);
        let place = |call: &Value| ids.iter().position(|id| *id == text(call, "id")).unwrap_or(usize::MAX);
        Ok(calls.iter().map(place).collect())
    };
    let cases: [(&str, &[usize]); 18] = [
        ("+12025550111", &[0]),
        ("12025550111", &[0]),
        ("+1 (202) 555-0111", &[0]),
        ("0111", &[0]),
        ("555-0111", &[0]),
        ("9990111", &[]),
        ("0122", &[1]),
        ("+12025550122", &[1]),
        ("5550122", &[1]),
        ("0188", &[0, 1]),
        ("0958", &[2]),
        ("+44 20 7946 0958", &[2]),
        ("111", &[]),
        ("A-77", &[2]),
        ("2", &[2]),
        ("a-77", &[]),
        ("v3:test-leg-2", &[1]),
        ("%' OR 1=1 --", &[]),
    ];
    for (q, expected) in cases {
        assert_eq!(found(q).await?, expected, "{q}");
    }
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(found(id).await?, [n]);
    }
    let soon = "/api/v1/calls?q=0188&created_after=2999-01-01T00:00:00Z&include_total=true";
    assert_eq!(world.api.get(soon).await?.body["meta"]["total"], 0, "all filters hold at once");
    let long = format!("/api/v1/calls?q={}", "1".repeat(201));
    assert_eq!(world.api.get(&long).await?.status, 422);
    world.close().await?;
    Ok(())
}
