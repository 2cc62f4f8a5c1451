//! What conversations add to the sums.

use domain::conversation::{
    AgentRef, Channel, ConversationEnded, ConversationEvent, ConversationStarted, EndedFor, Finish, Judge,
    MessageAdded, MessageKind, MessageRole, SentimentJudged, TurnCompleted,
};
use domain::envelope::{Position, Recorded, Time, Version};
use domain::ids::{AgentId, ClientId, ConversationId, MessageId};
use domain::model::{ModelRef, Provider, Usage};
use domain::personal::Personal;
use domain::testing::ids::sequential;
use domain::wire::DomainEvent;

use super::Conversations;
use crate::rollup::Contribution;
use crate::view::{View, replay};

fn agent() -> AgentId {
    AgentId(sequential(7))
}

fn at(minutes: i64) -> Time {
    Time::from_timestamp_micros(1_767_225_600_000_000 + minutes * 60_000_000).unwrap()
}

fn started(agent: Option<AgentId>) -> ConversationEvent {
    let agent = agent.map(|id| AgentRef { id, version: Version(1) });
    ConversationStarted {
        agent,
        channel: Channel::Voice,
        call: None,
        user: None,
        metadata: None,
        customer_id: None,
        at: at(59),
    }
    .into()
}

fn said(seq: u32) -> ConversationEvent {
    let (id, role, kind) = (MessageId(sequential(u64::from(seq))), MessageRole::User, MessageKind::Text);
    let content = Personal::from("Hello".to_owned());
    MessageAdded { id, seq, place: None, role, kind, content, line: None, at: at(60) }.into()
}

fn judged(seq: u32, score_permille: i16) -> ConversationEvent {
    SentimentJudged { seq, score_permille, by: Judge::Lexicon, at: at(62) }.into()
}

fn answered(seq: u32, input: u64, output: u64) -> ConversationEvent {
    TurnCompleted {
        turn: MessageId(sequential(1)),
        id: MessageId(sequential(u64::from(seq))),
        seq,
        content: Personal::from("Hi".to_owned()),
        by: ModelRef { provider: Provider::Scripted, model: "scripted-1".to_owned() },
        usage: Usage::counted(input, output),
        latency_ms: 300,
        first_token_ms: None,
        finish: Finish::Stop,
        passed_over: Vec::new(),
        retrieved: None,
        call: None,
        tell_at: None,
        at: at(61),
    }
    .into()
}

fn adds(events: &[ConversationEvent]) -> Contribution {
    let recorded = |(n, event): (u64, &ConversationEvent)| Recorded {
        position: Position(n),
        stream: ConversationId(sequential(1)).stream(),
        version: Version(n),
        id: sequential(n),
        event_type: event.event_type().to_owned(),
        schema: event.schema(),
        client_id: ClientId(sequential(9)),
        payload: event.encode().into(),
        metadata: Vec::new().into(),
        recorded_at: at(0),
    };
    let events: Vec<_> = (1..).zip(events).map(recorded).collect();
    Conversations::adds(&replay::<Conversations>(&events).unwrap().unwrap()).unwrap()
}

#[test]
fn a_conversation_counts_under_its_agent_where_it_began_whatever_comes_later() {
    let ended = ConversationEnded { reason: EndedFor::Asked, at: at(130) };
    let events = [
        started(Some(agent())),
        said(1),
        judged(1, -400),
        answered(2, 120, 30),
        said(3),
        judged(3, 100),
        ended.into(),
    ];
    let added = adds(&events);
    assert_eq!((added.at, added.subject), (at(59), Some(agent().0)));
    let counts = &added.counts;
    let numbers = ["conversations", "channel:voice", "ended", "messages", "tokens:input", "tokens:output"];
    assert_eq!(numbers.map(|name| counts.get(name)), [1, 1, 1, 3, 120, 30]);
    assert_eq!(["judged", "judged_permille"].map(|name| counts.get(name)), [2, -300]);
}

#[test]
fn one_of_nobodys_that_goes_on_is_counted_too() {
    let added = adds(&[started(None)]);
    assert_eq!((added.subject, added.counts.get("conversations"), added.counts.get("ended")), (None, 1, 0));
}
