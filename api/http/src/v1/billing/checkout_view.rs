//! A purchase of credit, as clients see it.

use domain::billing::checkout::{Checkout, CheckoutRefusal, CheckoutStatus};
use domain::envelope::Time;
use domain::ids::CheckoutId;
use projections::calls::MoneyView;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::commands::AsProblem;
use super::money::money;
use crate::EdgeId;
use crate::problem::ApiError;

/// A purchase of credit.
#[derive(Serialize, ToSchema)]
#[schema(as = Checkout)]
pub(crate) struct CheckoutView {
    /// Id of the checkout: TypeID `chk_…`.
    #[schema(value_type = String)]
    id: EdgeId<CheckoutId>,
    /// Where the purchase stands. `mismatched`: it was paid otherwise than asked, and nothing was credited.
    #[schema(value_type = projections::words::CheckoutStatus)]
    status: CheckoutStatus,
    /// Page where it is paid, while it is open.
    #[schema(required)]
    url: Option<String>,
    /// Amount that is to pay.
    amount: MoneyView,
    /// What did not fit what was asked for.
    #[schema(value_type = Vec<projections::words::CheckoutMismatch>)]
    mismatches: Vec<&'static str>,
    /// When it was asked for.
    #[serde(with = "projections::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
}

impl CheckoutView {
    /// `None` before the checkout exists.
    pub(super) fn of(id: CheckoutId, checkout: &Checkout) -> Option<Self> {
        let (amount, currency) = checkout.asked()?;
        Some(Self {
            id: EdgeId(id),
            status: checkout.status()?,
            url: checkout.url().map(str::to_owned),
            amount: money(amount, currency.as_str()),
            mismatches: checkout.mismatches().iter().map(|mismatch| mismatch.as_str()).collect(),
            created_at: checkout.created_at()?,
        })
    }
}

impl AsProblem for CheckoutRefusal {
    const KIND: &'static str = "checkout";

    fn as_problem(&self) -> ApiError {
        match self {
            CheckoutRefusal::Unknown => ApiError::not_found(Self::KIND),
            CheckoutRefusal::Exists => ApiError::conflict(self.to_string()),
            CheckoutRefusal::Amount => ApiError::invalid("amount.amount_micros", "invalid", self.to_string()),
        }
    }
}
