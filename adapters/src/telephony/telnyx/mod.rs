//! Telnyx Voice API, "Call Control" version 2: webhooks in, commands out.

mod active_calls;
mod client;
mod client_state;
mod detail_records;
mod event;
mod ingress;
mod rejection;
mod signature;

pub use client::{ApiKey, BadTelnyxConfig, TelnyxClient, TelnyxConfig};
pub use client_state::{decode_client_state, encode_client_state};
pub use ingress::{BadWebhook, Ingress, parse};
pub use signature::{
    BadKey, SIGNATURE_HEADER, SignatureError, SignedParts, Signer, TIMESTAMP_HEADER, TOLERANCE_SECS,
    WebhookVerifier,
};

/// The value of [`domain::call::report::CarrierReport::provider`] for Telnyx.
pub const PROVIDER: &str = "telnyx";
