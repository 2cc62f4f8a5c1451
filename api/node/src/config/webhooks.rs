//! Settings of webhook deliveries to clients.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::setting::section;
use super::value::{Days, Delays};

section! {
    /// Delivery of outbound webhooks.
    pub struct WebhooksConfig {
        /// Deliver to private and loopback addresses and over plain `http`.
        allow_private: bool = "webhooks.allow_private", "false";
        /// How long an endpoint may take to answer.
        timeout: Duration = "webhooks.timeout_ms", "15000";
        /// Waits before the second, third, … attempt of a delivery; each is spread by up to a fifth either way.
        retry_schedule: Delays = "webhooks.retry_schedule", "5s,30s,2m,10m,30m,2h,5h,10h,12h";
        /// Attempts under way at the same time, to all endpoints.
        concurrency: NonZeroUsize = "webhooks.concurrency", "512";
        /// Attempts under way at the same time to one healthy endpoint.
        endpoint_concurrency: NonZeroUsize = "webhooks.endpoint_concurrency", "64";
        /// How many days attempts, deliveries and public events are kept, at least 7. The log keeps
        /// the attempts for good.
        retention: Days = "webhooks.retention_days", "90";
    }
}
