//! Specimens of agents, tools and conversations; see `samples`.

use domain::agent::sync::{
    AgentCopied, AgentCopy, CopyCompared, CopyRemoved, Difference, SyncEvent, SyncFailed, SyncRequested,
};
use domain::agent::{AgentCreated, AgentDeployed, AgentEvent, AgentRuntime, AgentTerms, AgentUpdated};
use domain::conversation::*;
use domain::envelope::{Time, Version};
use domain::ids::{AgentId, CallId, MessageId, ToolId};
use domain::model::{ModelRef, Provider, Usage};
use domain::origin::Origin;
use domain::ports::vault::Sealed;
use domain::tool::{
    AuthKind, ToolAuth, ToolCreated, ToolDeleted, ToolEvent, ToolMethod, ToolTerms, ToolUpdated,
};
use domain::webhook::endpoint::CustomHeaders;
use domain::webhook::secrets::SecretRotated;
use serde_bytes::ByteBuf;
use uuid::Uuid;

fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x0193_8f6a_2b7c_7d1e_8a00_0000_0000_0000 | n)
}

fn msg(n: u128) -> MessageId {
    MessageId(id(n))
}

fn at(micros: i64) -> Time {
    Time::from_timestamp_micros(1_768_472_430_123_456 + micros).unwrap()
}

fn origin() -> Origin {
    Origin::at(Some("203.0.113.7".to_owned()))
}

fn model() -> ModelRef {
    ModelRef::new(Provider::Groq, "openai/gpt-oss-120b")
}

fn agent_ref() -> AgentRef {
    AgentRef { id: AgentId(id(41)), version: Version(3) }
}

fn passed_over() -> Vec<PassedOver> {
    vec![PassedOver {
        model: ModelRef::new(Provider::Anthropic, "claude-haiku-4-5"),
        fault: TurnFault::TimedOut,
    }]
}

pub fn agent() -> Vec<AgentEvent> {
    let terms = |name: &str| AgentTerms {
        name: name.to_owned(),
        system_prompt: "You answer the phone for a clinic.".to_owned(),
        model: model(),
        temperature_permille: Some(400),
        max_tokens: Some(300),
        tools: vec![ToolId(id(42))],
        greeting: Some("Hello, this is the clinic.".to_owned()),
        apology: None,
        call_content: None,
        voice_id: Some("sonic".to_owned()),
        fallback: vec![ModelRef::new(Provider::OpenaiCompatible, "llama")],
        knowledge_bases: vec![],
        retrieval: None,
        memory: None,
        runtime: AgentRuntime::Carrier,
    };
    vec![
        AgentCreated { terms: terms("Reception"), origin: origin(), at: at(0) }.into(),
        AgentUpdated { before: terms("Reception"), after: terms("Front desk"), origin: origin(), at: at(1) }
            .into(),
        AgentDeployed { version: Version(2), terms: terms("Front desk"), origin: origin(), at: at(2) }.into(),
    ]
}

pub fn agent_sync() -> Vec<SyncEvent> {
    let copy = || AgentCopy { account: 3, remote_id: "3a4f2b1c-9d0e-4f55-8a77-1c2d3e4f5a6b".to_owned() };
    let difference = Difference {
        field: "callTemplate.systemPrompt".to_owned(),
        ours: "\"You answer the phone.\"".to_owned(),
        theirs: Some("\"You sell.\"".to_owned()),
    };
    vec![
        SyncRequested { overwrite: true, origin: origin(), at: at(0) }.into(),
        AgentCopied {
            copy: copy(),
            version: Version(2),
            revision: Some("r1".to_owned()),
            answers: 1,
            at: at(1),
        }
        .into(),
        CopyCompared { differences: vec![difference], at: at(2) }.into(),
        CopyRemoved { copy: copy(), at: at(3) }.into(),
        SyncFailed { code: "no_account".to_owned(), answers: 1, at: at(4) }.into(),
    ]
}

pub fn tool() -> Vec<ToolEvent> {
    let sealed = || Sealed { key: id(43), bytes: ByteBuf::from([7; 40]) };
    let terms = |timeout_ms| ToolTerms {
        name: "find_booking".to_owned(),
        description: "Looks a booking up".to_owned(),
        parameters: serde_json::json!({"type": "object", "properties": {"n": {"type": "integer", "maximum": 9}}}),
        url: "https://clinic.example/bookings".to_owned(),
        method: ToolMethod::Get,
        headers: CustomHeaders {
            shown: [("x-tenant".to_owned(), "7".to_owned())].into(),
            sealed: Some(sealed()),
        },
        timeout_ms,
        auth: ToolAuth { kind: AuthKind::ApiKey, name: Some("x-api-key".to_owned()), secret: Some(sealed()) },
    };
    vec![
        ToolCreated { terms: terms(2_000), secret: None, origin: origin(), at: at(0) }.into(),
        ToolUpdated { before: terms(2_000), after: terms(500), origin: origin(), at: at(1) }.into(),
        SecretRotated { secret: sealed(), old_valid_until: at(9), origin: origin(), at: at(3) }.into(),
        ToolDeleted { origin: origin(), at: at(2) }.into(),
    ]
}

pub fn conversation() -> Vec<ConversationEvent> {
    let text = |text: &str| text.to_owned().into();
    vec![
        ConversationStarted {
            agent: Some(agent_ref()),
            channel: Channel::Voice,
            call: Some(CallId(id(44))),
            user: Some(text("customer-7")),
            metadata: Some(Metadata::from([("case".to_owned(), "4711".to_owned())]).into()),
            customer_id: None,
            at: at(0),
        }
        .into(),
        MessageAdded {
            id: msg(45),
            seq: 1,
            place: None,
            role: MessageRole::User,
            kind: MessageKind::Dtmf,
            content: text("7"),
            line: Some(2),
            at: at(1),
        }
        .into(),
        TurnStarted {
            turn: msg(45),
            agent: Some(agent_ref()),
            node: "node-1".to_owned(),
            ends_by: at(60_000_000),
            at: at(2),
        }
        .into(),
        ToolsCalled {
            turn: msg(45),
            round: 1,
            id: msg(46),
            seq: 2,
            content: text("One moment."),
            calls: vec![CalledTool {
                id: "call_1".to_owned(),
                name: "find_booking".to_owned(),
                arguments: text("{\"n\":7}"),
                opaque: Some(text("CsQB")),
            }],
            by: model(),
            usage: Usage::counted(60, 18),
            latency_ms: 310,
            at: at(3),
        }
        .into(),
        FunctionExecuted {
            turn: msg(45),
            id: msg(47),
            seq: 3,
            call_id: "call_1".to_owned(),
            tool: Some(ToolId(id(42))),
            name: "find_booking".to_owned(),
            outcome: ToolOutcome::Succeeded,
            status: Some(200),
            content: text("{\"when\":\"10:00\"}"),
            latency_ms: 85,
            at: at(4),
        }
        .into(),
        TurnCompleted {
            turn: msg(45),
            id: msg(48),
            seq: 4,
            content: text("You are booked for ten."),
            by: model(),
            usage: Usage::counted(90, 8),
            latency_ms: 900,
            first_token_ms: Some(640),
            finish: Finish::Stop,
            passed_over: passed_over(),
            retrieved: None,
            call: Some(CallId(id(44))),
            tell_at: None,
            at: at(5),
        }
        .into(),
        TurnFailed {
            turn: msg(49),
            fault: TurnFault::RateLimited,
            passed_over: passed_over(),
            call: None,
            at: at(6),
        }
        .into(),
        TurnCancelled { turn: msg(50), why: CancelledFor::Interrupted, at: at(7) }.into(),
        Summarised { through: 3, summary: text("They are booked."), by: Some(model()), at: at(8) }.into(),
        SentimentJudged { seq: 1, score_permille: -250, by: Judge::Lexicon, at: at(9) }.into(),
        UpdatesTold { at: at(10) }.into(),
        ConversationEnded { reason: EndedFor::Call, at: at(10) }.into(),
    ]
}
