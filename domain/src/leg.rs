//! Which call a carrier's leg belongs to.
//!
//! A leg is bound once, by whichever node hears of it first: the stream is named by the carrier's leg id, and
//! the version check of the log settles races between nodes and between webhooks that arrive out of order.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::call::report::LegRole;
use crate::envelope::Time;
use crate::ids::{CallId, ClientId, LegId};
use crate::wire::events;

events! {
    /// A fact of a leg.
    pub enum LegEvent {
        /// It belongs to this call.
        Bound(LegBound) = "carrier_leg.bound" v 1,
    }
}

/// See [`LegEvent::Bound`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegBound {
    /// The call.
    pub call: CallId,
    /// Whose it is.
    pub client: ClientId,
    /// Which of its legs.
    pub role: LegRole,
    /// When we first heard of it.
    #[serde(with = "micros")]
    pub at: Time,
}

const NAMESPACE: Uuid = Uuid::from_u128(0x6e1b_52f0_93c4_4a0e_8f0d_2d6c_7a11_5b01);

impl LegId {
    /// The id of a carrier's leg: always the same for the same provider and leg (RFC 9562 §5.5).
    #[must_use]
    pub fn of(provider: &str, leg_id: &str) -> Self {
        Self(Uuid::new_v5(&NAMESPACE, format!("{provider}\n{leg_id}").as_bytes()))
    }
}
