//! Which call a carrier's leg belongs to.
//!
//! A leg is bound once, by the node that learns of it first: the stream's name derives from the carrier's
//! leg id, and the check of the expected version settles races between nodes and between webhooks that
//! arrive out of order.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::call::report::LegRole;
use crate::envelope::Time;
use crate::ids::{CallId, ClientId, LegId};
use crate::wire::events;

events! {
    pub enum LegEvent {
        Bound(LegBound) = "carrier_leg.bound" v 1,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegBound {
    pub call: CallId,
    pub client: ClientId,
    /// Which leg of the call it is.
    pub role: LegRole,
    /// When a node first learned of the leg.
    #[serde(with = "micros")]
    pub at: Time,
    /// Whether a webhook of the client's own carrier account bound it. Such a binding merges no other client's call.
    #[serde(default, skip_serializing_if = "is_false")]
    pub own_account: bool,
    /// The call that this name of the leg led to before. If it began by itself, as a leg of unknown origin, it is to
    /// be merged into `call`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<CallId>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl LegBound {
    /// The binding of a name that led elsewhere until now, or nowhere.
    #[must_use]
    pub fn in_place_of(self, before: Option<LegBound>) -> Self {
        let moved = before.filter(|before| before.call != self.call);
        // whoever signs the webhooks of one account could else put words into the calls of another client
        let moved = moved.filter(|before| before.client == self.client || !before.own_account);
        Self { instead_of: moved.map(|before| before.call), ..self }
    }
}

const NAMESPACE: Uuid = Uuid::from_u128(0x6e1b_52f0_93c4_4a0e_8f0d_2d6c_7a11_5b01);

impl LegId {
    /// The id of a carrier's leg: always the same for the same provider and leg (RFC 9562 §5.5).
    #[must_use]
    pub fn of(provider: &str, leg_id: &str) -> Self {
        Self(Uuid::new_v5(&NAMESPACE, format!("{provider}\n{leg_id}").as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::CarrierEventId;

    /// Streams are named by these ids: another derivation would lose every leg and every webhook there is.
    #[test]
    fn ids_of_legs_and_webhooks_never_change() {
        let of = |id: Uuid| id.to_string();
        assert_eq!(
            of(LegId::of("telnyx", "0c9f1c52-f1f6-11f0-9a11-02420a0f0001").0),
            "1aa062ea-ff07-55e0-9a90-fd2a55454da7"
        );
        assert_eq!(
            of(CarrierEventId::of("telnyx", "5b0f8c1e-2f7a-4f0a-9c55-0d9f3b6a7e10").0),
            "d507bda1-1b7f-5e73-8b51-99b01885a540"
        );
        assert_eq!(
            of(crate::ids::derive(Uuid::from_u128(7), "reconcile")),
            "d6e2614a-2b45-5b0a-9389-cbc5644bebff"
        );
    }

    #[test]
    fn legs_of_two_carriers_differ_even_under_one_name() {
        assert_ne!(LegId::of("telnyx", "leg"), LegId::of("another", "leg"));
        assert_ne!(LegId::of("a", "b\nc").stream(), LegId::of("a", "bc").stream());
        assert_eq!(LegId::of("telnyx", "leg"), LegId::of("telnyx", "leg"));
        // a leg and an event of the same name are two streams
        assert_ne!(LegId::of("telnyx", "x").0, CarrierEventId::of("telnyx", "x").0);
    }
}
