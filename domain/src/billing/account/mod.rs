//! The credit account of a client: a ledger of transactions that balance.
//!
//! What repeats changes nothing: a call is held for and charged once, a purchase is credited once, refunds and disputes
//! are told by what they add up to.

mod draft;
mod event;
mod rules;
#[cfg(test)]
mod tests;

pub use event::{
    CreditAlert, CreditEvent, CreditsExhausted, CreditsLow, Posted, Source, SourceKind, SumsConfirmed,
    TransactionKind,
};
pub use rules::{Change, CreditAccount, CreditCommand, CreditOutcome, CreditRefusal, CreditRequest};

use crate::ids::{ClientId, CreditAccountId};

impl CreditAccountId {
    /// The account of a client: each has one.
    #[must_use]
    pub fn of(client: ClientId) -> Self {
        Self(client.0)
    }

    /// The client whose account it is.
    #[must_use]
    pub fn client(self) -> ClientId {
        ClientId(self.0)
    }
}
