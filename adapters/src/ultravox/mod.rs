//! Ultravox, a hosted voice runtime: webhooks in, calls and copies of agents out.

mod agents;
mod calls;
mod clean;
mod client;
mod event;
mod pace;
mod signature;

pub use client::{BadUltravoxConfig, Callbacks, Medium, UltravoxClient, UltravoxConfig, UltravoxLimits};
pub use event::{NotJson, UltravoxEvent, parse};
pub use signature::{
    SIGNATURE_HEADER, SignatureError, SignedParts, TIMESTAMP_HEADER, callback_secret, sign, verify,
};

/// Code of a command to a call that the account does not know.
pub const UNKNOWN_CALL: &str = "unknown_call";
/// The value of [`domain::call::report::CarrierReport::provider`] for Ultravox.
pub const PROVIDER: &str = "ultravox";
