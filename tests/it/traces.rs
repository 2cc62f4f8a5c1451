//! Traces by OpenTelemetry's conventions: one from whoever asks to whoever is asked, carriers, models, tools and endpoints.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use conformance::llm::Scene;
use serde_json::{Value, json};
use simulator::fake_telnyx::CallScript;
use tests::client::TEST_KEY;
use tests::collector::{Attribute, Collector, Span, SpanKind};
use tests::llm_server::{Family, LlmServer};
use tests::receiver::{Answers, Receiver};
use tests::tool_server::ToolServer;
use tests::until::{SOON, until};
use tests::webhook::OUR_NUMBER;
use tests::world::{CARRIER_KEY, World};

const CALLER: &str = "+12025550181";
const ANSWER: &str = "POST /calls/{call_control_id}/actions/answer";

/// A node that sends its spans to a collector soon.
async fn traced(collector: &Collector, settings: &[(&str, &str)]) -> Result<World> {
    World::with(|plan| {
        let options = plan.options.clone().set("OTLP_ENDPOINT", &collector.endpoint);
        let options = options.environment("OTEL_BSP_SCHEDULE_DELAY", "100").set("LOG", "info");
        let options =
            options.set("WEBHOOKS_ALLOW_PRIVATE", "true").set("WEBHOOKS_RETRY_SCHEDULE", "50ms,50ms");
        plan.options = settings.iter().fold(options, |options, (name, value)| options.set(name, value));
    })
    .await
}

/// The spans of a trace, once `whole` holds of them.
async fn spans(collector: &Collector, trace: &str, whole: impl Fn(&[Span]) -> bool) -> Result<Vec<Span>> {
    let mut last = Vec::new();
    let all = until("the whole trace", SOON, async || {
        last = collector.trace(trace);
        Ok(whole(&last).then(|| last.clone()))
    });
    all.await.with_context(|| format!("trace {trace} is {last:#?}"))
}

fn named<'a>(spans: &'a [Span], name: &str) -> Result<&'a Span> {
    spans.iter().find(|span| span.name == name).with_context(|| format!("no {name} in {spans:#?}"))
}

fn under<'a>(spans: &'a [Span], parent: &Span, name: &str) -> Result<&'a Span> {
    let found = spans.iter().find(|span| span.name == name && span.parent == parent.id);
    found.with_context(|| format!("no {name} under {} in {spans:#?}", parent.name))
}

fn is_client(span: &Span, attributes: &[(&str, Attribute)]) -> Result<()> {
    ensure!(span.kind == SpanKind::Client, "{span:#?}");
    for (name, value) in attributes {
        ensure!(span.attributes.get(*name) == Some(value), "{name} is not {value:?}: {span:#?}");
    }
    Ok(())
}

fn port(url: &str) -> Result<i64> {
    let authority = url.split('/').nth(2).context("an address")?;
    Ok(authority.rsplit(':').next().context("a port")?.parse()?)
}

/// A number is a number, whoever recorded it. What is named in words of digits stays one: a status as an error's type.
fn numbers_are_numbers(collector: &Collector) -> Result<()> {
    for span in collector.spans() {
        for (name, value) in &span.attributes {
            let Attribute::Text(text) = value else { continue };
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            ensure!(!digits || name == "error.type", "{name} of {} is the text {text:?}", span.name);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_runs_from_the_carriers_webhook_to_the_carriers_api_and_the_clients_webhook() -> Result<()>
{
    let collector = Collector::start()?;
    let world = traced(&collector, &[]).await?;
    let tries = AtomicU64::new(0);
    // what is done again later still belongs to the trace of the event it is about
    let receiver = Receiver::start(move |_| match tries.fetch_add(1, Ordering::Relaxed) {
        0 => Answers::Status(500, ""),
        _ => Answers::Status(204, ""),
    })
    .await?;
    let url = format!("{}/token-of-the-client", receiver.url.trim_end_matches('/'));
    let endpoint = json!({"url": url, "events": ["call.started"]});
    world.api.post("/api/v1/webhooks", endpoint).await?.data()?;
    world.take_number().await?;
    let handle = world.carrier.place_call(CallScript::new(CALLER, OUR_NUMBER).talks(["hello"])).await;
    let call = world.call_of_leg(&handle.control_id).await?;
    let path = format!("/api/v1/calls/{}/events", call["id"].as_str().context("an id")?);
    let events = world.api.list_all(&path).await?;
    let written_by = events[0]["metadata"]["traceparent"].as_str().context("a traceparent")?.to_owned();
    let trace = written_by.split('-').nth(1).context("a trace")?.to_owned();
    let delivered = |spans: &[Span]| spans.iter().filter(|span| span.name == "delivery.attempt").count() == 2;
    let posts = |spans: &[Span]| spans.iter().filter(|span| span.name == "POST").count() == 2;
    let answered = |spans: &[Span]| spans.iter().any(|span| span.name == ANSWER);
    let spans = spans(&collector, &trace, |all| delivered(all) && posts(all) && answered(all)).await?;

    let request = named(&spans, "POST /api/v1/webhooks/telnyx")?;
    assert_eq!((request.kind, request.parent.as_str()), (SpanKind::Server, ""));
    assert!(request.has("http.response.status_code", 200), "{request:#?}");
    assert!(request.has("http.route", "/api/v1/webhooks/telnyx"), "{request:#?}");
    let actor = under(&spans, request, "call.execute")?;
    assert_eq!(written_by, actor.traceparent());
    let append = under(&spans, actor, "log.append")?;
    assert!(matches!(append.attributes.get("events"), Some(Attribute::Int(_))), "{append:#?}");
    let insert = under(&spans, append, "INSERT events")?;
    is_client(
        insert,
        &[
            ("db.system.name", "sqlite".into()),
            ("db.operation.name", "INSERT".into()),
            ("db.collection.name", "events".into()),
            ("db.namespace", "log".into()),
        ],
    )?;

    // to the carrier, which is told where it is called from
    let commanded = named(&spans, ANSWER)?;
    is_client(
        commanded,
        &[
            ("http.request.method", "POST".into()),
            ("http.response.status_code", 200.into()),
            ("url.template", "/calls/{call_control_id}/actions/answer".into()),
            ("server.address", "127.0.0.1".into()),
            ("server.port", port(world.carrier.api_base())?.into()),
            ("peer.service", "telnyx".into()),
        ],
    )?;
    let effect = spans.iter().find(|span| span.id == commanded.parent).context("its effect")?;
    assert_eq!((effect.name.as_str(), effect.kind), ("effect.perform", SpanKind::Consumer));
    assert!(effect.has("messaging.operation.type", "process") && effect.has("attempt", 1), "{effect:#?}");
    assert!(world.carrier.traces().contains(&commanded.traceparent()), "{:?}", world.carrier.traces());

    // to the client, twice
    let received = receiver.received();
    for (attempt, status, failed) in [(1, 500, true), (2, 204, false)] {
        let delivery =
            spans.iter().find(|span| span.name == "delivery.attempt" && span.has("attempt", attempt));
        let delivery = delivery.with_context(|| format!("attempt {attempt}"))?;
        assert_eq!((delivery.parent.as_str(), delivery.kind), (actor.id.as_str(), SpanKind::Consumer));
        let post = under(&spans, delivery, "POST")?;
        is_client(
            post,
            &[
                ("http.request.method", "POST".into()),
                ("http.response.status_code", status.into()),
                ("server.port", port(&receiver.url)?.into()),
                ("peer.service", "webhook".into()),
            ],
        )?;
        assert_eq!(post.failed, failed, "{post:#?}");
        let told = received.iter().any(|one| one.header("traceparent") == post.traceparent());
        assert!(told, "attempt {attempt} did not carry its trace");
    }

    // the log says where its lines belong
    let log = until("the webhook's line", SOON, async || {
        let log = world.node.server()?.printed();
        Ok(log.lines().any(|line| line.contains(&trace)).then_some(log))
    })
    .await?;
    let line = log.lines().find(|line| line.contains(&trace) && line.contains("request served"));
    let line: Value = serde_json::from_str(line.context("no line of the request")?)?;
    assert_eq!((&line["trace_id"], &line["span_id"]), (&json!(trace), &json!(request.id)));

    handle.ended().await.context("the carrier stopped")?;
    numbers_are_numbers(&collector)?;
    for secret in [OUR_NUMBER, CALLER, "hello", TEST_KEY, CARRIER_KEY, "token-of-the-client"] {
        assert!(!collector.heard_of(secret), "a trace holds {secret}");
    }
    world.close().await?;
    collector.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_is_one_trace_with_the_model_and_the_tool_it_uses() -> Result<()> {
    let collector = Collector::start()?;
    let (model, tools) = (LlmServer::start(Family::OpenAi).await?, ToolServer::start().await?);
    let settings = [
        ("OPENAI_API_BASE", model.base.as_str()),
        ("OPENAI_API_KEY", "sk-test-secret"),
        ("CONVERSATIONS_MODEL_SENTIMENT", "false"),
    ];
    let world = traced(&collector, &settings).await?;
    let tool =
        json!({"name": "lookup", "description": "Looks up", "url": format!("{}/json?key=hush", tools.base)});
    let tool = world.api.post("/api/v1/tools", tool).await?.data()?;
    let agent = json!({"name": "A", "provider": "openai", "model": "model-1", "tools": [tool["id"]]});
    let agent = world.api.post("/api/v1/agents", agent).await?.data()?;
    model.play(vec![Scene::calls(&[("lookup", &["{\"when\":\"xyzzy\"}"])]), Scene::says(&["Plugh."])]);
    let message = json!({"message": "swordfish", "agent_id": agent["id"]}).to_string().into_bytes();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4799";
    let traceparent = format!("00-{trace}-00f067aa0ba902b7-01");
    let headers = [("traceparent", traceparent.as_str())];
    world.api.send("POST", "/api/v1/conversation", &headers, Some(message)).await?.data()?;
    let whole = |all: &[Span]| {
        let count = |name: &str| all.iter().filter(|span| span.name == name).count();
        count("chat model-1") == 2 && count("conversation.turn") == 1 && count("execute_tool lookup") == 1
    };
    let spans = spans(&collector, trace, whole).await?;
    let turn = named(&spans, "conversation.turn")?;
    let chat = under(&spans, turn, "chat model-1")?;
    is_client(
        chat,
        &[
            ("gen_ai.operation.name", "chat".into()),
            ("gen_ai.provider.name", "openai".into()),
            ("gen_ai.request.model", "model-1".into()),
            ("http.response.status_code", 200.into()),
            ("server.port", port(&model.base)?.into()),
        ],
    )?;
    assert!(!chat.failed, "{chat:#?}");
    let counted =
        matches!(chat.attributes.get("gen_ai.usage.input_tokens"), Some(Attribute::Int(n)) if *n > 0);
    assert!(counted, "{chat:#?}");
    let chats: Vec<_> = spans.iter().filter(|span| span.name == "chat model-1").collect();
    for asked in model.asked() {
        let carried = asked.header("traceparent");
        assert!(chats.iter().any(|chat| chat.traceparent() == carried), "{carried} is of no span");
    }
    let used = under(&spans, turn, "execute_tool lookup")?;
    assert!(used.has("gen_ai.tool.name", "lookup"), "{used:#?}");
    let post = under(&spans, used, "POST")?;
    is_client(post, &[("http.response.status_code", 200.into()), ("peer.service", "tool".into())])?;
    assert!(tools.used()[0].0.contains(&post.traceparent()), "{:?}", tools.used());
    numbers_are_numbers(&collector)?;
    for secret in ["swordfish", "xyzzy", "Plugh", "hush", "sk-test-secret", TEST_KEY] {
        assert!(!collector.heard_of(secret), "a trace holds {secret}");
    }
    world.close().await?;
    collector.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_standard_variables_say_where_traces_go_and_as_whose() -> Result<()> {
    let collector = Collector::start()?;
    let world = World::with(|plan| {
        plan.options = plan
            .options
            .clone()
            .environment("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint)
            .environment("OTEL_EXPORTER_OTLP_HEADERS", "x-collector-key=k%2C1")
            .environment("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
            .environment("OTEL_SERVICE_NAME", "telephony")
            .environment("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,service.name=other")
            .environment("OTEL_TRACES_SAMPLER", "parentbased_always_off")
            .environment("OTEL_BSP_SCHEDULE_DELAY", "100");
    })
    .await?;
    // what nobody records is not recorded here; what somebody does is
    world.api.get("/api/v1/calls").await?.data()?;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4788";
    let traceparent = format!("00-{trace}-00f067aa0ba902b7-01");
    world.api.send("GET", "/api/v1/calls", &[("traceparent", &traceparent)], None).await?.data()?;
    spans(&collector, trace, |all| all.iter().any(|span| span.name == "GET /api/v1/calls")).await?;
    assert!(collector.spans().iter().all(|span| span.trace == trace), "{:#?}", collector.spans());
    let resource = collector.resource();
    assert_eq!(resource.get("service.name"), Some(&"telephony".into()));
    assert_eq!(resource.get("deployment.environment.name"), Some(&"test".into()));
    assert_eq!(collector.headers().get("x-collector-key").map(String::as_str), Some("k,1"));
    world.close().await?;
    collector.stop().await;
    Ok(())
}
