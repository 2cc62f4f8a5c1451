//! Tools: told for whom they are asked, and signed so that their servers can tell who asks.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use adapters::event_store::{SqliteEventStore, SqliteSettings};
use anyhow::{Context, Result, ensure};
use conformance::llm::Scene;
use domain::envelope::{Metadata, NewEvent, Time};
use domain::ids::{ClientId, ToolId};
use domain::origin::Origin;
use domain::ports::event_store::{EventStore as _, Expected};
use domain::tool::{ToolAuth, ToolCreated, ToolEvent, ToolMethod, ToolTerms};
use domain::webhook::endpoint::CustomHeaders;
use domain::wire::DomainEvent as _;
use serde_json::{Value, json};
use simulator::fake_telnyx::CallScript;
use tests::llm_server::{Family, LlmServer};
use tests::python;
use tests::receiver::{Answers, Received, Receiver};
use tests::until::{SOON, until};
use tests::webhook::{OUR_NUMBER, unix_now};
use tests::world::World;
use uuid::Uuid;

use crate::agent_calls::{ended, lines, text};

const OK: Answers = Answers::Status(200, "");
const TOOLS: &str = "/api/v1/tools";

async fn world(model: &LlmServer) -> Result<World> {
    World::with(|plan| {
        let settings = [
            ("OPENAI_API_BASE", model.base.as_str()),
            ("OPENAI_API_KEY", "sk-test"),
            ("CONVERSATIONS_MODEL_SENTIMENT", "false"),
            ("WEBHOOKS_ALLOW_PRIVATE", "true"),
        ];
        let with =
            settings.iter().fold(plan.options.clone(), |options, (name, value)| options.set(name, value));
        plan.options = with;
    })
    .await
}

fn tool(name: &str, method: &str, receiver: &Receiver) -> Value {
    json!({"name": name, "description": "Looks up", "url": format!("{}/{name}", receiver.url), "method": method,
        "headers": {"X-Tenant": "7"}, "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}}})
}

async fn agent(world: &World, tools: &[&Value]) -> Result<Value> {
    let tools: Vec<_> = tools.iter().map(|tool| &tool["id"]).collect();
    let agent =
        json!({"name": "Reception", "provider": "openai", "tools": tools, "greeting": "Good morning."});
    world.api.post("/api/v1/agents", agent).await?.data()
}

/// Whether all of these secrets verify all of these requests, judged by the package of Standard Webhooks.
async fn verify(secrets: &[&str], requests: &[Received]) -> Result<()> {
    let request =
        |one: &Received| json!({"headers": one.headers, "body": String::from_utf8_lossy(&one.body)});
    let requests: Vec<_> = requests.iter().map(request).collect();
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), json!({"secrets": secrets, "requests": requests}).to_string())?;
    let path = file.path().display().to_string();
    let run = move || python::run("standard_webhooks.py", &[&path]);
    let told = tokio::task::spawn_blocking(run).await??;
    ensure!(told.trim() == "ok", "{told}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_learns_for_whom_it_acts_and_can_check_it_also_when_it_is_asked_again() -> Result<()> {
    let (model, failed) = (LlmServer::start(Family::OpenAi).await?, AtomicBool::new(false));
    let receiver = Receiver::start(move |received| {
        let first = received.path == "/book" && !failed.swap(true, Ordering::SeqCst);
        if first { Answers::Status(503, "") } else { OK }
    })
    .await?;
    let world = world(&model).await?;
    let book = world.api.post(TOOLS, tool("book", "POST", &receiver)).await?.data()?;
    let look = world.api.post(TOOLS, tool("look", "GET", &receiver)).await?.data()?;
    let agent = agent(&world, &[&book, &look]).await?;
    let number = json!({"number": OUR_NUMBER, "route": {"type": "agent", "id": agent["id"]}});
    world.api.post("/api/v1/numbers", number).await?.data()?;
    let asks = || Scene::calls(&[("book", &["{\"n\":7}"]), ("look", &["{\"n\":8}"])]);
    model.play(vec![asks(), Scene::says(&["Tomorrow."])]);
    let script =
        lines(&["When?"]).into_iter().fold(CallScript::new("+12025550111", OUR_NUMBER), CallScript::then);
    let handle = world.carrier.place_call(script).await;
    let control_id = handle.control_id.clone();
    handle.ended().await.context("the carrier stopped")?;
    let call = world.call_of_leg(&control_id).await?;
    let conversation = ended(&world, text(&call, "id")).await?;
    let path = format!("/api/v1/conversations/{}/messages", text(&conversation, "id"));
    let messages = world.api.list_all(&path).await?;
    let called = messages.iter().find(|one| one["tool_calls"][0].is_object()).context("calls of tools")?;
    let outcomes: Vec<_> = messages.iter().filter_map(|one| one["tool_outcome"].as_str()).collect();
    assert_eq!(outcomes, ["succeeded", "succeeded"]);

    let client = world.api.get("/api/v1/auth/me").await?.data()?["client"].clone();
    let (booked, looked) = (receiver.at("/book"), receiver.at("/look?n=8"));
    assert_eq!((booked.len(), looked.len()), (2, 1), "it said 503, and was asked once more");
    assert_eq!((&booked[0].body[..], &looked[0].body[..]), (&b"{\"n\":7}"[..], &b""[..]));
    for (n, (tool, received)) in [(&book, &booked), (&look, &looked)].into_iter().enumerate() {
        for one in received {
            for (header, value) in [
                ("x-voxledger-client-id", &client),
                ("x-voxledger-agent-id", &agent["id"]),
                ("x-voxledger-conversation-id", &conversation["id"]),
                ("x-voxledger-call-id", &call["id"]),
                ("x-voxledger-tool-id", &tool["id"]),
                ("x-voxledger-tool-call-id", &called["tool_calls"][n]["id"]),
                ("x-tenant", &json!("7")),
            ] {
                assert_eq!(one.header(header), value.as_str().context(header)?, "{header}");
            }
            ensure!(one.id().starts_with("tuse_"), "{}", one.id());
        }
        verify(&[text(tool, "secret")], received).await?;
    }
    assert_eq!(booked[0].id(), booked[1].id(), "a receiver can drop the double");
    assert_eq!(booked[0].header("idempotency-key"), booked[1].header("idempotency-key"));
    ensure!(verify(&[text(&look, "secret")], &booked).await.is_err(), "another tool's secret");

    // the same words again are another use; who is not on a call is told of none
    model.play(vec![asks(), Scene::says(&["Tomorrow."])]);
    let talk = json!({"agent_id": agent["id"], "message": "When?"});
    let talk = world.api.post("/api/v1/conversation", talk).await?.data()?;
    let all = receiver.received();
    let ids: BTreeSet<_> = all.iter().map(Received::id).collect();
    assert_eq!((all.len(), ids.len()), (5, 4));
    for one in &all[3..] {
        assert_eq!(one.header("x-voxledger-conversation-id"), text(&talk, "conversation_id"));
        ensure!(!one.headers.contains_key("x-voxledger-call-id"), "{:?}", one.headers);
    }
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tools_secret_is_shown_once_and_rotated_with_an_overlap() -> Result<()> {
    let (model, receiver) = (LlmServer::start(Family::OpenAi).await?, Receiver::start(|_| OK).await?);
    let world = world(&model).await?;
    let own = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let mut body = tool("book", "PUT", &receiver);
    body["secret"] = json!(own);
    let made = world.api.post_once(TOOLS, "made", &body).await?;
    let tool = made.data()?;
    assert_eq!((text(&tool, "secret"), &tool["signed"]), (own, &json!(true)));
    let again = world.api.post_once(TOOLS, "made", &body).await?;
    assert_eq!(again.data()?, tool);
    let path = format!("{TOOLS}/{}", text(&tool, "id"));
    let mut shown = tool.clone();
    shown.as_object_mut().context("an object")?.remove("secret");
    assert_eq!(world.api.get(&path).await?.data()?, shown, "the secret is shown once");

    let rotate = format!("{path}/rotate-secret");
    let rotated = world.api.post(&rotate, json!({"overlap_seconds": 3600})).await?.data()?;
    ensure!(text(&rotated, "secret").starts_with("whsec_") && rotated["secret"] != own);
    let agent = agent(&world, &[&tool]).await?;
    let ask = async || -> Result<Received> {
        model.play(vec![Scene::calls(&[("book", &["{\"n\":7}"])]), Scene::says(&["Done."])]);
        let talk = json!({"agent_id": agent["id"], "message": "When?"});
        world.api.post("/api/v1/conversation", talk).await?.data()?;
        receiver.received().pop().context("a request")
    };
    verify(&[own, text(&rotated, "secret")], &[ask().await?]).await?;
    let newest = world.api.post(&rotate, json!({"overlap_seconds": 0})).await?.data()?;
    let one = ask().await?;
    verify(&[text(&newest, "secret")], std::slice::from_ref(&one)).await?;
    // both older ones have had their last end: the first rotation's, and this one's
    assert_eq!(one.header("webhook-signature").split(' ').count(), 2);

    let refused = world.api.post(&rotate, json!({"overlap_seconds": 604_801})).await?;
    assert_eq!((refused.status, &refused.body["errors"][0]["field"]), (422, &json!("overlap_seconds")));
    let refused = world.api.post(&rotate, json!({"secret": "whsec_short"})).await?;
    assert_eq!((refused.status, &refused.body["errors"][0]["field"]), (422, &json!("secret")));
    let nobodys = format!("{TOOLS}/tool_01h455vb4pex5vsknk084sn02q/rotate-secret");
    assert_eq!(world.api.post(&nobodys, json!({})).await?.status, 404);
    let history = world.api.list_all(&format!("{path}/events")).await?;
    let types: Vec<_> = history.iter().map(|event| text(event, "type")).collect();
    assert_eq!(types, ["tool.created", "tool.secret_rotated", "tool.secret_rotated"]);
    ensure!(!serde_json::to_string(&history)?.contains(own), "what is sealed is not in the log");
    let audit = world.api.list_all("/api/v1/audit/log?resource=tool&order=asc").await?;
    let actions: Vec<_> = audit.iter().map(|entry| text(entry, "action")).collect();
    assert_eq!(actions, ["TOOL_CREATED", "TOOL_SECRET_ROTATED", "TOOL_SECRET_ROTATED"]);
    world.close().await?;
    Ok(())
}

/// The event of a tool as it was made before tools had secrets.
fn made_before(client: ClientId, url: String, at: Time) -> Result<NewEvent> {
    let terms = ToolTerms {
        name: "book".to_owned(),
        description: "Looks up".to_owned(),
        parameters: json!({"type": "object"}),
        url,
        method: ToolMethod::Post,
        headers: CustomHeaders::default(),
        timeout_ms: 2_000,
        auth: ToolAuth::default(),
    };
    let made = ToolEvent::from(ToolCreated { terms, secret: None, origin: Origin::default(), at });
    Ok(NewEvent {
        id: Uuid::from_u128(0x0193_8f6a_2b7c_7d1e_8a00_0000_0000_0001),
        event_type: made.event_type().to_owned(),
        schema: made.schema(),
        client_id: client,
        payload: made.encode(),
        metadata: Metadata::system("tests", Uuid::nil()),
        recorded_at: at,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_made_before_tools_had_secrets_works_unsigned_until_its_first_rotation() -> Result<()> {
    let (model, receiver) = (LlmServer::start(Family::OpenAi).await?, Receiver::start(|_| OK).await?);
    let mut world = world(&model).await?;
    let client: ClientId =
        world.api.get("/api/v1/auth/me").await?.data()?["client"].as_str().context("a client")?.parse()?;
    ensure!(world.node.terminate()?.success());
    let log = SqliteEventStore::open(&world.data_dir().join("events.db"), &SqliteSettings::default()).await?;
    let id = ToolId(Uuid::from_u128(0x0193_8f6a_2b7c_7d1e_8a00_0000_0000_0002));
    let at = Time::from_timestamp(unix_now(), 0).context("now")?;
    let event = made_before(client, format!("{}/book", receiver.url), at)?;
    log.append(&id.stream(), Expected::NoStream, vec![event]).await?;
    log.close().await;
    drop(log);
    tokio::task::block_in_place(|| world.node.resume())?;
    let path = format!("{TOOLS}/{id}");
    let tool = until("the view of tools", SOON, async || {
        let shown = world.api.get(&path).await?;
        Ok((shown.status == 200).then(|| shown.body["data"].clone()))
    })
    .await?;
    assert_eq!(tool["signed"], false);
    let agent = agent(&world, &[&tool]).await?;
    let ask = async || -> Result<Received> {
        model.play(vec![Scene::calls(&[("book", &["{}"])]), Scene::says(&["Done."])]);
        let talk = json!({"agent_id": agent["id"], "message": "When?"});
        world.api.post("/api/v1/conversation", talk).await?.data()?;
        receiver.received().pop().context("a request")
    };
    let unsigned = ask().await?;
    ensure!(!unsigned.headers.keys().any(|name| name.starts_with("webhook-")), "{:?}", unsigned.headers);
    assert_eq!(unsigned.header("x-voxledger-tool-id"), id.to_string());
    let rotated = world.api.post(&format!("{path}/rotate-secret"), json!({})).await?.data()?;
    assert_eq!(rotated["signed"], true);
    verify(&[text(&rotated, "secret")], &[ask().await?]).await?;
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_header_of_a_clients_takes_the_place_of_ours() -> Result<()> {
    let (model, receiver) = (LlmServer::start(Family::OpenAi).await?, Receiver::start(|_| OK).await?);
    let world = world(&model).await?;
    for name in ["X-Voxledger-Call-Id", "x-voxledger-anything", "Webhook-Id", "webhook-signature"] {
        let mut body = tool("book", "POST", &receiver);
        body["headers"] = json!({name: "forged"});
        let refused = world.api.post(TOOLS, body.clone()).await?;
        assert_eq!((refused.status, refused.code()), (422, "invalid_request"), "{name}");
        assert_eq!(refused.body["errors"][0]["field"], format!("headers.{name}"));
        body["headers"] = json!({});
        body["auth"] = json!({"type": "api_key", "header": name, "key": "k"});
        let refused = world.api.post(TOOLS, body).await?;
        assert_eq!(
            (refused.status, &refused.body["errors"][0]["field"]),
            (422, &json!("auth.header")),
            "{name}"
        );
    }
    world.close().await?;
    Ok(())
}
