//! Examples of public events about agents and conversations.

use domain::agent::{AgentCreated, AgentDeployed, AgentEvent, AgentRuntime, AgentTerms, AgentUpdated};
use domain::conversation::{
    AgentRef, Channel, ConversationEnded, ConversationEvent, ConversationStarted, EndedFor, Finish,
    FunctionExecuted, MessageAdded, MessageKind, MessageRole, PassedOver, ToolOutcome, TurnCompleted,
    TurnFailed, TurnFault,
};
use domain::envelope::Version;
use domain::ids::{AgentId, MessageId, ToolId};
use domain::model::{ModelRef, Provider, Usage};
use domain::origin::Origin;
use uuid::Uuid;

use super::examples::{BASE, at};

fn of(n: u128) -> Uuid {
    Uuid::from_u128(BASE + 16 + n)
}

/// The events of an agent up to the public event `name`.
pub(super) fn agent(name: &str) -> Vec<AgentEvent> {
    let terms = |name: &str| AgentTerms {
        name: name.to_owned(),
        system_prompt: "You answer the phone for a clinic.".to_owned(),
        model: ModelRef::new(Provider::Groq, "openai/gpt-oss-120b"),
        temperature_permille: Some(400),
        max_tokens: Some(300),
        tools: vec![],
        greeting: Some("Hello, this is the clinic.".to_owned()),
        apology: None,
        call_content: None,
        voice_id: None,
        fallback: vec![],
        knowledge_bases: vec![],
        retrieval: None,
        memory: None,
        runtime: AgentRuntime::Carrier,
    };
    let origin = Origin::default();
    let second: AgentEvent = if name == "agent.updated" {
        let (before, after) = (terms("Reception"), terms("Front desk"));
        AgentUpdated { before, after, origin: origin.clone(), at: at(30) }.into()
    } else {
        AgentDeployed { version: Version(1), terms: terms("Reception"), origin: origin.clone(), at: at(30) }
            .into()
    };
    vec![AgentCreated { terms: terms("Reception"), origin, at: at(0) }.into(), second]
}

/// The events of a conversation up to the public event `name`.
pub(super) fn conversation(name: &str) -> Vec<ConversationEvent> {
    let (message, text) = (|n| MessageId(of(n)), |text: &str| text.to_owned().into());
    let model = || ModelRef::new(Provider::Groq, "openai/gpt-oss-120b");
    let agent = AgentRef { id: AgentId(of(4)), version: Version(1) };
    let started = ConversationStarted {
        agent: Some(agent),
        channel: Channel::Api,
        call: None,
        user: None,
        metadata: None,
        customer_id: None,
        at: at(0),
    };
    let (role, kind, content) = (MessageRole::User, MessageKind::Text, text("When is my booking?"));
    let asked =
        MessageAdded { id: message(6), seq: 1, place: None, role, kind, content, line: None, at: at(1) };
    let executed = FunctionExecuted {
        turn: message(6),
        id: message(8),
        seq: 3,
        call_id: "call_1".to_owned(),
        tool: Some(ToolId(of(9))),
        name: "find_booking".to_owned(),
        outcome: ToolOutcome::Succeeded,
        status: Some(200),
        content: text("{\"when\":\"tomorrow at ten\"}"),
        latency_ms: 85,
        at: at(2),
    };
    let completed = TurnCompleted {
        turn: message(6),
        id: message(7),
        seq: 4,
        content: text("Tomorrow at ten."),
        by: model(),
        usage: Usage::counted(90, 8),
        latency_ms: 900,
        first_token_ms: Some(640),
        finish: Finish::Stop,
        passed_over: vec![],
        retrieved: None,
        call: None,
        tell_at: None,
        at: at(2),
    };
    let failed = TurnFailed {
        turn: message(6),
        fault: TurnFault::TimedOut,
        passed_over: vec![PassedOver { model: model(), fault: TurnFault::TimedOut }],
        call: None,
        at: at(12),
    };
    let mut facts: Vec<ConversationEvent> = vec![started.into(), asked.into()];
    match name {
        "function.executed" => facts.push(executed.into()),
        "error.occurred" => facts.push(failed.into()),
        "conversation.ended" => {
            facts.push(completed.into());
            facts.push(ConversationEnded { reason: EndedFor::Asked, at: at(40) }.into());
        }
        _ => facts.push(completed.into()),
    }
    facts
}
