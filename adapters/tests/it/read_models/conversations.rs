//! Agents, tools, conversations and messages, on every database.

use std::time::Duration;

use adapters::testing::call_lives::{client, new_event, start};
use domain::agent::{AgentCreated, AgentDeployed, AgentEvent, AgentRuntime, AgentTerms};
use domain::conversation::*;
use domain::envelope::{StreamId, Time, Version};
use domain::ids::{AgentId, CallId, ClientId, ConversationId, MessageId, ToolId};
use domain::knowledge::{Grounds, Retrieved};
use domain::model::{ModelRef, Provider, Usage};
use domain::origin::Origin;
use domain::ports::event_store::Expected;
use domain::testing::ids::sequential;
use domain::tool::{ToolAuth, ToolCreated, ToolDeleted, ToolEvent, ToolMethod, ToolTerms};
use domain::wire::DomainEvent;
use projections::agents::{AgentEntry, AgentRow, Agents};
use projections::conversations::{
    ConversationFilter, ConversationQueries, ConversationRow, ConversationView, Conversations, MessageRow,
    MessageView, Messages, UnansweredView,
};
use projections::document::{DocumentQueries as _, table_of};
use projections::page::{Order, PageRequest};
use projections::runner::rebuild;
use projections::said::SaidPage;
use projections::store::{Generation, ViewRows};
use projections::tools::{ToolRow, Tools};
use projections::view::View;

use super::{World, brisk, on_every_database};

on_every_database!(
    conversations_are_found_by_all_filters_at_once,
    messages_are_read_both_ways_in_pages_as_they_were_said_with_their_moods,
    unanswered_questions_are_read_in_pages_with_what_was_asked,
    clients_never_see_each_others_conversations,
    rebuilt_views_are_the_same_byte_for_byte,
);

const AGENT: AgentId = AgentId(uuid::Uuid::from_u128(5));
const CALL: CallId = CallId(uuid::Uuid::from_u128(6));

fn at(hours: u64) -> Time {
    start() + Duration::from_secs(hours * 3_600)
}

fn talk(n: u64) -> ConversationId {
    ConversationId(sequential(40_000 + n))
}

async fn append(world: &World, n: u64, whose: ClientId, stream: &StreamId, fact: impl DomainEvent) {
    let event = new_event(n, 0, whose, &fact);
    world.log.append(stream, Expected::Any, vec![event]).await.unwrap();
}

fn facts(n: u64) -> Vec<ConversationEvent> {
    let voice = n == 3;
    let started = ConversationStarted {
        agent: (n.is_multiple_of(2)).then_some(AgentRef { id: AGENT, version: Version(1) }),
        channel: if voice { Channel::Voice } else { Channel::Api },
        call: voice.then_some(CALL),
        user: Some("nul\0nul".to_owned().into()),
        metadata: Some(Metadata::from([("case".to_owned(), n.to_string())]).into()),
        customer_id: None,
        at: at(n),
    };
    let message = |k: u128| MessageId(uuid::Uuid::from_u128(u128::from(n) << 64 | k));
    let mut facts: Vec<ConversationEvent> = vec![started.into()];
    for k in 0..3u32 {
        let asked = message(u128::from(k) * 2);
        facts.push(
            MessageAdded {
                id: asked,
                seq: k * 2 + 1,
                // the last one is told late
                place: (k == 2).then_some(3),
                role: MessageRole::User,
                kind: MessageKind::Text,
                content: format!("question {k} \0 你好").into(),
                line: None,
                at: at(n) - chrono::TimeDelta::microseconds(i64::from(k)),
            }
            .into(),
        );
        let completed = TurnCompleted {
            turn: asked,
            id: message(u128::from(k) * 2 + 1),
            seq: k * 2 + 2,
            content: format!("answer {k}").into(),
            by: ModelRef::new(Provider::Scripted, "scripted-1"),
            usage: Usage::counted(10, 3),
            latency_ms: 7,
            first_token_ms: Some(2),
            finish: Finish::Stop,
            passed_over: vec![],
            retrieved: (k != 0).then(|| Retrieved {
                grounds: if k == 1 { Grounds::Nothing } else { Grounds::Found },
                took_ms: 3,
                words_only: n == 2,
                passages: vec![],
            }),
            call: None,
            tell_at: None,
            at: at(n),
        };
        facts.push(completed.into());
        let score_permille = if k == 0 { -500 } else { 200 };
        facts.push(SentimentJudged { seq: k * 2 + 1, score_permille, by: Judge::Lexicon, at: at(n) }.into());
    }
    if n.is_multiple_of(3) {
        facts.push(ConversationEnded { reason: EndedFor::Asked, at: at(n + 1) }.into());
    }
    facts
}

/// Six conversations of client 1, of which every third ended and every second is an agent's; one of client 2. An agent,
/// a tool, and a tool that is gone.
async fn history(world: &World) {
    let mut next = 1;
    for n in 1..=7 {
        let whose = client(if n == 7 { 2 } else { 1 });
        for fact in facts(n) {
            append(world, next, whose, &talk(n).stream(), fact).await;
            next += 1;
        }
    }
    let terms = AgentTerms {
        name: "Reception".into(),
        system_prompt: String::new(),
        model: ModelRef::new(Provider::Groq, "openai/gpt-oss-20b"),
        temperature_permille: Some(333),
        max_tokens: None,
        tools: vec![ToolId(sequential(1))],
        greeting: None,
        apology: None,
        call_content: None,
        voice_id: None,
        fallback: vec![],
        knowledge_bases: vec![],
        retrieval: None,
        memory: None,
        runtime: AgentRuntime::Carrier,
    };
    let origin = Origin::default;
    let created = AgentCreated { terms: terms.clone(), origin: origin(), at: at(1) };
    append(world, next, client(1), &AGENT.stream(), AgentEvent::from(created)).await;
    let deployed = AgentDeployed { version: Version(1), terms, origin: origin(), at: at(2) };
    append(world, next + 1, client(1), &AGENT.stream(), AgentEvent::from(deployed)).await;
    let terms = ToolTerms {
        name: "find".into(),
        description: "Looks up".into(),
        parameters: serde_json::json!({"type": "object", "properties": {"n": {"maximum": 0.1}}}),
        url: "https://example.com/".into(),
        method: ToolMethod::Get,
        headers: Default::default(),
        timeout_ms: 100,
        auth: ToolAuth::default(),
    };
    for n in [1, 2] {
        let created = ToolCreated { terms: terms.clone(), secret: None, origin: origin(), at: at(n) };
        let stream = ToolId(sequential(n)).stream();
        append(world, next + 1 + n, client(1), &stream, ToolEvent::from(created)).await;
    }
    let gone = ToolEvent::from(ToolDeleted { origin: origin(), at: at(3) });
    append(world, next + 4, client(1), &ToolId(sequential(2)).stream(), gone).await;
    world.catch_up().await;
}

async fn found(world: &World, whose: ClientId, filter: &ConversationFilter) -> Vec<u64> {
    let page = PageRequest { order: Order::Asc, ..PageRequest::default() };
    let page = world.views.conversations(whose, filter, &page).await.unwrap();
    let id = |json: &String| serde_json::from_str::<ConversationView>(json).unwrap().id;
    page.items.iter().map(|json| (1..10).find(|n| talk(*n) == id(json)).unwrap()).collect()
}

async fn conversations_are_found_by_all_filters_at_once(world: World) {
    history(&world).await;
    let of = async |filter: ConversationFilter| found(&world, client(1), &filter).await;
    let all = ConversationFilter::default;
    assert_eq!(of(all()).await, [1, 2, 3, 4, 5, 6]);
    assert_eq!(of(ConversationFilter { ended: Some(true), ..all() }).await, [3, 6]);
    assert_eq!(of(ConversationFilter { ended: Some(false), agent_id: Some(AGENT), ..all() }).await, [2, 4]);
    assert_eq!(of(ConversationFilter { call_id: Some(CALL), ..all() }).await, [3]);
    let with = |user: &str| ConversationFilter { user_id: Some(user.to_owned()), ..all() };
    assert_eq!(of(with("nobody")).await, [] as [u64; 0]);
    assert!(!of(with("nul\0nul")).await.is_empty());
    assert_eq!(
        of(ConversationFilter { channel: Some(Channel::Voice), ended: Some(false), ..all() }).await,
        [] as [u64; 0]
    );
    let (created_after, created_before) = (Some(at(2)), Some(at(5)));
    assert_eq!(of(ConversationFilter { created_after, created_before, ..all() }).await, [3, 4]);
    let one = world.one::<Conversations>(client(1), talk(3)).await.unwrap().unwrap();
    let view: ConversationView = serde_json::from_str(&one.json).unwrap();
    assert_eq!((view.message_count, view.tokens_input, view.tokens_output), (6, 30, 9));
    assert_eq!((view.sentiment, view.sentiment_label.as_deref()), (Some(-0.033), Some("neutral")));
    assert_eq!((view.status.as_str(), view.user_id.as_deref()), ("ended", Some("nul\0nul")));
}

async fn messages_are_read_both_ways_in_pages_as_they_were_said_with_their_moods(world: World) {
    history(&world).await;
    let read = async |after, order| {
        let page = SaidPage { limit: 4, after, order };
        let rows = world.views.messages(client(1), talk(1), page).await.unwrap();
        let messages = rows.items.iter().map(|json| serde_json::from_str::<MessageView>(json).unwrap());
        (messages.collect::<Vec<_>>(), rows.next)
    };
    let (first, next) = read(None, Order::Asc).await;
    assert_eq!(first.iter().map(|one| one.seq).collect::<Vec<_>>(), [1, 2, 5, 3]);
    assert_eq!((first[0].sentiment, first[1].sentiment, first[2].sentiment), (Some(-0.5), None, Some(0.2)));
    assert_eq!(first[0].content.as_deref(), Some("question 0 \0 你好"));
    let (rest, next) = read(next, Order::Asc).await;
    assert_eq!((rest.iter().map(|one| one.seq).collect::<Vec<_>>(), next), (vec![4, 6], None));
    let (last, next) = read(None, Order::Desc).await;
    assert_eq!(last.iter().map(|one| one.seq).collect::<Vec<_>>(), [6, 4, 3, 5]);
    let (rest, next) = read(next, Order::Desc).await;
    assert_eq!((rest.iter().map(|one| one.seq).collect::<Vec<_>>(), next), (vec![2, 1], None));
    let by_id = world.views.message(client(1), talk(1), first[1].id).await.unwrap().unwrap();
    assert_eq!(serde_json::from_str::<MessageView>(&by_id).unwrap(), first[1]);
}

async fn unanswered_questions_are_read_in_pages_with_what_was_asked(world: World) {
    history(&world).await;
    let read = async |whose, agent, after| {
        let page = PageRequest { limit: 2, after, ..PageRequest::default() };
        let found = world.views.unanswered(whose, agent, &page).await.unwrap();
        let views = found.items.iter().map(|json| serde_json::from_str::<UnansweredView>(json).unwrap());
        (views.collect::<Vec<_>>(), found.next)
    };
    let (first, next) = read(client(1), None, None).await;
    assert_eq!(first.iter().map(|one| one.conversation_id).collect::<Vec<_>>(), [talk(6), talk(5)]);
    let asked = |one: &UnansweredView| (one.question.clone(), one.answer.clone());
    let texts = (Some("question 1 \0 你好".to_owned()), Some("answer 1".to_owned()));
    assert!(first.iter().all(|one| asked(one) == texts), "{first:?}");
    let (second, next) = read(client(1), None, next).await;
    assert_eq!(second.iter().map(|one| one.conversation_id).collect::<Vec<_>>(), [talk(4), talk(3)]);
    let (last, next) = read(client(1), None, next).await;
    assert_eq!((last.len(), last[0].words_only, next), (2, true, None));
    // of an agent, and of nobody else's
    let (first, next) = read(client(1), Some(AGENT), None).await;
    assert_eq!(first.iter().map(|one| one.conversation_id).collect::<Vec<_>>(), [talk(6), talk(4)]);
    let (last, _) = read(client(1), Some(AGENT), next).await;
    assert_eq!(last.iter().map(|one| one.conversation_id).collect::<Vec<_>>(), [talk(2)]);
    assert_eq!(read(client(2), None, None).await.0.len(), 1);
    assert!(read(client(2), Some(AGENT), None).await.0.is_empty());
    assert!(read(client(3), None, None).await.0.is_empty());
}

async fn clients_never_see_each_others_conversations(world: World) {
    history(&world).await;
    assert_eq!(found(&world, client(2), &ConversationFilter::default()).await, [7]);
    assert!(world.one::<Conversations>(client(2), talk(1)).await.unwrap().is_none());
    assert!(world.views.messages(client(2), talk(1), SaidPage::default()).await.unwrap().items.is_empty());
    assert!(world.one::<Agents>(client(2), AGENT).await.unwrap().is_none());
    assert!(
        world.one::<Agents>(client(1), AGENT).await.unwrap().unwrap().json.contains(r#""temperature":0.333"#)
    );
    let agents = world.views.every_document(table_of::<Agents>(), None, 10).await.unwrap();
    let entry = AgentEntry::of(&agents[0]).unwrap();
    assert_eq!((agents.len(), entry.id, entry.client), (1, AGENT, client(1)));
    assert_eq!((entry.created_at, entry.deployed_at), (at(1), Some(at(2))));
    assert!(world.views.every_document(table_of::<Agents>(), Some(AGENT.0), 10).await.unwrap().is_empty());
    let tools = world.views.documents(table_of::<Tools>(), client(1), &PageRequest::default()).await.unwrap();
    assert_eq!(tools.items.len(), 1, "one is gone");
    assert!(world.one::<Tools>(client(1), ToolId(sequential(2))).await.unwrap().is_none());
    assert!(
        world
            .views
            .documents(table_of::<Tools>(), client(2), &PageRequest::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

async fn rebuilt_views_are_the_same_byte_for_byte(world: World) {
    history(&world).await;
    for name in [Agents::NAME, Tools::NAME, Conversations::NAME, Messages::NAME] {
        let report = rebuild(&world.deps("operator"), &brisk(), name, &mut |_| {}).await.unwrap();
        assert!(report.difference.is_equal(), "{name}: {:?}", report.difference);
    }
    let views = &world.views;
    let agents = ViewRows::<AgentRow>::digest(views, Generation(2)).await.unwrap();
    let tools = ViewRows::<ToolRow>::digest(views, Generation(2)).await.unwrap();
    let talks = ViewRows::<ConversationRow>::digest(views, Generation(2)).await.unwrap();
    let messages = ViewRows::<MessageRow>::digest(views, Generation(2)).await.unwrap();
    assert_eq!((agents.rows, tools.rows, talks.rows, messages.rows), (1, 2, 7, 42));
    let keys: Vec<_> = (1..=6).map(|n| talk(n).0).collect();
    let rows = ViewRows::<ConversationRow>::load(views, Generation(2), &keys).await.unwrap();
    assert!(rows.len() == 6 && rows.iter().all(|row| (row.judged, row.judged_sum) == (3, -100)));
}
