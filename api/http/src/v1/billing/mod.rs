//! REST endpoints of credit and costs, one file each.

pub mod balance;
mod checkout_view;
pub mod checkouts;
pub mod grant;
pub mod matches;
mod money;
pub mod month;
pub mod prices;
pub mod spend;
pub mod statement;
mod statement_html;
pub mod transactions;
pub mod usage;

use actors::billing::{CoverError, LedgerError};
use domain::billing::account::CreditRefusal;

use super::commands::AsProblem;
use crate::problem::{ApiError, Code};

impl AsProblem for CreditRefusal {
    const KIND: &'static str = "credit account";

    fn as_problem(&self) -> ApiError {
        match self {
            CreditRefusal::Insufficient { .. } => ApiError::new(Code::InsufficientCredits, self.to_string()),
            CreditRefusal::OtherCurrency(_) => {
                ApiError::invalid("amount.currency", "other_currency", self.to_string())
            }
            CreditRefusal::NotPositive | CreditRefusal::TooLarge | CreditRefusal::Overflow => {
                ApiError::invalid("amount.amount_micros", "invalid", self.to_string())
            }
            CreditRefusal::Reason => ApiError::invalid("reason", "invalid", self.to_string()),
            CreditRefusal::TooOld => ApiError::conflict(self.to_string()),
        }
    }
}

/// The answer to a request that the ledger did not take.
pub(super) fn refused(error: LedgerError) -> ApiError {
    super::commands::problem(error)
}

/// The answer to a call that its client's credit does not cover.
pub(super) fn uncovered(error: CoverError) -> ApiError {
    match error {
        CoverError::Insufficient { .. } => ApiError::new(Code::InsufficientCredits, error.to_string()),
        CoverError::Ledger(error) => refused(error),
        CoverError::OtherCurrency(_) => ApiError::conflict(error.to_string()),
        CoverError::TooMuch => ApiError::internal(error),
        error @ CoverError::Prices(_) => ApiError::unavailable(error),
    }
}

/// A word of a closed set, from a query.
fn word<T: Copy>(all: &[T], name: fn(T) -> &'static str, text: &str) -> Result<T, String> {
    let found = all.iter().copied().find(|one| name(*one) == text);
    found.ok_or_else(|| {
        let names: Vec<_> = all.iter().copied().map(name).collect();
        format!("give one of {}", names.join(", "))
    })
}
