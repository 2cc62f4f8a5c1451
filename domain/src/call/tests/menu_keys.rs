//! Keys pressed in menus, as the transcript shows them.

use super::a_call;
use crate::call::report::CarrierFact;
use crate::call::{CallCommand, CallEvent, GatherOrder};
use crate::testing::calls::*;
use crate::testing::scenario::Scenario;

fn gathered(digits: &str) -> CarrierFact {
    CarrierFact::Gathered { digits: digits.to_owned().into(), status: "valid".to_owned() }
}

fn asked(max_digits: u32, secret: bool) -> Scenario<crate::call::Call> {
    let in_menu = a_call().after(talking_inbound(MENU));
    let session = in_menu.state().ivr_session().expect("a session");
    let order = GatherOrder {
        id: id(0xa5),
        session,
        text: "Press a key.".to_owned(),
        max_digits,
        terminator: None,
        secret,
        timeout_ms: 5_000,
        inter_digit_timeout_ms: 2_000,
        now: at(3),
    };
    in_menu.after([CallCommand::Gather(Box::new(order))])
}

/// The transcript lines that these reports add: number and keys, `None` where they are secret.
fn lines(call: Scenario<crate::call::Call>, told: &[(CarrierFact, i64)]) -> Vec<(u32, Option<String>)> {
    let (line, mut call, mut lines) = (Line::inbound(MENU), call, vec![]);
    for (fact, seconds) in told {
        let then = call.when(line.says(fact.clone(), *seconds));
        lines.extend(then.facts().iter().filter_map(|fact| match fact {
            CallEvent::DtmfReceived(key) if !key.repeated => {
                Some((key.seq, key.digit.reveal().map(char::to_string)))
            }
            CallEvent::DigitsGathered(keys) => {
                keys.line.as_ref().map(|line| (line.seq, line.digits.reveal().cloned()))
            }
            _ => None,
        }));
        call = then.and();
    }
    lines
}

fn key(digit: char) -> CarrierFact {
    CarrierFact::Dtmf(digit.into())
}

#[test]
fn a_key_is_one_line_whichever_webhooks_tell_of_it_and_in_which_order() {
    let one = |seq, keys: &str| (seq, Some(keys.to_owned()));
    assert_eq!(lines(asked(1, false), &[(gathered("1"), 5)]), [one(2, "1")]);
    assert_eq!(lines(asked(1, false), &[(key('1'), 5), (gathered("1"), 5)]), [one(2, "1")]);
    assert_eq!(lines(asked(1, false), &[(gathered("1"), 5), (key('1'), 5)]), [one(2, "1")]);
    let pin = [(key('4'), 5), (gathered("42"), 6), (key('2'), 6), (key('7'), 9)];
    assert_eq!(lines(asked(2, false), &pin), [one(2, "4"), one(3, "2"), one(4, "7")]);
    assert_eq!(lines(asked(2, false), &[(gathered(""), 9)]), []);
}

#[test]
fn secret_keys_are_a_line_that_does_not_say_which() {
    assert_eq!(lines(asked(4, true), &[(gathered("4711"), 8)]), [(2, None)]);
    assert_eq!(
        lines(asked(2, true), &[(key('4'), 5), (key('7'), 6), (gathered("47"), 6)]),
        [(2, None), (3, None)]
    );
}
