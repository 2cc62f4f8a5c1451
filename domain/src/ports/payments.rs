//! A payment provider, where clients buy credit.

use std::fmt;

use async_trait::async_trait;

use crate::billing::Currency;
use crate::ids::{CheckoutId, ClientId};

/// A page to open where a client pays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPaymentPage {
    /// Also the idempotency key towards the provider: the same checkout has one page.
    pub checkout: CheckoutId,
    pub client: ClientId,
    /// Amount in the smallest units of the currency, above zero.
    pub minor_units: i64,
    pub currency: Currency,
    /// Where the payer goes after the payment.
    pub success_url: String,
    /// Where the payer goes to turn back.
    pub cancel_url: String,
}

/// A page that the provider opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentPage {
    /// The provider's id of it.
    pub session: String,
    /// Address of the page.
    pub url: String,
}

/// Why no page was opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaymentError {
    /// The provider refuses; trying again does not help. Its code, without any content.
    #[error("the payment provider refused: {0}")]
    Refused(String),
    /// The provider cannot be reached, or its answer was lost. With the same checkout it may be asked again.
    #[error("the payment provider did not answer: {0}")]
    Unavailable(String),
}

impl PaymentError {
    /// A short code for events and clients.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Refused(code) => code,
            Self::Unavailable(_) => "unavailable",
        }
    }
}

/// An account with a payment provider.
#[async_trait]
pub trait PaymentProvider: fmt::Debug + Send + Sync {
    /// Name of the provider, for example `stripe`.
    fn provider(&self) -> &'static str;

    /// Whether its account takes real money; `None`: unknown.
    fn is_live(&self) -> Option<bool>;

    /// Opens a page. Asked again for the same checkout, it answers with the same page.
    async fn open(&self, page: &NewPaymentPage) -> Result<PaymentPage, PaymentError>;
}
