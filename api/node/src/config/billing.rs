//! Credit of clients, and the account with Stripe where they buy it.

use std::time::Duration;

use super::Secret;
use super::setting::section;
use super::value::HttpUrl;

section! {
    /// Cover of calls by credit, for clients that pay in advance.
    pub struct BillingConfig {
        /// How long a prepaid call must be covered for before it is placed or taken, and ahead while it lasts; at least 30 s.
        hold: Duration = "billing.hold_ms", "120000";
        /// How often the cover of a prepaid call under way is looked at.
        check: Duration = "billing.check_ms", "15000";
        /// What the caller hears before a call ends for want of credit.
        farewell: Option<String> = "billing.farewell", "Your credit is used up. Goodbye.";
    }
}

section! {
    /// The node's account with Stripe, where clients buy credit.
    pub struct StripeConfig {
        /// Secret or restricted key of the account; a restricted one needs to write Checkout Sessions.
        api_key: Option<Secret> = "stripe.api_key", "";
        /// Base URL of Stripe's API.
        api_base: HttpUrl = "stripe.api_base", "https://api.stripe.com";
        /// The secret that signs Stripe's webhooks (`whsec_…`); two with a comma while one is replaced.
        webhook_secret: Option<Secret> = "stripe.webhook_secret", "";
    }
}
