//! Whether a client pays in advance, and how far it may go.

use serde::{Deserialize, Serialize};

/// Most credit that is granted at once, and longest credit line, in millionths.
pub const MOST_CREDIT: i64 = 1_000_000_000_000_000;

/// Terms of a client's credit. By default a client is not prepaid: nothing is refused for want of credit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillingTerms {
    /// Whether calls need cover before they are placed or taken.
    #[serde(default)]
    pub prepaid: bool,
    /// How far below zero the credit may go, in millionths; 0 or more.
    #[serde(default)]
    pub credit_line: i64,
    /// The client is told once the credit falls to this, in millionths; `None`: it is not told.
    #[serde(default)]
    pub low_at: Option<i64>,
}

/// Changes to terms: `None` leaves a field as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BillingTermsPatch {
    pub prepaid: Option<bool>,
    pub credit_line: Option<i64>,
    pub low_at: Option<Option<i64>>,
}

impl BillingTerms {
    /// These terms with `patch` applied.
    #[must_use]
    pub fn patched(self, patch: BillingTermsPatch) -> Self {
        Self {
            prepaid: patch.prepaid.unwrap_or(self.prepaid),
            credit_line: patch.credit_line.unwrap_or(self.credit_line),
            low_at: patch.low_at.unwrap_or(self.low_at),
        }
    }

    /// Whether the amounts are possible: a credit line is not negative.
    #[must_use]
    pub fn are_possible(&self) -> bool {
        (0..=MOST_CREDIT).contains(&self.credit_line)
    }
}
