//! The views of credit: what each client has, and every transaction of its ledger.

mod account;
mod matches;
mod queries;
#[cfg(test)]
mod tests;
mod transaction;

pub use account::{CreditAccountView, CreditAccounts};
pub use matches::{BillingMatches, MatchFilter, MatchQueries, MatchRow, MatchView};
pub use queries::{BillingQueries, Spending, SpendingBy, Totals, TransactionFilter};
pub use transaction::{
    CostItemView, CreditTransactions, EntryView, SourceView, TransactionRow, TransactionView, day_of,
};
