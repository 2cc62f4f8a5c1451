use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::aggregate::Aggregate;
use crate::envelope::Version;
use crate::ids::{AgentId, CallId, MessageId};
use crate::model::{ModelRef, Provider, Usage};
use crate::personal::Personal;
use crate::ports::llm::ChatMessage;
use crate::testing::calls::at;
use crate::testing::scenario::{Scenario, scenario};

fn msg(n: u128) -> MessageId {
    MessageId(Uuid::from_u128(n))
}

fn agent() -> AgentRef {
    AgentRef { id: AgentId(Uuid::from_u128(1)), version: Version(2) }
}

fn started(channel: Channel) -> ConversationStarted {
    let call = (channel == Channel::Voice).then_some(CallId(Uuid::from_u128(9)));
    ConversationStarted {
        agent: Some(agent()),
        channel,
        call,
        user: None,
        metadata: None,
        customer_id: None,
        at: at(0),
    }
}

fn start(channel: Channel) -> ConversationCommand {
    ConversationCommand::Start(Box::new(started(channel)))
}

fn user(n: u128, text: &str) -> Said {
    let (role, kind) = (MessageRole::User, MessageKind::Text);
    Said { id: msg(n), role, kind, content: text.to_owned().into(), line: None, at: at(1) }
}

fn asked(said: Option<Said>, node: &str, dead: Option<u128>, seconds: i64) -> ConversationCommand {
    ConversationCommand::Ask {
        start: None,
        said: said.map(Box::new),
        agent: Some(agent()),
        node: node.to_owned(),
        dead: dead.map(msg),
        ends_by: at(seconds + 60),
        now: at(seconds),
    }
}

fn ask(n: u128, text: &str) -> ConversationCommand {
    asked(Some(user(n, text)), "node-1", None, 1)
}

fn model() -> ModelRef {
    ModelRef::new(Provider::Scripted, "scripted-1")
}

fn completed(turn: u128, text: &str) -> Completed {
    Completed {
        turn: msg(turn),
        id: msg(turn + 1_000),
        content: text.to_owned().into(),
        by: model(),
        usage: Usage::counted(10, 2),
        latency_ms: 40,
        first_token_ms: Some(12),
        finish: Finish::Stop,
        passed_over: vec![],
        retrieved: None,
        now: at(2),
    }
}

fn complete(turn: u128, text: &str) -> ConversationCommand {
    ConversationCommand::Complete(Box::new(completed(turn, text)))
}

fn fail(turn: u128) -> ConversationCommand {
    let fault = TurnFault::TimedOut;
    ConversationCommand::Fail { turn: msg(turn), fault, passed_over: vec![], now: at(2) }
}

fn tools(turn: u128, calls: &[&str]) -> ConversationCommand {
    let call = |name: &&str| CalledTool {
        id: format!("call_{name}"),
        name: (*name).to_owned(),
        arguments: "{}".to_owned().into(),
        opaque: None,
    };
    ConversationCommand::CallTools(Box::new(ToolRound {
        turn: msg(turn),
        id: msg(turn + 2_000),
        content: String::new().into(),
        calls: calls.iter().map(call).collect(),
        by: model(),
        usage: Usage::default(),
        latency_ms: 5,
        now: at(2),
    }))
}

fn executed(turn: u128, name: &str) -> ConversationCommand {
    ConversationCommand::Execute(vec![Executed {
        turn: msg(turn),
        id: msg(turn + 3_000 + name.len() as u128),
        call_id: format!("call_{name}"),
        tool: None,
        outcome: ToolOutcome::Succeeded,
        status: Some(200),
        content: "{\"when\":\"10:00\"}".to_owned().into(),
        latency_ms: 7,
        now: at(2),
    }])
}

fn end() -> ConversationCommand {
    ConversationCommand::End { reason: EndedFor::Asked, now: at(9) }
}

fn there() -> Scenario<Conversation> {
    scenario::<Conversation>().after([start(Channel::Api)])
}

fn texts(state: &Conversation) -> Vec<String> {
    state.window().map(|one| one.content.reveal().cloned().unwrap_or_default()).collect()
}

#[test]
fn what_is_said_is_answered_and_remembered() {
    let turn =
        there().when(ask(1, "hello")).then_types(["conversation.message_added", "conversation.turn_started"]);
    let done = turn.and().when(complete(1, "hi")).then_types(["conversation.turn_completed"]).and();
    assert_eq!(texts(done.state()), ["hello", "hi"]);
    let prompt = done.state().prompt("Be kind.");
    assert_eq!(prompt.system.as_deref(), Some("Be kind."));
    assert_eq!(prompt.messages.len(), 2);
    assert_eq!(done.state().answer(msg(1)).unwrap().content.reveal().unwrap(), "hi");
}

#[test]
fn a_conversation_begins_with_what_is_said_if_need_be() {
    let ConversationCommand::Ask { said, agent, node, ends_by, now, .. } = ask(1, "hello") else { panic!() };
    let start = Some(Box::new(started(Channel::Api)));
    let first = ConversationCommand::Ask { start, said, agent, node, dead: None, ends_by, now };
    let types = ["conversation.started", "conversation.message_added", "conversation.turn_started"];
    scenario::<Conversation>().when(first).then_types(types);
    scenario::<Conversation>().when(ask(1, "hello")).then_refused(ConversationRefusal::Unknown);
}

#[test]
fn there_is_one_turn_at_a_time_and_the_same_request_again_is_no_news() {
    let open = there().after([ask(1, "hello")]);
    open.clone().when(ask(2, "more")).then_refused(ConversationRefusal::TurnUnderWay);
    open.clone().when(ask(1, "hello")).then_nothing();
    let done = open.after([complete(1, "hi")]);
    done.clone().when(ask(1, "hello")).then_nothing();
    done.clone().when(complete(1, "hi")).then_nothing();
    done.clone().when(complete(2, "hi")).then_refused(ConversationRefusal::TurnOver);
    done.when(ask(2, "more")).then_types(["conversation.message_added", "conversation.turn_started"]);
}

#[test]
fn a_turn_whose_node_died_is_taken_for_failed_by_whoever_speaks_next() {
    let open = || there().after([ask(1, "hello")]);
    let types = ["conversation.turn_failed", "conversation.message_added", "conversation.turn_started"];
    open().when(asked(Some(user(2, "more")), "node-2", Some(1), 2)).then_types(types);
    // or when its time is up
    open().when(asked(Some(user(2, "more")), "node-2", None, 61)).then_types(types);
    // what was not answered is answered now, and not said twice
    let again = open().when(asked(Some(user(1, "hello")), "node-2", Some(1), 2));
    let again = again.then_types(["conversation.turn_failed", "conversation.turn_started"]).and();
    assert_eq!(texts(again.state()), ["hello"]);
    // a late answer of the dead node's is not taken
    let other = open().after([asked(Some(user(2, "more")), "node-2", Some(1), 2)]);
    other.when(complete(1, "late")).then_refused(ConversationRefusal::TurnOver);
}

#[test]
fn a_failed_turn_may_be_tried_again_and_leaves_no_tools_behind() {
    let failed = there().after([ask(1, "when?"), tools(1, &["find"]), executed(1, "find"), fail(1)]);
    assert_eq!(texts(failed.state()), ["when?"]);
    assert_eq!(failed.state().failed(msg(1)), Some(TurnFault::TimedOut));
    failed.clone().when(fail(1)).then_nothing();
    failed.when(ask(1, "when?")).then_types(["conversation.turn_started"]);
}

#[test]
fn tools_are_called_a_round_after_the_other_and_every_call_has_its_answer() {
    let called = there().after([ask(1, "when?"), tools(1, &["find", "book"])]);
    called.clone().when(tools(1, &["find"])).then_nothing();
    called.clone().when(executed(1, "other")).then_refused(ConversationRefusal::TurnOver);
    let half = called.after([executed(1, "book")]);
    half.clone().when(executed(1, "book")).then_refused(ConversationRefusal::TurnOver);
    let whole = half.after([executed(1, "find")]);
    assert_eq!(whole.state().turn().map(|turn| (turn.rounds, turn.waiting.len())), Some((1, 0)));
    let done = whole.after([complete(1, "at ten")]);
    let messages = done.state().prompt("").messages;
    assert!(matches!(&messages[1], ChatMessage::Assistant { calls, .. } if calls.len() == 2));
    let results =
        messages.iter().filter(|one| matches!(one, ChatMessage::Tool { failed: false, .. })).count();
    assert_eq!((messages.len(), results), (5, 2));
}

#[test]
fn nothing_is_said_once_it_has_ended() {
    let ended = there().after([ask(1, "hello")]).when(end());
    let ended = ended.then_types(["conversation.turn_cancelled", "conversation.ended"]).and();
    ended.clone().when(ask(2, "more")).then_refused(ConversationRefusal::Ended);
    ended.clone().when(complete(1, "hi")).then_refused(ConversationRefusal::Ended);
    ended
        .clone()
        .when(ConversationCommand::Note(vec![user(3, "x")]))
        .then_refused(ConversationRefusal::Ended);
    ended.clone().when(end()).then_nothing();
    // how it was meant may still be judged
    let judge =
        |seq| ConversationCommand::Judge { seq, score_permille: 5_000, by: Judge::Lexicon, now: at(9) };
    let judged = ended.clone().when(judge(1)).then_types(["conversation.sentiment_judged"]);
    assert!(matches!(&judged.facts()[0], ConversationEvent::SentimentJudged(e) if e.score_permille == 1_000));
    ended.when(judge(2)).then_refused(ConversationRefusal::Unknown);
    scenario::<Conversation>().when(end()).then_refused(ConversationRefusal::Unknown);
}

#[test]
fn lines_of_a_call_are_noted_each_once_and_in_their_order() {
    let line = |n: u32| Said { line: Some(n), ..user(100 + u128::from(n), "said") };
    let voice = scenario::<Conversation>().after([start(Channel::Voice)]);
    let noted = voice.after([ConversationCommand::Note(vec![line(1), line(2), line(4)])]);
    assert_eq!((noted.state().seq(), noted.state().line()), (3, 4));
    noted.clone().when(ConversationCommand::Note(vec![line(2), line(4)])).then_nothing();
    noted.clone().when(ConversationCommand::Note(vec![line(3)])).then_nothing();
    // what was said last is answered, once
    let answered = noted.after([asked(None, "node-1", None, 1)]);
    assert_eq!(answered.state().turn().map(|turn| turn.id), Some(msg(104)));
    let done = answered.after([complete(104, "hi")]);
    done.when(asked(None, "node-1", None, 1)).then_nothing();
    there().when(asked(None, "node-1", None, 1)).then_refused(ConversationRefusal::TurnOver);
}

#[test]
fn what_cannot_be_said_is_refused_with_its_field() {
    for (field, text) in [("content", " \n".to_owned()), ("content", "x".repeat((64 << 10) + 1))] {
        let then = there().when(ask(1, &text));
        assert!(matches!(then.decision(), Err(ConversationRefusal::Invalid(at, _)) if *at == field));
    }
    let with = |change: fn(&mut ConversationStarted)| {
        let mut wrong = started(Channel::Api);
        change(&mut wrong);
        scenario::<Conversation>().when(ConversationCommand::Start(Box::new(wrong)))
    };
    let user = with(|start| start.user = Some("x".repeat(201).into()));
    assert!(matches!(user.decision(), Err(ConversationRefusal::Invalid("user_id", _))));
    let metadata = with(|start| {
        let many: Metadata = (0..51).map(|n| (n.to_string(), String::new())).collect();
        start.metadata = Some(Personal::new(many));
    });
    assert!(matches!(metadata.decision(), Err(ConversationRefusal::Invalid("metadata", _))));
}

#[test]
fn what_falls_out_of_the_window_lives_on_in_a_summary() {
    let mut talk = there();
    for n in 1..=20 {
        talk = talk.after([ask(n, &format!("question {n} {}", "x".repeat(400))), complete(n, "answer")]);
    }
    assert_eq!(talk.state().to_sum_up(100_000), None);
    let through = talk.state().to_sum_up(1_000).unwrap();
    let summary: Personal<String> = "they asked a lot".to_owned().into();
    let sum = ConversationCommand::Summarise { through, summary, by: None, now: at(3) };
    let summed = talk.after([sum.clone()]);
    assert!(summed.state().window_tokens() <= 1_000, "{}", summed.state().window_tokens());
    assert_eq!(summed.state().window().next().unwrap().role, MessageRole::User);
    let prompt = summed.state().prompt("Be kind.");
    assert!(prompt.system.unwrap().contains("they asked a lot"));
    summed.when(sum).then_nothing();
}

#[test]
fn memory_is_bounded_whatever_is_said() {
    let mut talk = there();
    for n in 1..=40 {
        talk = talk.after([ask(n, &"x".repeat(10_000)), complete(n, "answer")]);
    }
    assert!(talk.state().window_tokens() <= WINDOW_LIMIT);
    assert_eq!(talk.state().window().next().unwrap().role, MessageRole::User);
    assert_eq!(talk.state().seq(), 80);
}

#[test]
fn answers_that_come_soon_after_another_are_told_together_and_the_last_one_always() {
    let answered = |talk: Scenario<Conversation>, turn: u128, seconds: i64| {
        let ConversationCommand::Complete(mut done) = complete(turn, "hi") else { panic!() };
        done.now = at(seconds);
        let done = ConversationCommand::Complete(done);
        let then = talk.after([ask(turn, "hello")]).when(done);
        let tell_at = then.facts().iter().find_map(|fact| match fact {
            ConversationEvent::TurnCompleted(completed) => Some(completed.tell_at),
            _ => None,
        });
        (then.and(), tell_at.unwrap())
    };
    let tell = |seconds| ConversationCommand::TellUpdates { now: at(seconds) };
    let (talk, first) = answered(there(), 1, 10);
    assert_eq!(first, None, "at once");
    talk.clone().when(tell(11)).then_nothing();
    let (talk, second) = answered(talk, 2, 10);
    let (talk, third) = answered(talk, 3, 10);
    assert_eq!((second, third), (Some(at(11)), Some(at(11))));
    // the end publishes what was held back
    talk.clone().after([end()]).when(tell(11)).then_nothing();
    let told = talk.when(tell(11)).then_types(["conversation.updates_told"]).and();
    told.clone().when(tell(11)).then_nothing();
    assert_eq!(answered(told.clone(), 4, 11).1, Some(at(12)));
    assert_eq!(answered(told, 4, 12).1, None);
}

#[test]
fn a_caller_who_waits_is_known_to_the_failure_unless_they_speak_on() {
    let call = |then: &crate::testing::scenario::Then<Conversation>| match &then.facts()[0] {
        ConversationEvent::TurnFailed(failed) => failed.call,
        other => panic!("{other:?}"),
    };
    let voice = || scenario::<Conversation>().after([start(Channel::Voice), ask(1, "hello")]);
    assert!(call(&voice().when(fail(1))).is_some());
    assert_eq!(call(&voice().when(asked(Some(user(2, "more")), "node-2", Some(1), 2))), None);
    assert_eq!(call(&there().after([ask(1, "hello")]).when(fail(1))), None);
}

#[test]
fn what_was_said_awaits_a_turn_until_one_was_begun_for_it() {
    let awaits = |told: Vec<ConversationCommand>| {
        scenario::<Conversation>().after([vec![start(Channel::Voice)], told].concat()).state().awaits_turn()
    };
    let note = |n: u128| ConversationCommand::Note(vec![user(n, "hello")]);
    assert!(!awaits(vec![]));
    assert!(awaits(vec![note(1)]));
    let asked = || asked(None, "node-1", None, 1);
    assert!(!awaits(vec![note(1), asked()]), "it is under way");
    assert!(awaits(vec![note(1), asked(), note(2)]), "the turn is for what came before");
    for over in [complete(1, "yes"), fail(1)] {
        assert!(!awaits(vec![note(1), asked(), over.clone()]));
        assert!(awaits(vec![note(1), asked(), over, note(2)]));
    }
}

#[test]
fn a_turn_whose_node_stopped_is_resumable_unless_it_called_a_tool_or_was_abandoned_too_often() {
    let abandon = |turn| ConversationCommand::Fail {
        turn: msg(turn),
        fault: TurnFault::Abandoned,
        passed_over: vec![],
        now: at(2),
    };
    let resumable =
        |told: Vec<ConversationCommand>| scenario::<Conversation>().after(told).state().is_resumable(msg(1));
    let voice = || vec![start(Channel::Voice), ask(1, "hello")];
    let again = || asked(None, "node-2", None, 2);
    assert!(!resumable(voice()), "under way");
    assert!(resumable([voice(), vec![abandon(1)]].concat()));
    assert!(!resumable([voice(), vec![abandon(1), again()]].concat()));
    assert!(!resumable([voice(), vec![fail(1)]].concat()), "no model answered");
    let called = vec![tools(1, &["book"]), executed(1, "book"), abandon(1)];
    assert!(!resumable([voice(), called].concat()), "the tool would be called twice");
    let often = [abandon(1), again(), abandon(1), again(), abandon(1), again()];
    assert!(resumable([voice(), often[..5].to_vec()].concat()));
    assert!(!resumable([voice(), often.to_vec(), vec![abandon(1)]].concat()));
}

fn commands() -> impl Strategy<Value = ConversationCommand> {
    let n = 1..5u128;
    prop_oneof![
        1 => Just(start(Channel::Api)),
        4 => (n.clone(), prop::option::of(n.clone()), 0..200i64)
            .prop_map(|(n, dead, now)| asked(Some(user(n, "said")), "node-1", dead, now)),
        1 => (prop::option::of(n.clone()), 0..200i64).prop_map(|(dead, now)| asked(None, "node-2", dead, now)),
        3 => n.clone().prop_map(|n| complete(n, "answered")),
        1 => n.clone().prop_map(fail),
        2 => n.clone().prop_map(|n| tools(n, &["a", "bb"])),
        2 => (n.clone(), any::<bool>()).prop_map(|(n, a)| executed(n, if a { "a" } else { "bb" })),
        1 => prop::option::of(n.clone()).prop_map(|n| ConversationCommand::Cancel {
            turn: n.map(msg), why: CancelledFor::Asked, now: at(3),
        }),
        1 => (1..20u32).prop_map(|through| ConversationCommand::Summarise {
            through, summary: "short".to_owned().into(), by: None, now: at(3),
        }),
        1 => (1..20u32).prop_map(|n| ConversationCommand::Note(vec![
            Said { line: Some(n), ..user(500 + u128::from(n), "line") },
        ])),
        1 => (0..200i64).prop_map(|now| ConversationCommand::TellUpdates { now: at(now) }),
        1 => Just(end()),
    ]
}

proptest! {
    #[test]
    fn whatever_is_asked_in_whatever_order_the_rules_hold(commands in prop::collection::vec(commands(), 0..60)) {
        let mut state = Conversation::default();
        let (mut seq, mut open, mut ended, mut facts) = (0, None::<MessageId>, false, Vec::new());
        for command in commands {
            let Ok(decided) = state.decide(&command) else { continue };
            for fact in decided {
                prop_assert!(!ended, "{} after the end", crate::wire::DomainEvent::event_type(&fact));
                match &fact {
                    ConversationEvent::MessageAdded(e) => { prop_assert_eq!(e.seq, seq + 1); seq = e.seq; }
                    ConversationEvent::ToolsCalled(e) => {
                        prop_assert_eq!((e.seq, Some(e.turn)), (seq + 1, open)); seq = e.seq;
                    }
                    ConversationEvent::FunctionExecuted(e) => {
                        prop_assert_eq!((e.seq, Some(e.turn)), (seq + 1, open)); seq = e.seq;
                    }
                    ConversationEvent::TurnStarted(e) => { prop_assert_eq!(open, None); open = Some(e.turn); }
                    ConversationEvent::TurnCompleted(e) => {
                        prop_assert_eq!((e.seq, Some(e.turn)), (seq + 1, open)); seq = e.seq; open = None;
                    }
                    ConversationEvent::TurnFailed(e) => { prop_assert_eq!(Some(e.turn), open); open = None; }
                    ConversationEvent::TurnCancelled(e) => { prop_assert_eq!(Some(e.turn), open); open = None; }
                    ConversationEvent::Ended(_) => { prop_assert_eq!(open, None); ended = true; }
                    _ => {}
                }
                state.evolve(&fact);
                facts.push(fact);
                prop_assert_eq!(state.turn().map(|turn| turn.id), open);
                prop_assert_eq!(state.seq(), seq);
            }
            let kept = state.to_snapshot().and_then(|bytes| Conversation::from_snapshot(&bytes));
            prop_assert_eq!(kept.as_ref(), Some(&state));
        }
        let mut again = Conversation::default();
        facts.iter().for_each(|fact| again.evolve(fact));
        prop_assert_eq!(again, state);
    }
}
