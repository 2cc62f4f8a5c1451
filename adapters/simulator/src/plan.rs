//! Plans the calls of a simulation: a mixed day, the same for the same seed.

use std::time::Duration;

use crate::fake_telnyx::{CallScript, CalleeScript, SeededRandom, Step, fictional_number};

/// The number that callers usually dial: 415-555-0100 to 0199 are reserved for fiction.
pub const OUR_NUMBER: &str = "+14155550110";
/// The number that leads to the clinic's menus.
pub const CLINIC_NUMBER: &str = "+14155550112";
/// The number of the clinic's front desk.
pub const DESK: &str = "+14155550127";
/// The number whose calls the node rejects.
pub const REFUSING_NUMBER: &str = "+14155550111";
/// A number that belongs to nobody.
pub const UNKNOWN_NUMBER: &str = "+14155550199";

/// The course of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The caller listens, talks and hangs up.
    ConversationService,
    /// The caller listens, presses keys and hangs up.
    Presses,
    /// The caller follows the clinic's menus to an end.
    WalksMenus,
    /// The caller hangs up in a menu.
    LeavesMenu,
    /// The caller presses keys without a menu item.
    Mistypes,
    /// The caller presses no key.
    StaysSilent,
    /// The caller hangs up in the middle of the greeting, or soon after.
    HangsUp,
    /// The caller says nothing for a while.
    Waits,
    /// The caller gives up before the answer, or tries to.
    Abandons,
    /// The caller dials a number that belongs to nobody.
    Misdials,
    /// The caller dials a number that rejects every call.
    IsRefused,
    /// The node calls; a person answers and hangs up.
    Answers,
    /// The node calls; a person answers, the node speaks and hangs up.
    IsHungUpOn,
    /// The node calls, and a machine answers.
    Machine,
    /// The node calls a busy number.
    Busy,
    /// The node calls somebody who does not answer.
    NoAnswer,
    /// The node calls somebody who rejects the call.
    Rejects,
    /// The node calls a number that does not exist.
    NotFound,
}

impl Kind {
    /// The name of the kind in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::ConversationService => "caller talks",
            Self::Presses => "caller presses keys",
            Self::WalksMenus => "caller walks the menus",
            Self::LeavesMenu => "caller leaves a menu",
            Self::Mistypes => "caller mistypes",
            Self::StaysSilent => "caller stays silent",
            Self::HangsUp => "caller hangs up early",
            Self::Waits => "caller says nothing",
            Self::Abandons => "caller gives up ringing",
            Self::Misdials => "caller misdials",
            Self::IsRefused => "caller is refused",
            Self::Answers => "callee answers",
            Self::IsHungUpOn => "callee is hung up on",
            Self::Machine => "machine answers",
            Self::Busy => "callee is busy",
            Self::NoAnswer => "callee lets it ring",
            Self::Rejects => "callee rejects",
            Self::NotFound => "callee does not exist",
        }
    }

    /// The number that the node calls; `None` for inbound calls.
    pub fn callee(self) -> Option<&'static str> {
        Some(match self {
            Self::Answers => "+14155550120",
            Self::IsHungUpOn => "+14155550121",
            Self::Machine => "+14155550122",
            Self::Busy => "+14155550123",
            Self::NoAnswer => "+14155550124",
            Self::Rejects => "+14155550125",
            Self::NotFound => "+14155550126",
            _ => return None,
        })
    }
}

/// The numbers that the node calls, with their scripts.
pub fn callees() -> Vec<(&'static str, &'static str, CalleeScript)> {
    let ring = Duration::from_secs(2);
    let kinds = [
        (Kind::Answers, "answers, talks, hangs up", {
            let steps = [
                Step::Pause(Duration::from_secs(1)),
                Step::Say("hello, who is there?".to_owned()),
                Step::Pause(Duration::from_secs(4)),
                Step::Say("I am sorry, I have to go".to_owned()),
                Step::HangUp,
            ];
            CalleeScript::Answers { ring, steps: steps.into() }
        }),
        (Kind::IsHungUpOn, "answers and stays", CalleeScript::Answers { ring, steps: vec![Step::Stay] }),
        (Kind::Machine, "an answering machine", CalleeScript::Machine { ring }),
        (Kind::Busy, "is busy", CalleeScript::Busy),
        (Kind::NoAnswer, "lets it ring", CalleeScript::NoAnswer),
        (Kind::Rejects, "rejects the call", CalleeScript::Rejects),
        (Kind::NotFound, "does not exist", CalleeScript::NotFound),
    ];
    kinds.into_iter().filter_map(|(kind, how, script)| Some((kind.callee()?, how, script))).collect()
}

/// A call to place.
#[derive(Debug, Clone, PartialEq)]
pub enum Planned {
    /// A call from outside, placed by the carrier.
    Inbound(Kind, CallScript),
    /// A call that the node places because the simulation requests it.
    Outbound(Kind),
}

/// One round of calls, in which every important kind occurs. Its first call stays first.
const DECK: [Kind; 19] = [
    Kind::ConversationService,
    Kind::ConversationService,
    Kind::ConversationService,
    Kind::Presses,
    Kind::Presses,
    Kind::WalksMenus,
    Kind::WalksMenus,
    Kind::LeavesMenu,
    Kind::Mistypes,
    Kind::StaysSilent,
    Kind::HangsUp,
    Kind::Waits,
    Kind::Abandons,
    Kind::Misdials,
    Kind::IsRefused,
    Kind::Answers,
    Kind::IsHungUpOn,
    Kind::Busy,
    Kind::NoAnswer,
];
/// Rare kinds; the last call of each round is one of them.
const RARE: [Kind; 3] = [Kind::Machine, Kind::Rejects, Kind::NotFound];
/// First of the random streams that no call uses.
const ROUNDS: u64 = 1 << 40;
const CALLS: u64 = 1 << 41;

/// The call with this number, counted from 0. The first one is always a caller who talks.
pub fn planned(seed: u64, number: u32) -> Planned {
    let round_length = DECK.len() as u32 + 1;
    let kind = round(seed, number / round_length)[(number % round_length) as usize];
    if kind.callee().is_some() {
        return Planned::Outbound(kind);
    }
    Planned::Inbound(kind, caller(kind, &mut SeededRandom::new(seed, CALLS + u64::from(number))))
}

fn round(seed: u64, number: u32) -> Vec<Kind> {
    let mut dice = SeededRandom::new(seed, ROUNDS + u64::from(number));
    let mut cards = DECK.to_vec();
    cards.push(RARE[number as usize % RARE.len()]);
    // the first stays where it is
    for last in (2..cards.len()).rev() {
        cards.swap(last, 1 + below(&mut dice, last as u64) as usize);
    }
    cards
}

fn caller(kind: Kind, dice: &mut SeededRandom) -> CallScript {
    let from = fictional_number(dice.next());
    let to = match kind {
        Kind::Misdials => UNKNOWN_NUMBER,
        Kind::IsRefused => REFUSING_NUMBER,
        Kind::WalksMenus | Kind::LeavesMenu | Kind::Mistypes | Kind::StaysSilent => CLINIC_NUMBER,
        _ => OUR_NUMBER,
    };
    let script = CallScript::new(from, to);
    let seconds = |dice: &mut SeededRandom, most| Duration::from_secs(1 + below(dice, most));
    match kind {
        Kind::ConversationService => {
            script.talks(TALKS[below(dice, TALKS.len() as u64) as usize].iter().copied())
        }
        Kind::Presses => {
            let keys = ["1", "2", "0", "42#"][below(dice, 4) as usize];
            script.presses(keys).hangs_up_after(seconds(dice, 4))
        }
        Kind::WalksMenus => {
            let way: &[&str] = WAYS[below(dice, WAYS.len() as u64) as usize];
            way.iter().fold(script, |script, keys| script.presses(*keys))
        }
        Kind::LeavesMenu => script.presses("1").then(Step::HearOut).hangs_up_after(seconds(dice, 4)),
        Kind::Mistypes => ["7", "8", "6"].iter().fold(script, |script, key| script.presses(*key)),
        Kind::StaysSilent => (0..3).fold(script, |script, _| script.stays_silent()),
        Kind::HangsUp => script.hangs_up_after(seconds(dice, 4)),
        Kind::Waits => script.then(Step::HearOut).hangs_up_after(Duration::from_secs(12)),
        // a caller who is answered sooner hangs up then
        Kind::Abandons => {
            let ringing = Duration::from_millis(below(dice, 300));
            script.gives_up_after(ringing).hangs_up_after(Duration::from_secs(1))
        }
        _ => script,
    }
}

/// Keys that callers press in the clinic's menus, prompt by prompt.
const WAYS: [&[&str]; 5] = [
    &["1", "1", "2", "14#"],
    &["3", "1", "2", "4711"],
    &["*", "2", "20771#", "0", "1"],
    &["1", "9", "0", "1"],
    &["0", "1"],
];

/// Sentences that the callers say.
const TALKS: [&[&str]; 4] = [
    &["hello", "two tickets for tonight please", "thank you, that is all"],
    &["I would like to move my appointment", "Thursday at ten would be fine", "thanks, bye"],
    &["is anybody there?", "my parcel has not come", "the number is four seven one one"],
    &["good morning", "no, I will call again"],
];

fn below(dice: &mut SeededRandom, limit: u64) -> u64 {
    dice.next() % limit
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn kind(planned: &Planned) -> Kind {
        match planned {
            Planned::Inbound(kind, _) | Planned::Outbound(kind) => *kind,
        }
    }

    #[test]
    fn the_same_seed_places_the_same_calls_and_another_one_does_not() {
        let day = |seed| (0..200).map(|number| planned(seed, number)).collect::<Vec<_>>();
        assert_eq!(day(1), day(1));
        assert_ne!(day(1), day(2));
    }

    #[test]
    fn a_round_has_every_common_kind_and_three_rounds_have_all() {
        for seed in 0..20 {
            let kinds = |numbers: std::ops::Range<u32>| {
                numbers.map(|number| kind(&planned(seed, number))).collect::<BTreeSet<_>>()
            };
            assert_eq!(kinds(0..20).len(), DECK.iter().collect::<BTreeSet<_>>().len() + 1);
            assert_eq!(kinds(0..60).len(), 18);
        }
    }

    #[test]
    fn the_first_call_is_one_that_the_node_answers() {
        assert!((0..50).all(|seed| kind(&planned(seed, 0)) == Kind::ConversationService));
    }

    #[test]
    fn everybody_the_node_calls_has_a_number_and_a_script_of_their_own() {
        let numbers: BTreeSet<_> = callees().into_iter().map(|(number, ..)| number).collect();
        assert_eq!(numbers.len(), 7);
        let called = (0..60).filter_map(|number| kind(&planned(3, number)).callee());
        assert!(called.into_iter().all(|number| numbers.contains(number)));
    }
}
