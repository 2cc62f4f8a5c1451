//! Amounts of money in bodies.

use domain::billing::Currency;
use projections::calls::MoneyView;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::problem::Fields;

/// An amount of money in integer micro-units.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAmount)]
pub(crate) struct MoneyBody {
    /// Millionths of the currency's unit: 5 000 000 is 5.
    #[schema(example = 5_000_000)]
    pub(super) amount_micros: i64,
    /// Currency as an ISO 4217 code.
    #[schema(example = "USD")]
    pub(super) currency: String,
}

impl MoneyBody {
    /// Millionths above zero and the currency; notes a fault otherwise.
    pub(super) fn positive(&self, fields: &mut Fields) -> Option<(i64, Currency)> {
        if self.amount_micros <= 0 {
            fields.fault("amount.amount_micros", "invalid", "give an amount above zero, in millionths");
        }
        let currency = fields.keep("amount.currency", self.currency.parse())?;
        (self.amount_micros > 0).then_some((self.amount_micros, currency))
    }
}

/// An amount for an answer.
pub(super) fn money(amount_micros: i64, currency: &str) -> MoneyView {
    MoneyView { amount_micros, currency: currency.to_owned() }
}
