//! Numbers and where their calls go.

use adapters::testing::postgres::Cluster;
use anyhow::{Context, Result};
use futures::future::try_join_all;
use serde_json::{Value, json};
use tests::client::Api;
use tests::installation::Installation;
use tests::webhook::{Leg, OUR_NUMBER, rfc3339, unix_now};
use tests::world::{CALLER_ID, World};

use crate::crash::address_of;

const UNKNOWN: &str = "num_01h455vb4pex5vsknk084sn02q";

/// A client made on the node, and its owner's key.
async fn another_client(world: &World) -> Result<(String, Api)> {
    let made = world.api.post("/api/v1/auth/clients", json!({"name": "Another"})).await?.data()?;
    let id = made["id"].as_str().context("an id")?.to_owned();
    Ok((id, world.api.with_key(made["plain_key"].as_str())))
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_the_nodes_account_are_assigned_and_nobody_calls_as_somebody_else() -> Result<()> {
    const NUMBERS: &str = "/api/v1/numbers";
    const CALLS: &str = "/api/v1/calls";
    const THEIRS: &str = "+12025550177";
    let world = World::start().await?;
    world.take_number().await?;
    let (id, theirs) = another_client(&world).await?;
    let (rival_id, rival) = another_client(&world).await?;
    let number = |number: &str| json!({"number": number, "route": {"type": "reject"}});
    for body in [
        number(THEIRS),
        number(OUR_NUMBER),
        json!({"number": THEIRS, "route": {"type": "reject"}, "client_id": rival_id}),
    ] {
        let refused = theirs.post(NUMBERS, body.clone()).await?;
        assert_eq!((refused.status, refused.code()), (403, "platform_only"), "{body}: {}", refused.body);
    }
    let assigned = json!({"number": THEIRS, "route": {"type": "reject"}, "client_id": id});
    let assigned = world.api.post(NUMBERS, assigned).await?;
    assert_eq!(assigned.status, 201, "{}", assigned.body);
    assert_eq!(theirs.list_all(NUMBERS).await?.len(), 1);
    let unknown = json!({"number": "+12025550178", "route": {"type": "reject"}, "client_id": "cli_01h455vb4pex5vsknk084sn02q"});
    assert_eq!(world.api.post(NUMBERS, unknown).await?.status, 422);
    assert_eq!(world.api.post(NUMBERS, number(THEIRS)).await?.code(), "number_taken");

    // as whom they may call
    let place =
        async |api: &Api, from: &str| api.post(CALLS, json!({"to": "+12025550151", "from": from})).await;
    assert_eq!(place(&theirs, THEIRS).await?.status, 201);
    assert_eq!(place(&world.api, OUR_NUMBER).await?.status, 201);
    assert_eq!(place(&theirs, CALLER_ID).await?.status, 201, "whom the node calls as anyway");
    for (api, from) in [
        (&theirs, OUR_NUMBER),
        (&world.api, THEIRS),
        (&rival, THEIRS),
        (&rival, "+12025550142"),
        (&rival, "sip:a@b.example"),
    ] {
        let refused = place(api, from).await?;
        let error = &refused.body["errors"][0];
        assert_eq!(
            (refused.status, error["field"].as_str(), error["code"].as_str()),
            (422, Some("from"), Some("not_yours")),
            "{from}"
        );
    }

    // an account of one's own opens its own numbers, and nobody else's
    rival.use_own_carrier().await?;
    let own = rival.post(NUMBERS, number(OUR_NUMBER)).await?.data()?;
    assert_eq!(own["own_account"], true);
    assert_eq!(place(&rival, OUR_NUMBER).await?.status, 201);
    let mut leg = Leg::inbound(1);
    assert_eq!(world.api.webhook(&leg.initiated(&rfc3339(unix_now()))).await?.status, 200);
    let ours = world.call_of_leg(&leg.control_id()).await?;
    assert_eq!(ours["to"], OUR_NUMBER, "it is still ours on the node's account");
    let closed = rival.send("DELETE", "/api/v1/auth/providers/telephony", &[], None).await?;
    assert_eq!(closed.status, 204);
    assert_eq!(
        place(&rival, OUR_NUMBER).await?.status,
        422,
        "through the node's account it is somebody else's"
    );
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_taken_into_use_rerouted_and_given_up() -> Result<()> {
    let world = World::start().await?;
    let created =
        world.api.post("/api/v1/numbers", json!({"number": OUR_NUMBER, "route": {"type": "agent"}})).await?;
    assert_eq!((created.status, created.header("etag")), (201, Some("\"1\"")));
    let location = created.header("location").context("a location")?.to_owned();
    let number = created.data()?;
    assert_eq!((&number["number"], &number["route"]["type"]), (&json!(OUR_NUMBER), &json!("agent")));
    let path = format!("/api/v1/numbers/{}", number["id"].as_str().context("an id")?);
    assert_eq!(path, location);
    assert_eq!(world.api.get(&path).await?.data()?, number);

    let reject = json!({"route": {"type": "reject"}});
    let rerouted = world.api.patch(&path, Some(1), reject.clone()).await?;
    assert_eq!((rerouted.status, rerouted.header("etag")), (200, Some("\"2\"")));
    let rerouted = rerouted.data()?;
    assert_eq!(rerouted["route"], json!({"type": "reject"}));
    let stale = world.api.patch(&path, Some(1), json!({"route": {"type": "agent"}})).await?;
    assert_eq!((stale.status, stale.code()), (412, "precondition_failed"));
    // the same route again is no news
    assert_eq!(world.api.patch(&path, None, reject).await?.header("etag"), Some("\"2\""));

    assert_eq!(world.api.get(&format!("{path}?version=1")).await?.data()?, number);
    let stale = world.api.send("DELETE", &path, &[("if-match", "\"1\"")], None).await?;
    assert_eq!(stale.status, 412);
    assert_eq!(world.api.send("DELETE", &path, &[("if-match", "\"2\"")], None).await?.status, 204);
    assert_eq!(world.api.get(&path).await?.status, 404);
    assert_eq!(world.api.send("DELETE", &path, &[], None).await?.status, 404);
    assert_eq!(world.api.list_all("/api/v1/numbers").await?, Vec::<Value>::new());
    // its history stays, and whoever takes the number next gets another id
    let history = world.api.list_all(&format!("{path}/events")).await?;
    let types: Vec<_> = history.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(types, ["number.added", "number.rerouted", "number.removed"]);
    let again = world.take_number().await?;
    assert_ne!(again["id"], number["id"]);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_has_one_owner_also_when_many_want_it_at_once() -> Result<()> {
    let world = World::start().await?;
    let take =
        || world.api.post("/api/v1/numbers", json!({"number": OUR_NUMBER, "route": {"type": "agent"}}));
    let answers = futures::future::join_all((0..8).map(|_| take())).await;
    let mut statuses = Vec::new();
    for answer in answers {
        let answer = answer?;
        assert!(answer.status == 201 || answer.code() == "number_taken", "{}", answer.body);
        statuses.push(answer.status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(world.api.list_all("/api/v1/numbers").await?.len(), 1);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_unknown_malformed_or_of_another_kind_is_404_everywhere() -> Result<()> {
    let world = World::start().await?;
    let route = json!({"route": {"type": "reject"}}).to_string().into_bytes();
    for id in [UNKNOWN, "num_nonsense", "nonsense", "call_01h455vb4pex5vsknk084sn02q", "%20", "num_"] {
        let path = format!("/api/v1/numbers/{id}");
        for headers in
            [&[][..], &[("if-match", "\"1\"")], &[("if-match", "\"1\", \"2\"")], &[("if-match", "*")]]
        {
            let patched = world.api.send("PATCH", &path, headers, Some(route.clone())).await?;
            assert_eq!((patched.status, patched.code()), (404, "not_found"), "PATCH {id} {headers:?}");
            let deleted = world.api.send("DELETE", &path, headers, None).await?;
            assert_eq!((deleted.status, deleted.code()), (404, "not_found"), "DELETE {id} {headers:?}");
        }
        for path in [path.clone(), format!("{path}/events"), format!("{path}?version=1")] {
            let answer = world.api.get(&path).await?;
            assert_eq!((answer.status, answer.code()), (404, "not_found"), "{path}");
        }
    }
    for id in ["call_01h455vb4pex5vsknk084sn02q", "call_nonsense", UNKNOWN] {
        for part in ["", "/events", "/transcript", "/recording"] {
            let answer = world.api.get(&format!("/api/v1/calls/{id}{part}")).await?;
            assert_eq!((answer.status, answer.code()), (404, "not_found"), "{id}{part}");
        }
        for part in ["/hangup", "/say", "/dtmf", "/transfer"] {
            let body = match part {
                "/say" => json!({"text": "hello"}),
                "/dtmf" => json!({"digits": "1"}),
                "/transfer" => json!({"to": "+12025550123"}),
                _ => Value::Null,
            };
            let answer = world.api.post(&format!("/api/v1/calls/{id}{part}"), body).await?;
            assert_eq!((answer.status, answer.code()), (404, "not_found"), "{id}{part}");
        }
    }
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_listed_in_pages_newest_first() -> Result<()> {
    let world = World::start().await?;
    let mut ids = Vec::new();
    for n in 0..7 {
        let body = json!({"number": format!("+120255502{n:02}"), "route": {"type": "reject"}});
        ids.push(world.api.post("/api/v1/numbers", body).await?.data()?["id"].clone());
    }
    let listed = async |query: &str, limit| {
        let numbers = world.api.list_in_pages(&format!("/api/v1/numbers{query}"), limit).await?;
        anyhow::Ok(numbers.iter().map(|number| number["id"].clone()).collect::<Vec<_>>())
    };
    for limit in [1, 3, 7] {
        assert_eq!(listed("?order=asc", limit).await?, ids);
        assert_eq!(listed("", limit).await?, ids.iter().rev().cloned().collect::<Vec<_>>());
    }
    let counted = world.api.get("/api/v1/numbers?include_total=true&limit=2").await?;
    assert_eq!(counted.body["meta"]["total"], 7);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_on_two_nodes_who_want_a_number_at_once_one_gets_it_until_it_is_given_up() -> Result<()> {
    let pair = Installation::start(&address_of(&Cluster::shared().database().await)?, &[])?;
    for n in 0..5 {
        let number = json!({"number": format!("+1202555020{n}"), "route": {"type": "reject"}});
        for _ in 0..2 {
            let asking = (0..10).map(|k| pair.apis[k % 2].post("/api/v1/numbers", number.clone()));
            let answers = try_join_all(asking).await?;
            let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
            assert_eq!(won.len(), 1);
            assert!(lost.iter().all(|answer| (answer.status, answer.code()) == (409, "number_taken")));
            let path = won[0].header("location").context("a location")?;
            let gone = pair.apis[n % 2].send("DELETE", path, &[], None).await?;
            assert_eq!(gone.status, 204, "{}", gone.body);
        }
    }
    pair.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leg_that_was_never_offered_to_us_is_recorded_and_not_talked_to() -> Result<()> {
    let world = World::start().await?;
    world.take_number().await?;
    let mut leg = Leg::inbound(71);
    let answered = leg.answered(&rfc3339(unix_now()));
    assert_eq!(world.api.webhook(&answered).await?.status, 200);
    let call = world.call_of_leg(&leg.control_id()).await?;
    let path = format!("/api/v1/calls/{}/events", call["id"].as_str().context("an id")?);
    let events = world.api.list_all(&path).await?;
    let types: Vec<_> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(types, ["call.carrier_event_received", "call.received", "call.answered"]);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_routed_and_searched_in_every_form_a_carrier_writes_it() -> Result<()> {
    let world = World::start().await?;
    world.take_number().await?;
    let digits = OUR_NUMBER.trim_start_matches('+').to_owned();
    let forms = [
        (digits, "12025550123".to_owned()),
        (format!("{OUR_NUMBER} "), "tel:+1-202-555-0123".to_owned()),
        (format!("sip:{OUR_NUMBER}@pbx.example.test;user=phone"), "sip:+12025550123@198.51.100.7".to_owned()),
    ];
    for (n, (to, from)) in (81..).zip(&forms) {
        let mut leg = Leg::inbound(n);
        (leg.to, leg.from) = (to.clone(), from.clone());
        let initiated = leg.initiated(&rfc3339(unix_now()));
        assert_eq!(world.api.webhook(&initiated).await?.status, 200);
        let call = world.call_of_leg(&leg.control_id()).await?;
        let path = format!("/api/v1/calls/{}/events", call["id"].as_str().context("an id")?);
        let events = world.api.list_all(&path).await?;
        let types: Vec<_> = events.iter().filter_map(|event| event["type"].as_str()).collect();
        assert!(types.contains(&"call.answer_requested"), "{to}: {types:?}");
    }
    let found = world.api.list_all("/api/v1/calls?from=%2B12025550123").await?;
    assert_eq!(found.len(), forms.len(), "they are one caller");
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_as_they_are_dialled_within_the_connections_country_are_the_same_numbers() -> Result<()> {
    let world = World::with(|plan| plan.options = plan.options.clone().set("TELNYX_COUNTRY", "US")).await?;
    world.take_number().await?;
    let national = OUR_NUMBER.trim_start_matches("+1").to_owned();
    let forms = [
        (national.clone(), "2025550123"),
        (format!("sip:{national}@pbx.example.test"), "(202) 555-0123"),
        (OUR_NUMBER.to_owned(), "tel:202-555-0123"),
    ];
    for (n, (to, from)) in (91..).zip(&forms) {
        let mut leg = Leg::inbound(n);
        (leg.to, leg.from) = (to.clone(), (*from).to_owned());
        assert_eq!(world.api.webhook(&leg.initiated(&rfc3339(unix_now()))).await?.status, 200);
        let call = world.call_of_leg(&leg.control_id()).await?;
        assert_eq!((&call["from"], &call["to"]), (&json!("+12025550123"), &json!(OUR_NUMBER)));
        assert!(call["number_id"].is_string() || call["end_reason"] != "rejected", "{call}");
    }
    for asked in ["%2B12025550123", "2025550123", "12025550123"] {
        let found = world.api.list_all(&format!("/api/v1/calls?from={asked}")).await?;
        assert_eq!(found.len(), forms.len(), "{asked}");
    }
    world.close().await?;
    Ok(())
}
