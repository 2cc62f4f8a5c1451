//! Stripe, where clients buy credit: its Checkout Sessions and its webhooks.

mod client;
mod event;
mod signature;

pub use client::{StripeClient, StripeConfig};
pub use event::{BadEvent, StripeEvent, StripeFact, parse};
pub use signature::{SIGNATURE_HEADER, SignatureError, sign, verify};

/// Name of the provider.
pub const PROVIDER: &str = "stripe";
/// Version of the API that requests name and that events are expected in.
pub const API_VERSION: &str = "2026-07-29.dahlia";
