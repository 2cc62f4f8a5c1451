//! An agent talks on a call.

use super::{a_call, effect_of, outgoing};
use crate::call::report::CarrierFact;
use crate::call::{CallCommand, CallEvent, Outgoing, Reaction, Work, react};
use crate::ids::{AgentId, ConversationId, derive};
use crate::number::Route;
use crate::ports::telephony::LegAction;
use crate::testing::calls::*;

const NAMED: AgentId = AgentId(id(0xa9));

fn named() -> Line {
    Line::inbound(Route::Agent { id: Some(NAMED) })
}

fn types(facts: &[CallEvent]) -> Vec<&str> {
    facts.iter().map(crate::wire::DomainEvent::event_type).collect()
}

#[test]
fn a_call_to_a_named_agent_is_taken_with_its_caller_transcribed_and_the_agent_is_asked_for_once() {
    let line = named();
    let rings = a_call().when(line.initiated(1)).and();
    let Some(Outgoing::Leg(answer)) = outgoing(rings.state(), effect_of("leg-in", "answer")) else {
        panic!()
    };
    assert!(matches!(answer.action, LegAction::AnswerListening));
    let answered = rings.when(line.answered(2));
    let conversation = ConversationId(effect_of("leg-in", "conversation"));
    let expected = ["call.carrier_event_received", "call.answered", "call.agent_requested"];
    assert_eq!(types(answered.facts()), expected, "the agent greets, not the platform");
    assert_eq!(answered.state().conversation(), Some(conversation));
    let begin = react(&answered.facts()[2]);
    let effect_id = derive(conversation.0, "begin");
    assert_eq!(begin, [Reaction::Do { effect_id, work: Work::Converse, due: at(2) }]);
    let again = answered.and().when(line.answered(3));
    assert!(!types(again.facts()).contains(&"call.agent_requested"));
}

#[test]
fn the_conversation_hears_of_what_the_caller_says_and_keys_and_of_the_end() {
    let line = named();
    let talking = a_call().after([line.initiated(1), line.answered(2)]);
    let says = |fact: CarrierFact, seconds| line.says(fact, seconds);
    let dtmf = CarrierFact::Dtmf('5'.into());
    let mut told = vec![];
    let mut call = talking;
    for command in [says(utterance("hello"), 3), says(dtmf, 4), line.hung_up(5)] {
        let then = call.when(command);
        let news = then.facts().iter().filter_map(|fact| match fact {
            CallEvent::ConversationNotified(news) => Some(news.id),
            _ => None,
        });
        let news: Vec<_> = news.collect();
        assert_eq!(news.len(), 1, "{:?}", types(then.facts()));
        assert_eq!(
            types(then.facts()).last(),
            Some(&"call.conversation_notified"),
            "after the end closes all work"
        );
        told.extend(news);
        call = then.and();
    }
    told.dedup();
    assert_eq!(told.len(), 3);
}

#[test]
fn other_calls_have_no_conversation() {
    for line in [Line::inbound(AGENT), Line::inbound(MENU)] {
        let call = a_call().after([line.initiated(1), line.answered(2), line.says(utterance("hello"), 3)]);
        assert_eq!((call.state().agent(), call.state().conversation()), (None, None));
    }
}

#[test]
fn who_is_called_for_an_agent_is_transcribed_and_talked_to_once_they_answer() {
    let mut order = queue();
    order.agent_id = Some(NAMED);
    let queued = a_call().after([CallCommand::Queue(Box::new(order))]);
    let Some(Outgoing::Dial(dial)) = outgoing(queued.state(), DIAL) else { panic!() };
    assert!(dial.transcribe);
    let line = Line::dialled();
    let answered = queued.after([start_dial(1), accept_dial(2)]).when(line.answered(3));
    assert!(types(answered.facts()).contains(&"call.agent_requested"));
    assert_eq!(answered.state().conversation(), Some(ConversationId(derive(DIAL, "conversation"))));
}
