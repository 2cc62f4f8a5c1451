//! A phone number of a client's, and where the calls to it go.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};

use crate::aggregate::Aggregate;
use crate::envelope::Time;
use crate::ids::{AgentId, MenuId};
use crate::personal::Personal;
use crate::phone::E164;
use crate::wire::events;

/// Where a call to a number goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Route {
    /// To an IVR menu.
    IvrMenu {
        /// Which.
        id: MenuId,
    },
    /// To an agent; the client's default agent when none is named.
    Agent {
        /// Which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<AgentId>,
    },
    /// Nowhere: the call is refused.
    Reject,
}

events! {
    /// A fact of a number's life.
    pub enum NumberEvent {
        /// The client took the number into use.
        Added(NumberAdded) = "number.added" v 1,
        /// Its calls go elsewhere.
        Rerouted(NumberRerouted) = "number.rerouted" v 1,
        /// The client gave it up.
        Removed(NumberRemoved) = "number.removed" v 1,
    }
}

/// See [`NumberEvent::Added`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumberAdded {
    /// The number. A client's own line is not a person's, yet it is kept like one.
    pub number: Personal<E164>,
    /// Where its calls go.
    pub route: Route,
    /// Whether it is one of the client's own account with a carrier, which the client took into use by itself. Else it
    /// is one of the node's account, which only the platform gives away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own_account: bool,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`NumberEvent::Rerouted`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumberRerouted {
    /// Where they went before; events of older versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Route>,
    /// Where its calls go now.
    pub route: Route,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`NumberEvent::Removed`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumberRemoved {
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// What may be asked of a number.
#[derive(Debug, Clone)]
pub enum NumberCommand {
    /// Take it into use.
    Add {
        /// The number.
        number: E164,
        /// Where its calls go.
        route: Route,
        /// See [`NumberAdded::own_account`].
        own_account: bool,
        /// Now.
        now: Time,
    },
    /// Send its calls elsewhere.
    Reroute {
        /// Where.
        route: Route,
        /// Now.
        now: Time,
    },
    /// Give it up.
    Remove {
        /// Now.
        now: Time,
    },
}

/// Why a number does not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumberRefusal {
    /// There is no such number, or not any more.
    #[error("the number does not exist")]
    Unknown,
    /// The stream is already a number.
    #[error("the number exists already")]
    Exists,
}

/// A number, as its rules see it.
#[derive(Debug, Clone, Default)]
pub struct Number {
    /// As it was taken into use.
    added: Option<(Personal<E164>, Route)>,
    route: Option<Route>,
    removed: bool,
}

impl Number {
    fn live(&self) -> Result<Route, NumberRefusal> {
        self.route.filter(|_| !self.removed).ok_or(NumberRefusal::Unknown)
    }

    /// Whether it is in use because of this very request.
    fn is_added_as(&self, number: &E164, route: Route) -> bool {
        let same = |(added, to): &(Personal<E164>, Route)| added.reveal() == Some(number) && *to == route;
        !self.removed && self.added.as_ref().is_some_and(same)
    }
}

impl Aggregate for Number {
    const CATEGORY: &'static str = crate::ids::NumberId::CATEGORY;
    type Command = NumberCommand;
    type Event = NumberEvent;
    type Refusal = NumberRefusal;

    fn decide(&self, command: &NumberCommand) -> Result<Vec<NumberEvent>, NumberRefusal> {
        match command {
            // the same request again is no news
            NumberCommand::Add { number, route, .. } if self.is_added_as(number, *route) => Ok(vec![]),
            NumberCommand::Add { .. } if self.added.is_some() => Err(NumberRefusal::Exists),
            NumberCommand::Add { number, route, own_account, now } => {
                let (number, own_account) = (number.clone().into(), *own_account);
                Ok(vec![NumberAdded { number, route: *route, own_account, at: *now }.into()])
            }
            NumberCommand::Reroute { route, now } => match self.live()? {
                before if before == *route => Ok(vec![]),
                before => Ok(vec![NumberRerouted { before: Some(before), route: *route, at: *now }.into()]),
            },
            NumberCommand::Remove { now } => {
                self.live()?;
                Ok(vec![NumberRemoved { at: *now }.into()])
            }
        }
    }

    fn evolve(&mut self, event: &NumberEvent) {
        match event {
            NumberEvent::Added(added) => {
                self.added = Some((added.number.clone(), added.route));
                self.route = Some(added.route);
            }
            NumberEvent::Rerouted(rerouted) => self.route = Some(rerouted.route),
            NumberEvent::Removed(_) => self.removed = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::calls::{AGENT, MENU, OUR_NUMBER, THEIR_NUMBER, at};
    use crate::testing::scenario::scenario;
    use crate::wire::DomainEvent as _;

    fn number() -> E164 {
        OUR_NUMBER.parse().unwrap()
    }

    fn add(route: Route, seconds: i64) -> NumberCommand {
        NumberCommand::Add { number: number(), route, own_account: false, now: at(seconds) }
    }

    fn reroute(route: Route, seconds: i64) -> NumberCommand {
        NumberCommand::Reroute { route, now: at(seconds) }
    }

    fn remove(seconds: i64) -> NumberCommand {
        NumberCommand::Remove { now: at(seconds) }
    }

    #[test]
    fn a_number_is_added_once() {
        let added = NumberAdded { number: number().into(), route: MENU, own_account: false, at: at(1) };
        let there = scenario::<Number>().when(add(MENU, 1)).then([added.into()]).and();
        there.clone().when(add(AGENT, 2)).then_refused(NumberRefusal::Exists);
        let number = THEIR_NUMBER.parse().unwrap();
        let other = NumberCommand::Add { number, route: MENU, own_account: false, now: at(2) };
        there.clone().when(other).then_refused(NumberRefusal::Exists);
        there.after([remove(2)]).when(add(MENU, 3)).then_refused(NumberRefusal::Exists);
    }

    #[test]
    fn the_very_same_request_for_a_number_again_is_no_news() {
        let there = scenario::<Number>().after([add(MENU, 1)]);
        there.clone().when(add(MENU, 2)).then_nothing();
        // what was asked for is so, whatever was asked of it since
        there.after([reroute(AGENT, 2)]).when(add(MENU, 3)).then_nothing();
    }

    #[test]
    fn a_number_is_rerouted_when_its_route_really_changes() {
        let there = scenario::<Number>().after([add(MENU, 1)]);
        there.clone().when(reroute(MENU, 2)).then_nothing();
        let fact = |before, route, seconds| NumberRerouted { before: Some(before), route, at: at(seconds) };
        let rerouted = there.when(reroute(Route::Reject, 2));
        let rerouted = rerouted.then([fact(MENU, Route::Reject, 2).into()]).and();
        rerouted.clone().when(reroute(Route::Reject, 3)).then_nothing();
        rerouted.when(reroute(MENU, 3)).then([fact(Route::Reject, MENU, 3).into()]);
    }

    #[test]
    fn a_number_that_is_gone_or_never_was_does_nothing() {
        let gone = scenario::<Number>().after([add(MENU, 1)]);
        let gone = gone.when(remove(2)).then([NumberRemoved { at: at(2) }.into()]).and();
        for nothing in [scenario::<Number>(), gone] {
            nothing.clone().when(reroute(AGENT, 3)).then_refused(NumberRefusal::Unknown);
            nothing.clone().when(reroute(MENU, 3)).then_refused(NumberRefusal::Unknown);
            nothing.when(remove(3)).then_refused(NumberRefusal::Unknown);
        }
    }

    #[test]
    fn a_rerouting_tells_the_route_before_where_it_is_known() {
        let older = NumberRerouted { before: None, route: MENU, at: at(2) };
        let newer = NumberRerouted { before: Some(AGENT), ..older.clone() };
        for event in [NumberEvent::from(older), newer.into()] {
            assert_eq!(NumberEvent::decode("number.rerouted", 1, &event.encode()), Ok(event));
        }
    }

    #[test]
    fn a_route_reads_as_the_edge_writes_it() {
        let read = |json: &str| serde_json::from_str::<Route>(json).ok();
        assert_eq!(read(r#"{"type":"agent"}"#), Some(AGENT));
        assert_eq!(read(r#"{"type":"reject"}"#), Some(Route::Reject));
        assert_eq!(serde_json::to_string(&AGENT).unwrap(), r#"{"type":"agent"}"#);
        assert_eq!(read(&serde_json::to_string(&MENU).unwrap()), Some(MENU));
        assert_eq!((read(r#"{"type":"ivr_menu"}"#), read(r#"{"type":"queue"}"#)), (None, None));
    }
}
