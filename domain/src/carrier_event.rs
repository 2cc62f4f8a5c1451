//! A carrier's webhook that belongs to no call: kept, so that nothing a carrier says is ever lost.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use uuid::Uuid;

use crate::envelope::Time;
use crate::ids::CarrierEventId;
use crate::personal::Personal;
use crate::wire::events;

events! {
    pub enum CarrierInboxEvent {
        Received(InboxReceived) = "carrier_event.received" v 1,
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InboxReceived {
    /// Name of the carrier, for example `telnyx`.
    pub provider: String,
    /// The carrier's id of the event.
    pub event_id: String,
    /// The carrier's name of the event's type.
    pub event_type: String,
    /// When it happened, by the carrier's clock.
    #[serde(with = "micros")]
    pub occurred_at: Time,
    /// The webhook's body as received.
    pub raw: Personal<ByteBuf>,
}

const NAMESPACE: Uuid = Uuid::from_u128(0x1f6a_9d3e_5b7c_4c88_a1e2_90b4_3c55_7e02);

impl CarrierEventId {
    /// The id of a carrier's event: always the same for the same provider and event (RFC 9562 §5.5).
    #[must_use]
    pub fn of(provider: &str, event_id: &str) -> Self {
        Self(Uuid::new_v5(&NAMESPACE, format!("{provider}\n{event_id}").as_bytes()))
    }
}
