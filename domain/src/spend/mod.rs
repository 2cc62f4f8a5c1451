//! Limits of what calls may spend: of a client, of an API key, of an agent.
//!
//! ```text
//! PATCH /limits/spend ─▶ spend_limits-<client>: the limits
//! call to be placed ──┬▶ limits ─▶ admitted, or refused by the first limit that is reached
//! call charged ───────┴▶ spend_guard-<client>: what was admitted, what it cost, which limits were reached
//! ```
//!
//! A call that is admitted counts with an estimate until it is charged, so that calls placed at the same time do not
//! spend the same money twice.

mod destinations;
mod guard;
mod limits;
#[cfg(test)]
mod tests;

pub use destinations::{BadDestination, Destination, Destinations, target_of};
pub use guard::{
    Attempt, Breach, CallAdmitted, CallCharged, CallForgone, GuardCommand, LimitKind, LimitReached,
    SpendGuard, SpendGuardEvent, TransferAdmitted,
};
pub use limits::{
    SpendLimits, SpendLimitsChanged, SpendLimitsCommand, SpendLimitsEvent, SpendLimitsPatch, SpendRefusal,
    SpendRules, SpendScope,
};

use crate::ids::{ClientId, SpendGuardId, SpendLimitsId};

impl SpendLimitsId {
    /// The limits of a client: each has one stream of them.
    #[must_use]
    pub fn of(client: ClientId) -> Self {
        Self(client.0)
    }
}

impl SpendGuardId {
    /// The guard of a client: each has one.
    #[must_use]
    pub fn of(client: ClientId) -> Self {
        Self(client.0)
    }
}
