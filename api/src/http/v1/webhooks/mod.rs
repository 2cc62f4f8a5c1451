//! Webhooks from carriers. They carry no API key: their signature is their credential.

pub mod telnyx;
