//! Tests of the view of memories.

use domain::aggregate::Aggregate as _;
use domain::envelope::{Position, Version};
use domain::ids::{ClientId, ConversationId, CustomerId, MemoryId, MessageId};
use domain::memory::{Memory, MemoryCommand, MemoryKind, MemorySource, MemoryTerms, NewMemory};
use domain::testing::calls::at;
use uuid::Uuid;

use super::*;
use crate::view::{At, View as _};

const CLIENT: ClientId = ClientId(Uuid::from_u128(1));
const MEMORY: MemoryId = MemoryId(Uuid::from_u128(7));

/// The row after the events that the commands lead to.
fn row(commands: Vec<MemoryCommand>) -> MemoryRow {
    let (mut rules, mut row, mut version) = (Memory::default(), None, 0);
    for command in commands {
        for event in rules.decide(&command).unwrap() {
            rules.evolve(&event);
            version += 1;
            let (position, version) = (Position(version), Version(version));
            let at = At { id: MEMORY.0, client: CLIENT, position, version, recorded_at: at(1) };
            Memories::apply(&mut row, &at, event);
        }
    }
    row.unwrap()
}

fn record() -> MemoryCommand {
    MemoryCommand::Record(Box::new(NewMemory {
        customer: CustomerId(Uuid::from_u128(2)),
        terms: MemoryTerms {
            content: "likes mornings".to_owned().into(),
            kind: MemoryKind::Preference,
            confidence_permille: 600,
            expires_at: Some(at(60)),
        },
        source: MemorySource::Conversation { id: ConversationId(Uuid::from_u128(3)) },
        evidence: vec![MessageId(Uuid::from_u128(4))],
        supersedes: None,
        now: at(1),
    }))
}

#[test]
fn a_memory_shows_what_it_says_and_where_that_comes_from() {
    let again = MemoryCommand::Confirm {
        source: MemorySource::Api,
        evidence: vec![MessageId(Uuid::from_u128(5))],
        now: at(2),
    };
    let row = row(vec![record(), again]);
    let view = &row.view;
    assert_eq!((view.content.as_deref(), view.kind.as_str()), (Some("likes mornings"), "preference"));
    assert_eq!((view.evidence.len(), view.status.as_str(), view.version), (2, "active", 2));
    assert_eq!(view.source.id.as_deref().map(|id| id.starts_with("conv_")), Some(true));
    assert!((view.confidence - 0.8).abs() < 1e-9);
    let json = serde_json::to_string(view).unwrap();
    assert_eq!(&serde_json::from_str::<MemoryView>(&json).unwrap(), view);
}

#[test]
fn what_is_over_says_so_and_what_is_forgotten_says_nothing() {
    let by = MemoryId(Uuid::from_u128(9));
    let over = row(vec![record(), MemoryCommand::Supersede { by, now: at(2) }]);
    assert_eq!((over.view.status.as_str(), over.view.superseded_by), ("superseded", Some(by)));
    assert_eq!(row(vec![record(), MemoryCommand::Expire { now: at(60) }]).view.status, "expired");
    let gone = row(vec![record(), MemoryCommand::Forget { now: at(2) }]);
    assert!(gone.removed && gone.view.content.is_none());
}
