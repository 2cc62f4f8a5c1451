//! What deliveries to clients may reach.

use super::setting::section;

section! {
    /// Outbound webhooks.
    pub struct WebhooksConfig {
        /// Deliver to private and loopback addresses and over plain `http`.
        allow_private: bool = "webhooks.allow_private", "false";
    }
}
