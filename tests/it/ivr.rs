//! Menus, and sessions over REST alone.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tests::until::{SOON, until};
use tests::world::World;

const MENUS: &str = "/api/v1/ivr/menus";
const SESSIONS: &str = "/api/v1/ivr/sessions";

/// Makes a menu and answers with its id.
pub async fn make(world: &World, menu: Value) -> Result<String> {
    let made = world.api.post(MENUS, menu).await?;
    assert_eq!(made.status, 201, "{}", made.body);
    Ok(made.data()?["id"].as_str().context("an id")?.to_owned())
}

pub fn item(digit: &str, action: &str, target: Value) -> Value {
    json!({"digit": digit, "label": format!("Option {digit}"), "action": action, "target": target})
}

/// A menu with a menu below it; their ids, the first one first.
async fn two_menus(world: &World) -> Result<(String, String)> {
    let back = [item("1", "say", json!("Nine to five.")), item("2", "back", Value::Null)];
    let below = make(world, json!({"name": "Below", "prompt": "Below.", "items": back})).await?;
    let collect = json!({"name": "account", "min_digits": 2, "max_digits": 4, "terminator": "#", "secret": false,
        "then": {"action": "hangup"}});
    let secret = json!({"name": "pin", "min_digits": 12, "max_digits": 12, "terminator": "#", "secret": true,
        "then": {"action": "repeat"}});
    let items = [
        item("1", "submenu", json!(below)),
        item("12", "agent", Value::Null),
        item("3", "collect", collect),
        item("4", "collect", secret),
        item("8", "transfer", json!("+12025550155")),
        item("0", "hangup", Value::Null),
    ];
    let main = json!({"name": "Main", "prompt": "Welcome.", "short_prompt": "Again.", "items": items,
        "inter_digit_timeout_ms": 20_000, "timeout_ms": 60_000, "invalid_prompt": "Wrong.",
        "timeout_prompt": "Nothing."});
    Ok((make(world, main).await?, below))
}

/// Starts a session and answers with its path and what it says.
async fn start(world: &World, menu: &str) -> Result<(String, Value)> {
    let started = world.api.post(SESSIONS, json!({"menu_id": menu, "session_id": "case 7"})).await?;
    assert_eq!(started.status, 201, "{}", started.body);
    let path = started.header("location").context("a location")?.to_owned();
    Ok((path, started.data()?))
}

async fn press(world: &World, session: &str, digits: &str) -> Result<Value> {
    let answer = world.api.post(&format!("{session}/input"), json!({"digits": digits})).await?;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.data()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_menu_is_made_edited_read_as_it_was_and_given_up_once_nothing_leads_to_it() -> Result<()> {
    let world = World::start().await?;
    let (main, below) = two_menus(&world).await?;
    let path = format!("{MENUS}/{below}");
    let first = world.api.get(&path).await?;
    assert_eq!(first.header("etag"), Some("\"1\""));
    let first = first.data()?;
    assert_eq!((&first["timeout_ms"], &first["max_retries"]), (&json!(5_000), &json!(3)));
    assert_eq!(first["on_exhausted"], json!({"action": "hangup"}));
    let hours = json!({"timezone": "Europe/Berlin", "weekly": {"mon": [{"from": "09:00", "to": "17:00"}]},
        "overrides": [{"date": "2026-12-24"}], "closed": {"action": "say", "target": "Closed."}});
    let edit = json!({"prompt": "Below, edited.", "hours": hours});
    let edited = world.api.patch(&path, Some(1), edit.clone()).await?;
    assert_eq!((edited.status, edited.header("etag")), (200, Some("\"2\"")));
    let edited = edited.data()?;
    assert_eq!(edited["hours"]["weekly"]["mon"], json!([{"from": "09:00", "to": "17:00"}]));
    assert_eq!(edited["items"], first["items"], "what is left out stays");
    assert_eq!(world.api.patch(&path, Some(1), edit).await?.status, 412);
    let open = world.api.patch(&path, None, json!({"hours": null})).await?.data()?;
    assert_eq!(open["hours"], Value::Null);
    assert_eq!(world.api.get(&format!("{path}?version=1")).await?.data()?, first);

    let in_use = world.api.send("DELETE", &path, &[], None).await?;
    assert_eq!((in_use.status, in_use.code()), (409, "menu_in_use"));
    let number = json!({"number": "+12025550177", "route": {"type": "ivr_menu", "id": main}});
    let number = world.api.post("/api/v1/numbers", number).await?.data()?;
    assert_eq!(number["route"], json!({"type": "ivr_menu", "id": main}));
    let main_path = format!("{MENUS}/{main}");
    assert_eq!(world.api.send("DELETE", &main_path, &[], None).await?.code(), "menu_in_use");
    let number_path = format!("/api/v1/numbers/{}", number["id"].as_str().context("an id")?);
    assert_eq!(world.api.send("DELETE", &number_path, &[], None).await?.status, 204);
    for path in [&main_path, &path] {
        assert_eq!(world.api.send("DELETE", path, &[], None).await?.status, 204);
        assert_eq!(world.api.get(path).await?.status, 404);
    }
    let history = world.api.list_all(&format!("{path}/events")).await?;
    let types: Vec<_> = history.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(types, ["ivr_menu.created", "ivr_menu.updated", "ivr_menu.updated", "ivr_menu.deleted"]);
    let log = world.api.list_all("/api/v1/audit/log?resource=ivr_menu").await?;
    let actions: Vec<_> = log.iter().filter_map(|entry| entry["action"].as_str()).collect();
    assert_eq!(actions.iter().filter(|action| **action == "IVR_MENU_CREATED").count(), 2, "{actions:?}");
    assert_eq!(actions.iter().filter(|action| **action == "IVR_MENU_DELETED").count(), 2, "{actions:?}");
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_menu_is_said_field_by_field() -> Result<()> {
    let world = World::start().await?;
    let fields = async |menu: Value| {
        let answer = world.api.post(MENUS, menu).await?;
        assert_eq!((answer.status, answer.code()), (422, "invalid_request"), "{}", answer.body);
        let errors = answer.body["errors"].as_array().context("errors")?.clone();
        anyhow::Ok(errors.iter().filter_map(|e| e["field"].as_str().map(str::to_owned)).collect::<Vec<_>>())
    };
    let with = |items: Value| json!({"name": "M", "prompt": "P", "items": items});
    let items = json!([
        item("x", "hangup", Value::Null),
        item("1", "transfer", json!("reception")),
        item("2", "submenu", json!("ivrm_01h455vb4pex5vsknk084sn02q")),
        item("3", "dance", Value::Null),
    ]);
    let wrong = ["items[0].digit", "items[1].target", "items[2].target", "items[3].action"];
    assert_eq!(fields(with(items)).await?, wrong);
    assert_eq!(
        fields(json!({"name": "", "prompt": "", "timeout_ms": 1})).await?,
        ["name", "prompt", "timeout_ms"]
    );
    assert_eq!(fields(json!({"name": "M", "prompt": "P", "colour": "red"})).await?, ["colour"]);
    // another client's menu is as unknown as none
    let theirs = make(&world, with(json!([]))).await?;
    let made = world.api.post("/api/v1/auth/clients", json!({"name": "Another"})).await?.data()?;
    let other = world.api.with_key(made["plain_key"].as_str());
    let known = other.post(MENUS, with(json!([item("1", "submenu", json!(theirs))]))).await?;
    let unknown_id = "ivrm_01h455vb4pex5vsknk084sn02q";
    let unknown = other.post(MENUS, with(json!([item("1", "submenu", json!(unknown_id))]))).await?;
    assert_eq!((known.status, &known.body["errors"]), (422, &unknown.body["errors"]));
    // a tree deeper than the stack
    let mut last = make(&world, with(json!([]))).await?;
    for _ in 1..10 {
        last = make(&world, with(json!([item("1", "submenu", json!(last))]))).await?;
    }
    assert_eq!(fields(with(json!([item("1", "submenu", json!(last))]))).await?, ["items"]);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_over_rest_is_walked_to_its_end() -> Result<()> {
    let world = World::start().await?;
    let (main, below) = two_menus(&world).await?;
    let (session, begun) = start(&world, &main).await?;
    let expected = json!({"status": "active", "session_id": "case 7", "call_id": null, "current_menu_id": main,
        "menu_stack": [main], "retry_count": 0, "prompt": "Welcome.", "outcome": null, "collected": {},
        "ended_at": null});
    for (field, value) in expected.as_object().context("an object")? {
        assert_eq!(&begun[field], value, "{field}");
    }
    // `1` begins `12`: it waits for the terminator
    let waits = press(&world, &session, "1").await?;
    assert_eq!((&waits["current_menu_id"], &waits["turn_count"]), (&json!(main), &json!(0)));
    let there = press(&world, &session, "#").await?;
    assert_eq!((&there["prompt"], &there["menu_stack"]), (&json!("Below."), &json!([main, below])));
    let wrong = press(&world, &session, "9").await?;
    assert_eq!((&wrong["invalid_count"], &wrong["retry_count"]), (&json!(1), &json!(1)));
    let said = press(&world, &session, "1").await?;
    assert_eq!(said["prompt"], "Nine to five. Below.");
    let back = world.api.post(&format!("{session}/back"), Value::Null).await?.data()?;
    assert_eq!((&back["menu_stack"], &back["prompt"]), (&json!([main]), &json!("Welcome.")));
    let silent = world.api.post(&format!("{session}/timeout"), Value::Null).await?.data()?;
    assert_eq!((&silent["timeout_count"], &silent["prompt"]), (&json!(1), &json!("Nothing. Again.")));
    press(&world, &session, "3").await?;
    let ended = press(&world, &session, "47#").await?;
    assert_eq!((&ended["status"], &ended["outcome"]["action"]), (&json!("completed"), &json!("hangup")));
    assert_eq!(ended["collected"], json!({"account": "47"}));
    for part in ["/input", "/timeout", "/back"] {
        let body = if part == "/input" { json!({"digits": "1"}) } else { Value::Null };
        let refused = world.api.post(&format!("{session}{part}"), body).await?;
        assert_eq!((refused.status, refused.code()), (409, "session_ended"), "{part}");
    }
    assert_eq!(world.api.post(&format!("{session}/end"), Value::Null).await?.status, 200);
    assert_eq!(world.api.get(&session).await?.data()?, ended);
    let events = world.api.list_in_pages(&format!("{session}/events"), 5).await?;
    let steps = events.iter().filter(|event| event["type"] == "ivr_session.step_taken").count();
    assert_eq!(json!(steps), ended["turn_count"]);
    for filter in ["status=completed", "session_id=case%207", &format!("menu_id={main}")] {
        assert_eq!(
            world.api.list_all(&format!("{SESSIONS}?{filter}")).await?,
            vec![ended.clone()],
            "{filter}"
        );
    }
    assert_eq!(world.api.list_all(&format!("{SESSIONS}?status=active")).await?, Vec::<Value>::new());
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_and_changes_nothing() -> Result<()> {
    let world = World::start().await?;
    let (main, _) = two_menus(&world).await?;
    let (session, begun) = start(&world, &main).await?;
    let long = "1".repeat(200);
    for bad in ["", "x", "12a", "1 2", long.as_str()] {
        let answer = world.api.post(&format!("{session}/input"), json!({"digits": bad})).await?;
        assert_eq!((answer.status, answer.code()), (422, "invalid_request"), "{bad}");
    }
    assert_eq!(world.api.get(&session).await?.data()?, begun);
    let nowhere = "ivrm_01h455vb4pex5vsknk084sn02q";
    let refused = world.api.post(SESSIONS, json!({"menu_id": nowhere})).await?;
    assert_eq!((refused.status, &refused.body["errors"][0]["field"]), (422, &json!("menu_id")));
    let call = json!({"menu_id": main, "call_id": "call_01h455vb4pex5vsknk084sn02q"});
    let refused = world.api.post(SESSIONS, call).await?;
    assert_eq!((refused.status, &refused.body["errors"][0]["field"]), (422, &json!("call_id")));
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn secret_digits_are_in_no_answer_no_history_no_log_and_no_file() -> Result<()> {
    let world = World::start().await?;
    let (main, _) = two_menus(&world).await?;
    let (session, _) = start(&world, &main).await?;
    press(&world, &session, "4").await?;
    // twelve digits: four are met by chance in a time or an id
    let partly = press(&world, &session, "836194").await?;
    let whole = press(&world, &session, "725083").await?;
    assert_eq!(whole["collected"], json!({"pin": null}));
    let events = world.api.list_all(&format!("{session}/events")).await?;
    let told = json!([partly, whole, events]).to_string();
    for secret in ["836194725083", "\"836194\"", "\"725083\""] {
        assert!(!told.contains(secret), "{told}");
    }
    assert!(
        events.iter().any(|event| event["type"] == "ivr_session.collected" && event["data"]["length"] == 12)
    );
    let printed = world.node.server()?.printed();
    assert!(!printed.contains("836194725083"), "{printed}");
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_menu_does_not_move_under_a_callers_feet() -> Result<()> {
    let world = World::start().await?;
    let (main, _) = two_menus(&world).await?;
    let (session, _) = start(&world, &main).await?;
    let edit = json!({"items": [item("0", "say", json!("New."))], "short_prompt": "New menu."});
    world.api.patch(&format!("{MENUS}/{main}"), None, edit).await?.data()?;
    let ended = press(&world, &session, "0").await?;
    assert_eq!(ended["status"], "completed");
    let (session, _) = start(&world, &main).await?;
    assert_eq!(press(&world, &session, "0").await?["prompt"], "New. New menu.");
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_that_nobody_reports_exhausts_the_session_also_across_kill_9() -> Result<()> {
    let mut world = World::start().await?;
    let quick = json!({"name": "Quick", "prompt": "Hi.", "timeout_ms": 500, "items": [item("1", "repeat", Value::Null)],
        "on_exhausted": {"action": "transfer", "target": "+12025550155"}});
    let slow = two_menus(&world).await?.0;
    let quick = make(&world, quick).await?;
    let (quick, _) = start(&world, &quick).await?;
    let (slow, _) = start(&world, &slow).await?;
    let before = press(&world, &slow, "12").await.and(world.api.get(&slow).await?.data());
    let (third, _) = start(&world, &two_menus(&world).await?.0).await?;
    press(&world, &third, "1").await?;
    let waiting = press(&world, &third, "#").await?;
    tokio::task::block_in_place(|| {
        world.node.kill()?;
        world.node.resume()
    })?;
    // same menu, same stack, and its timer goes on
    assert_eq!(world.api.get(&slow).await?.data()?, before?);
    assert_eq!(world.api.get(&third).await?.data()?, waiting);
    let there = press(&world, &third, "2").await?;
    assert_eq!(there["menu_stack"].as_array().map(Vec::len), Some(1));
    let ended = until("the session to be exhausted", SOON, async || {
        let session = world.api.get(&quick).await?.data()?;
        Ok((session["status"] != "active").then_some(session))
    })
    .await?;
    assert_eq!((&ended["status"], &ended["end_cause"]), (&json!("exhausted"), &json!("no_input")));
    assert_eq!(ended["outcome"], json!({"action": "transfer", "target": "+12025550155"}));
    assert_eq!(ended["timeout_count"], 3);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulation_is_always_the_same_and_leaves_nothing_behind() -> Result<()> {
    let world = World::start().await?;
    let (main, below) = two_menus(&world).await?;
    let path = format!("{MENUS}/{main}/simulate");
    let inputs = json!({"inputs": [{"digits": "1#"}, {"digits": "7"}, {"silence": true}, {"digits": "2"},
        {"hangup": true}, {"digits": "1"}], "at": "2026-01-15T10:00:00Z"});
    let once = world.api.post(&path, inputs.clone()).await?.data()?;
    assert_eq!(once, world.api.post(&path, inputs).await?.data()?);
    let steps = once["steps"].as_array().context("steps")?;
    let prompts: Vec<_> = steps.iter().map(|step| step["prompt"].as_str().unwrap_or("-")).collect();
    let wrong = "Sorry, that is not one of the choices. Below.";
    let silent = "Sorry, I did not hear anything. Below.";
    assert_eq!(prompts, ["Welcome.", "Below.", wrong, silent, "Welcome.", "-", "-"]);
    assert_eq!(steps[1]["menu_stack"], json!([main, below]));
    assert_eq!(
        (&once["status"], &steps[6]["refused"]),
        (&json!("abandoned"), &json!("the session has ended"))
    );
    for bad in [json!([{"digits": "x"}]), json!([{}]), json!([{"silence": true, "digits": "1"}])] {
        assert_eq!(world.api.post(&path, json!({"inputs": bad})).await?.status, 422);
    }
    assert_eq!(world.api.list_all(SESSIONS).await?, Vec::<Value>::new());
    let found = world.api.get(&format!("{MENUS}/{main}/lint")).await?.data()?;
    let codes: Vec<_> =
        found.as_array().context("a list")?.iter().filter_map(|f| f["code"].as_str()).collect();
    assert_eq!(codes, ["prefix_conflict", "too_many_options"]);
    world.close().await?;
    Ok(())
}
