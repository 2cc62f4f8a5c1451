//! A claim reserves a value that only one resource may have in the whole installation, such as an e-mail address.
//!
//! The stream's name is a keyed hash of the value, so that it does not reveal the value. The first append wins:
//! the store's check of the expected version decides.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::aggregate::Aggregate;
use crate::envelope::Time;
use crate::wire::events;

events! {
    pub enum UniqueNameEvent {
        Taken(UniqueNameTaken) = "claim.taken" v 1,
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UniqueNameTaken {
    /// Id of the resource that holds the value.
    pub owner: Uuid,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, Copy)]
pub enum UniqueNameCommand {
    Take {
        /// Id of the resource that takes the value.
        owner: Uuid,
        /// The holder it may be taken from, because that was never created or is deleted. Equal to `owner`: renews
        /// the owner's own claim as of `now`.
        instead_of: Option<Uuid>,
        now: Time,
    },
    /// Takes the value from a holder that has it since exactly this time, and no longer needs it.
    TakeOver { owner: Uuid, from: Uuid, since: Time, now: Time },
}

/// Another resource holds the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("somebody has it already")]
pub struct UniqueNameRefusal {
    pub owner: Uuid,
    pub since: Time,
}

/// State of a claim, folded from its events.
#[derive(Debug, Clone, Default)]
pub struct UniqueName {
    owner: Option<(Uuid, Time)>,
}

impl Aggregate for UniqueName {
    const CATEGORY: &'static str = "claim";
    type Command = UniqueNameCommand;
    type Event = UniqueNameEvent;
    type Refusal = UniqueNameRefusal;

    fn decide(&self, command: &UniqueNameCommand) -> Result<Vec<UniqueNameEvent>, UniqueNameRefusal> {
        match (*command, self.owner) {
            (UniqueNameCommand::TakeOver { from, since, .. }, Some((has, at)))
                if (has, at) != (from, since) =>
            {
                Err(UniqueNameRefusal { owner: has, since: at })
            }
            (UniqueNameCommand::Take { owner, instead_of, .. }, Some((has, _)))
                if has == owner && instead_of != Some(has) =>
            {
                Ok(vec![])
            }
            (UniqueNameCommand::Take { instead_of, .. }, Some((has, since))) if instead_of != Some(has) => {
                Err(UniqueNameRefusal { owner: has, since })
            }
            (
                UniqueNameCommand::Take { owner, now, .. } | UniqueNameCommand::TakeOver { owner, now, .. },
                _,
            ) => Ok(vec![UniqueNameTaken { owner, at: now }.into()]),
        }
    }

    fn evolve(&mut self, event: &UniqueNameEvent) {
        let UniqueNameEvent::Taken(taken) = event;
        self.owner = Some((taken.owner, taken.at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::calls::at;
    use crate::testing::scenario::scenario;

    const ANN: Uuid = Uuid::from_u128(1);
    const BOB: Uuid = Uuid::from_u128(2);

    fn take(owner: Uuid, instead_of: Option<Uuid>, seconds: i64) -> UniqueNameCommand {
        UniqueNameCommand::Take { owner, instead_of, now: at(seconds) }
    }

    #[test]
    fn one_has_it_and_is_told_so_again() {
        let ann = scenario::<UniqueName>().when(take(ANN, None, 1));
        let ann = ann.then([UniqueNameTaken { owner: ANN, at: at(1) }.into()]).and();
        ann.clone().when(take(ANN, None, 2)).then_nothing();
        ann.when(take(BOB, None, 2)).then_refused(UniqueNameRefusal { owner: ANN, since: at(1) });
    }

    #[test]
    fn it_is_taken_from_whoever_was_named_and_nobody_else() {
        let ann = scenario::<UniqueName>().after([take(ANN, None, 1)]);
        ann.clone().when(take(BOB, Some(ANN), 2)).then_types(["claim.taken"]);
        let other = Some(Uuid::from_u128(3));
        ann.when(take(BOB, other, 2)).then_refused(UniqueNameRefusal { owner: ANN, since: at(1) });
    }

    #[test]
    fn it_is_taken_over_unless_the_holder_wanted_it_again_meanwhile() {
        let over = |since, now| UniqueNameCommand::TakeOver {
            owner: BOB,
            from: ANN,
            since: at(since),
            now: at(now),
        };
        let ann = scenario::<UniqueName>().after([take(ANN, None, 1)]);
        ann.clone().when(over(1, 90)).then([UniqueNameTaken { owner: BOB, at: at(90) }.into()]);
        let again = ann.after([take(ANN, Some(ANN), 80)]);
        again.when(over(1, 90)).then_refused(UniqueNameRefusal { owner: ANN, since: at(80) });
    }

    #[test]
    fn whoever_has_it_may_have_it_anew() {
        let ann = scenario::<UniqueName>().after([take(ANN, None, 1)]).when(take(ANN, Some(ANN), 90));
        let anew = ann.then([UniqueNameTaken { owner: ANN, at: at(90) }.into()]).and();
        anew.when(take(BOB, None, 91)).then_refused(UniqueNameRefusal { owner: ANN, since: at(90) });
    }
}
