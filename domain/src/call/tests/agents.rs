//! Calls on which an agent talks.

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

fn types_of(facts: &[CallEvent]) -> Vec<&str> {
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
    assert_eq!(types_of(answered.facts()), expected, "the agent greets, not the platform");
    assert_eq!(answered.state().conversation(), Some(conversation));
    let begin = react(&answered.facts()[2]);
    let effect_id = derive(conversation.0, "begin");
    assert_eq!(begin, [Reaction::Do { effect_id, work: Work::Converse, after: None }]);
    let again = answered.and().when(line.answered(3));
    assert!(!types_of(again.facts()).contains(&"call.agent_requested"));
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
        assert_eq!(news.len(), 1, "{:?}", types_of(then.facts()));
        assert_eq!(
            types_of(then.facts()).last(),
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
fn an_agent_takes_over_from_a_menu_once_and_the_caller_is_listened_to_from_then_on() {
    let start = |id, agent| CallCommand::StartAgent { id, agent, now: at(6) };
    let menu = a_call().after(talking_inbound(MENU));
    let types = ["call.transcription_requested", "call.agent_requested"];
    let taken = menu.clone().when(start(DIAL, Some(NAMED))).then_types(types).and();
    assert_eq!(taken.state().agent(), Some(NAMED));
    assert!(taken.state().came_from_menu() && taken.state().conversation().is_some());
    let Some(Outgoing::Leg(listen)) = outgoing(taken.state(), DIAL) else { panic!() };
    assert!(matches!(listen.action, LegAction::Transcribe));
    taken.clone().when(start(DIAL, Some(NAMED))).then_nothing();
    taken.clone().when(start(id(1), Some(AgentId(id(1))))).then_nothing();
    let heard = taken.when(Line::inbound(MENU).says(utterance("hello"), 7));
    assert_eq!(types_of(heard.facts()).last(), Some(&"call.conversation_notified"));
    // where there is no agent
    menu.when(start(DIAL, None))
        .then_types(["call.speech_requested"])
        .and()
        .when(start(DIAL, None))
        .then_nothing();
    let rings = a_call().after([named().initiated(1)]);
    assert!(rings.when(start(DIAL, Some(NAMED))).decision().is_err(), "nobody is there yet");
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
    assert!(types_of(answered.facts()).contains(&"call.agent_requested"));
    assert_eq!(answered.state().conversation(), Some(ConversationId(derive(DIAL, "conversation"))));
}
