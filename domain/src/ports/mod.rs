//! What the rules' surroundings must offer, as small traits whose docs are the contract.
//!
//! Each port owns its conformance suite (feature `conformance`); every adapter runs it.

pub mod clock;
pub mod event_store;
pub mod ids;
pub mod telephony;

#[cfg(feature = "conformance")]
pub mod conformance;
