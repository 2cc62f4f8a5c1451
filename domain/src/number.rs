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
    IvrMenu {
        id: MenuId,
    },
    /// To an agent; the client's default agent when none is named.
    Agent {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<AgentId>,
    },
    /// The call is refused.
    Reject,
}

events! {
    pub enum NumberEvent {
        Added(NumberAdded) = "number.added" v 1,
        Rerouted(NumberRerouted) = "number.rerouted" v 1,
        Removed(NumberRemoved) = "number.removed" v 1,
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumberAdded {
    /// The client's own line, encrypted like personal data.
    pub number: Personal<E164>,
    pub route: Route,
    /// Whether the number is from the client's own account with a carrier, and the client added it itself.
    /// Otherwise it is from the node's account, and only the platform assigns it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own_account: bool,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumberRerouted {
    /// The route before; `None` in events of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Route>,
    /// The route from now on.
    pub route: Route,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumberRemoved {
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone)]
pub enum NumberCommand {
    Add { number: E164, route: Route, own_account: bool, now: Time },
    Reroute { route: Route, now: Time },
    Remove { now: Time },
}

/// Why the number refuses a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumberRefusal {
    /// The number was never added, or is removed.
    #[error("the number does not exist")]
    Unknown,
    #[error("the number exists already")]
    Exists,
}

/// State of a number, folded from its events.
#[derive(Debug, Clone, Default)]
pub struct Number {
    /// Number and route at the time it was added.
    added: Option<(Personal<E164>, Route)>,
    route: Option<Route>,
    removed: bool,
}

impl Number {
    fn live(&self) -> Result<Route, NumberRefusal> {
        self.route.filter(|_| !self.removed).ok_or(NumberRefusal::Unknown)
    }

    /// Whether the number is in use because of this very request.
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
        // the request stays fulfilled, whatever was asked of the number since
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
