//! What the carrier and what we know of a call, as far as the match needs it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::currency::Currency;
use crate::envelope::Time;
use crate::ids::{CallId, derive};

/// Namespace of ids that are made from a carrier's ids.
const MADE: Uuid = Uuid::from_u128(0x6b1f_0c52_93d4_4d0e_8a57_2f4e_10c3_7a91);

/// A carrier's id of a leg or a session: the id itself where it is a UUID, and otherwise one made from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CarrierId(pub Uuid);

impl CarrierId {
    /// The same text always makes the same id.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let own = Some(text).filter(|text| text.len() == 36).and_then(|text| Uuid::try_parse(text).ok());
        Self(own.unwrap_or_else(|| derive(MADE, text)))
    }
}

/// An amount that was charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Charge {
    /// Millionths of the currency.
    pub micros: i64,
    /// `None`: it is unknown, or there are several. Such a charge is equal to no other.
    pub currency: Option<Currency>,
}

impl Charge {
    /// Whether something was charged.
    #[must_use]
    pub fn is_some(self) -> bool {
        self.micros != 0
    }

    /// How much more this one is, in millionths; `None` when the currencies cannot be compared.
    #[must_use]
    pub fn beyond(self, other: Self) -> Option<i64> {
        let comparable = self.currency.is_some() && self.currency == other.currency;
        let free = self.micros == 0 || other.micros == 0;
        (comparable || free).then(|| self.micros.saturating_sub(other.micros))
    }
}

/// One record of the carrier's: a part of what it charges for a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CarrierRecord {
    pub leg: CarrierId,
    /// Id that all legs of a session share; `None` when the record has none.
    pub session: Option<CarrierId>,
    pub started_at: Time,
    /// Seconds from the answer to the end; `None` when the record does not say so.
    pub seconds: Option<u32>,
    /// Seconds that are charged, in the carrier's steps; `None` when the record does not say so.
    pub billed_seconds: Option<u32>,
    pub charge: Charge,
    /// Whether it says that it is of our connection. One that does not may be somebody else's on the same account: a call
    /// of ours may have it, and it is never listed by itself.
    pub is_ours: bool,
}

/// Who charges for a call, and whether it is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// The ledger has what it costs.
    Charged,
    /// Another application controls it: the carrier charges for it, the ledger does not.
    Foreign,
    /// It was merged into another call, which has its records.
    Merged,
}

/// A call as we know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OurCall {
    pub id: CallId,
    /// The carrier's id of the call's own leg; `None` when it never had one.
    pub leg: Option<CarrierId>,
    pub session: Option<CarrierId>,
    /// The connection that it went through, by which its account is known; `None` when nothing said so.
    pub connection: Option<CarrierId>,
    pub kind: CallKind,
    /// When it was requested, or first reported by the carrier.
    pub began_at: Time,
    pub answered: bool,
    pub ended: bool,
    /// Seconds from the answer to the end, a begun one counted.
    pub seconds: u32,
    /// What the carrier told us that it charged, all legs together; `None` until it did.
    pub told: Option<Charge>,
    /// What the ledger has as the carrier's cost; `None` when the call was never charged.
    pub ledger: Option<Charge>,
}
