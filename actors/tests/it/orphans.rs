//! Turns whose node died over them: whoever said something learns that no answer comes.

use std::time::Duration;

use actors::Session;
use chrono::TimeDelta;
use domain::conversation::{
    Channel, Conversation, ConversationCommand, ConversationEvent, ConversationStarted, MessageKind,
    MessageRole, Said, TurnFault,
};
use domain::envelope::Version;
use domain::ids::{ConversationId, MessageId};
use domain::ports::clock::Clock;
use domain::ports::event_store::{Direction, EventStore};
use domain::wire::DomainEvent as _;
use uuid::Uuid;

use crate::world::World;

const CONVERSATION: ConversationId = ConversationId(Uuid::from_u128(41));
const LIMIT: TimeDelta = TimeDelta::seconds(130);

impl World {
    /// Another node begins an answer, and dies.
    async fn somebody_dies_over_a_turn(&self, turn: u128) {
        let now = self.clock.now();
        let start = ConversationStarted {
            agent: None,
            channel: Channel::Api,
            call: None,
            user: None,
            metadata: None,
            customer_id: None,
            at: now,
        };
        let said = Said {
            id: MessageId(Uuid::from_u128(turn)),
            role: MessageRole::User,
            kind: MessageKind::Text,
            content: "Hello?".to_owned().into(),
            line: None,
            at: now,
        };
        let ask = ConversationCommand::Ask {
            start: Some(Box::new(start)),
            said: Some(Box::new(said)),
            agent: None,
            node: "another".to_owned(),
            dead: None,
            ends_by: now + LIMIT,
            now,
        };
        let mut session = Session::<Conversation>::new(self.runtime.clone(), CONVERSATION.stream());
        session.execute(&ask, &self.context(), None).await.unwrap();
    }

    /// The turns that failed, and why.
    async fn failed(&self) -> Vec<(u128, TurnFault)> {
        let stream = CONVERSATION.stream();
        let events =
            self.store.read_stream(&stream, Version::NONE, Direction::Forwards, 1_000).await.unwrap();
        let failed = events.iter().filter_map(|event| {
            match ConversationEvent::decode(&event.event_type, event.schema, &event.payload).unwrap() {
                ConversationEvent::TurnFailed(failed) => Some((failed.turn.0.as_u128(), failed.fault)),
                _ => None,
            }
        });
        failed.collect()
    }
}

#[actix::test]
async fn a_turn_whose_node_died_is_noted_as_failed_once_when_its_time_is_over() {
    let world = World::new();
    world.start_work();
    world.somebody_dies_over_a_turn(1).await;
    world.pass(Duration::from_secs(129)).await;
    assert_eq!(world.failed().await, [], "it may still be answered");
    world.pass(Duration::from_secs(3)).await;
    assert_eq!(world.failed().await, [(1, TurnFault::Abandoned)]);
    // the next one has its own time
    world.somebody_dies_over_a_turn(2).await;
    world.pass(Duration::from_secs(129)).await;
    assert_eq!(world.failed().await.len(), 1);
    world.pass(Duration::from_secs(300)).await;
    assert_eq!(world.failed().await, [(1, TurnFault::Abandoned), (2, TurnFault::Abandoned)]);
}

#[actix::test]
async fn a_clock_that_is_set_does_not_keep_a_turn_open() {
    for days in [-1, 2] {
        let world = World::new();
        world.start_work();
        world.somebody_dies_over_a_turn(1).await;
        world.settle().await;
        world.clock.jump(TimeDelta::days(days));
        world.clock.advance(Duration::from_secs(1));
        world.pass(Duration::from_secs(120)).await;
        assert_eq!(world.failed().await, [], "{days} days");
        world.pass(Duration::from_secs(12)).await;
        assert_eq!(world.failed().await, [(1, TurnFault::Abandoned)], "{days} days");
    }
}
