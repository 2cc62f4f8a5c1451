//! Signed carrier webhooks.
