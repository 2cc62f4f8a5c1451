//! A claim: what only one may have in the whole node, such as an e-mail address.
//!
//! The stream is named by a keyed hash of the value, so that the name tells nobody what is claimed. Whoever
//! appends first has it; the store's version check is the only judge.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::aggregate::Aggregate;
use crate::envelope::Time;
use crate::wire::events;

events! {
    /// A fact of a claim.
    pub enum ClaimEvent {
        /// Somebody has it.
        Taken(ClaimTaken) = "claim.taken" v 1,
    }
}

/// See [`ClaimEvent::Taken`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClaimTaken {
    /// The id of the resource that has it.
    pub owner: Uuid,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// What may be asked of a claim.
#[derive(Debug, Clone, Copy)]
pub enum ClaimCommand {
    /// Have it.
    Take {
        /// For whom.
        owner: Uuid,
        /// From whom it may be taken: somebody who never came to be, or is no more. The same as `owner` to have it
        /// anew from `now`.
        instead_of: Option<Uuid>,
        /// Now.
        now: Time,
    },
}

/// Why a claim is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("somebody has it already")]
pub struct ClaimRefusal {
    /// Who.
    pub owner: Uuid,
    /// Since when.
    pub since: Time,
}

/// A claim, as its rules see it.
#[derive(Debug, Clone, Default)]
pub struct Claim {
    owner: Option<(Uuid, Time)>,
}

impl Aggregate for Claim {
    const CATEGORY: &'static str = "claim";
    type Command = ClaimCommand;
    type Event = ClaimEvent;
    type Refusal = ClaimRefusal;

    fn decide(&self, command: &ClaimCommand) -> Result<Vec<ClaimEvent>, ClaimRefusal> {
        match (*command, self.owner) {
            (ClaimCommand::Take { owner, instead_of, .. }, Some((has, _)))
                if has == owner && instead_of != Some(has) =>
            {
                Ok(vec![])
            }
            (ClaimCommand::Take { instead_of, .. }, Some((has, since))) if instead_of != Some(has) => {
                Err(ClaimRefusal { owner: has, since })
            }
            (ClaimCommand::Take { owner, now, .. }, _) => Ok(vec![ClaimTaken { owner, at: now }.into()]),
        }
    }

    fn evolve(&mut self, event: &ClaimEvent) {
        let ClaimEvent::Taken(taken) = event;
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

    fn take(owner: Uuid, instead_of: Option<Uuid>, seconds: i64) -> ClaimCommand {
        ClaimCommand::Take { owner, instead_of, now: at(seconds) }
    }

    #[test]
    fn one_has_it_and_is_told_so_again() {
        let ann = scenario::<Claim>().when(take(ANN, None, 1));
        let ann = ann.then([ClaimTaken { owner: ANN, at: at(1) }.into()]).and();
        ann.clone().when(take(ANN, None, 2)).then_nothing();
        ann.when(take(BOB, None, 2)).then_refused(ClaimRefusal { owner: ANN, since: at(1) });
    }

    #[test]
    fn it_is_taken_from_whoever_was_named_and_nobody_else() {
        let ann = scenario::<Claim>().after([take(ANN, None, 1)]);
        ann.clone().when(take(BOB, Some(ANN), 2)).then_types(["claim.taken"]);
        let other = Some(Uuid::from_u128(3));
        ann.when(take(BOB, other, 2)).then_refused(ClaimRefusal { owner: ANN, since: at(1) });
    }

    #[test]
    fn whoever_has_it_may_have_it_anew() {
        let ann = scenario::<Claim>().after([take(ANN, None, 1)]).when(take(ANN, Some(ANN), 90));
        let anew = ann.then([ClaimTaken { owner: ANN, at: at(90) }.into()]).and();
        anew.when(take(BOB, None, 91)).then_refused(ClaimRefusal { owner: ANN, since: at(90) });
    }
}
