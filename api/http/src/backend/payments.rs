//! The payment provider, and what verifies its webhooks.

use std::fmt;
use std::sync::Arc;

use domain::ports::payments::PaymentProvider;

/// The node's account with a payment provider.
#[derive(Clone)]
pub struct Payments {
    pub provider: Arc<dyn PaymentProvider>,
    /// Secrets that sign its webhooks: while one is being replaced there are two.
    pub webhook_secrets: Arc<[String]>,
}

impl fmt::Debug for Payments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payments").field("provider", &self.provider.provider()).finish_non_exhaustive()
    }
}
