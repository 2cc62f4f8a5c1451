//! Rules of a memory, told as given, when, then.

use uuid::Uuid;

use super::*;
use crate::envelope::Time;
use crate::ids::{ConversationId, CustomerId, MemoryId, MessageId};
use crate::testing::calls::at;
use crate::testing::scenario::scenario;

const CUSTOMER: CustomerId = CustomerId(Uuid::from_u128(1));
const OTHER: MemoryId = MemoryId(Uuid::from_u128(2));
const SOURCE: MemorySource = MemorySource::Conversation { id: ConversationId(Uuid::from_u128(3)) };

fn message(n: u128) -> MessageId {
    MessageId(Uuid::from_u128(n))
}

fn terms(content: &str, expires_at: Option<Time>) -> MemoryTerms {
    MemoryTerms {
        content: content.to_owned().into(),
        kind: MemoryKind::Preference,
        confidence_permille: 600,
        expires_at,
    }
}

fn record(content: &str, expires_at: Option<Time>) -> MemoryCommand {
    MemoryCommand::Record(Box::new(NewMemory {
        customer: CUSTOMER,
        terms: terms(content, expires_at),
        source: SOURCE,
        evidence: vec![message(10)],
        supersedes: None,
        now: at(1),
    }))
}

fn recorded(content: &str, expires_at: Option<Time>) -> MemoryEvent {
    MemoryRecorded {
        customer: CUSTOMER,
        content: content.to_owned().into(),
        kind: MemoryKind::Preference,
        source: SOURCE,
        evidence: vec![message(10)],
        confidence_permille: 600,
        expires_at,
        supersedes: None,
        at: at(1),
    }
    .into()
}

#[test]
fn a_memory_is_recorded_once() {
    let there = scenario::<Memory>().when(record("likes mornings", None));
    let there = there.then([recorded("likes mornings", None)]).and();
    there.clone().when(record("likes mornings", None)).then_nothing();
    there.when(record("likes evenings", None)).then_refused(MemoryRefusal::Exists);
}

#[test]
fn what_is_out_of_its_limits_is_refused() {
    let refused = |content: &str, expires_at, field, detail| {
        scenario::<Memory>()
            .when(record(content, expires_at))
            .then_refused(MemoryRefusal::Invalid(field, detail));
    };
    refused(" ", None, "content", "must have 1 to 1000 characters");
    refused(&"x".repeat(MAX_CONTENT + 1), None, "content", "must have 1 to 1000 characters");
    refused("x", Some(at(1)), "expires_at", "must be in the future");
}

#[test]
fn what_is_learned_again_is_surer_and_has_more_evidence() {
    let there = scenario::<Memory>().after([record("likes mornings", None)]);
    let again =
        |messages: Vec<MessageId>| MemoryCommand::Confirm { source: SOURCE, evidence: messages, now: at(2) };
    let confirmed =
        MemoryConfirmed { source: SOURCE, evidence: vec![message(11)], confidence_permille: 800, at: at(2) };
    there.clone().when(again(vec![message(10), message(11)])).then([confirmed.into()]);
    // whoever looks at the same messages again learns nothing
    there.clone().when(again(vec![message(10)])).then_nothing();
    let many: Vec<MessageId> = (100..200).map(message).collect();
    let full = there.after([again(many)]);
    assert_eq!(full.state().evidence().len(), MAX_EVIDENCE);
}

#[test]
fn a_change_names_its_fields_and_the_same_again_is_no_news() {
    let there = scenario::<Memory>().after([record("likes mornings", None)]);
    let patch = MemoryPatch { content: Some("likes evenings".to_owned()), ..MemoryPatch::default() };
    let updated = MemoryUpdated {
        customer: CUSTOMER,
        fields: vec!["content".to_owned()],
        content: "likes evenings".to_owned().into(),
        kind: MemoryKind::Preference,
        confidence_permille: 600,
        expires_at: None,
        at: at(2),
    };
    let change = MemoryCommand::Change { patch, now: at(2) };
    there.when(change.clone()).then([updated.into()]).and().when(change).then_nothing();
}

#[test]
fn what_is_contradicted_holds_no_more_but_can_be_forgotten() {
    let over = scenario::<Memory>().after([record("likes mornings", None)]);
    let supersede = MemoryCommand::Supersede { by: OTHER, now: at(2) };
    let over = over.when(supersede.clone()).then([MemorySuperseded { by: OTHER, at: at(2) }.into()]).and();
    over.clone().when(supersede).then_nothing();
    let confirm = MemoryCommand::Confirm { source: SOURCE, evidence: vec![], now: at(3) };
    over.clone().when(confirm).then_refused(MemoryRefusal::Over("superseded"));
    let forget = MemoryCommand::Forget { now: at(3) };
    let gone = over.when(forget.clone()).then([MemoryForgotten { at: at(3) }.into()]).and();
    gone.when(forget).then_refused(MemoryRefusal::Unknown);
}

#[test]
fn a_memory_expires_at_its_time_and_not_before() {
    let there = scenario::<Memory>().after([record("has a voucher", Some(at(60)))]);
    // fired by a clock that is ahead: again later
    there.clone().when(MemoryCommand::Expire { now: at(59) }).then_refused(MemoryRefusal::NotYet);
    let longer = MemoryPatch { expires_at: Some(Some(at(120))), ..MemoryPatch::default() };
    let longer = there.clone().after([MemoryCommand::Change { patch: longer, now: at(2) }]);
    longer.when(MemoryCommand::Expire { now: at(60) }).then_refused(MemoryRefusal::NotYet);
    let lasting = MemoryPatch { expires_at: Some(None), ..MemoryPatch::default() };
    let lasting = there.clone().after([MemoryCommand::Change { patch: lasting, now: at(2) }]);
    lasting.when(MemoryCommand::Expire { now: at(60) }).then_nothing();
    let expired = there.when(MemoryCommand::Expire { now: at(60) });
    expired
        .then([MemoryExpired { at: at(60) }.into()])
        .and()
        .when(MemoryCommand::Expire { now: at(61) })
        .then_nothing();
}
