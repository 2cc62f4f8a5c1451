//! Credits and costs: a ledger for each client, the prices, what a call costs, and purchases of credit.
//!
//! ```text
//! call ended ─▶ usage ─▶ prices in force then ─▶ items ─┐
//! call placed ─▶ estimate ─▶ hold ──────────────────────┼─▶ credit account: postings that balance
//! checkout paid, refunded, disputed ────────────────────┘
//! ```
//!
//! Amounts are integers of millionths with a currency. An account has one currency.

pub mod account;
pub mod checkout;
mod currency;
mod entry;
pub mod matching;
pub mod payment;
mod price;
pub mod price_book;
mod rating;
mod terms;

pub use currency::{Currency, UnknownCurrency};
pub use entry::{Balances, Component, Entry, LedgerAccount, Side, Unbalanced};
pub use price::{Price, PriceFault, Rounding, Unit};
pub use rating::{CallUsage, CostItem, Rated, estimate, rate};
pub use terms::{BillingTerms, BillingTermsPatch, MOST_CREDIT};
