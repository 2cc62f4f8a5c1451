//! Facts of a credit account.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::currency::Currency;
use super::super::entry::{Entry, LedgerAccount, Side};
use super::super::rating::CostItem;
use crate::envelope::Time;
use crate::ids::{AgentId, TransactionId};
use crate::wire::events;

events! {
    pub enum CreditEvent {
        Posted(Posted) = "credit_account.posted" v 1,
        /// Newer sums of a call or of a payment are those that are known.
        Confirmed(SumsConfirmed) = "credit_account.sums_confirmed" v 1,
        /// The credit fell to the client's limit for being told.
        Low(CreditsLow) = "credit_account.low" v 1,
        /// The credit fell to the end of the credit line.
        Exhausted(CreditsExhausted) = "credit_account.exhausted" v 1,
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// What a transaction is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum TransactionKind { $($(#[$doc])* #[serde(rename = $word)] $name,)* }

        impl TransactionKind {
            pub const ALL: &'static [TransactionKind] = &[$(TransactionKind::$name,)*];

            /// Name as stored and shown, for example `usage`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(TransactionKind::$name => $word,)* }
            }
        }
    };
}

kinds! {
    Purchase = "purchase",
    /// What a call cost.
    Usage = "usage",
    /// Credit kept for a call.
    Hold = "hold",
    /// Credit that was kept for a call, and no longer is.
    Release = "release",
    Grant = "grant",
    Refund = "refund",
    /// A bank claimed a payment back, or gave it back again.
    Dispute = "dispute",
    /// Corrects the transaction that it names.
    Correction = "correction",
}

/// The kind of thing that a transaction is because of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    Call,
    Checkout,
    Grant,
}

/// What a transaction is because of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Source {
    pub kind: SourceKind,
    pub id: Uuid,
}

/// A transaction. Its entries balance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Posted {
    pub id: TransactionId,
    pub kind: TransactionKind,
    pub source: Source,
    /// The transaction that this one corrects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrects: Option<TransactionId>,
    /// Version of what the amounts were taken from: of a call and its conversation added up, or of a payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<u64>,
    pub currency: Currency,
    pub entries: Vec<Entry>,
    /// Credit that may be spent afterwards, in millionths.
    pub available_after: i64,
    /// Credit kept for calls afterwards, in millionths.
    pub held_after: i64,
    /// Whether it is the first credit kept for its call.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub opens: bool,
    /// What a call cost: quantities and the prices at that time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<CostItem>,
    /// Agent of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// Why the platform granted credit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(with = "micros")]
    pub at: Time,
}

impl Posted {
    /// How much the transaction credited an account, less what it debited, in millionths.
    #[must_use]
    pub fn net(&self, account: LedgerAccount) -> i64 {
        let of = self.entries.iter().filter(|entry| entry.account == account);
        of.fold(0, |sum, entry| match entry.side {
            Side::Debit => sum - entry.micros,
            Side::Credit => sum + entry.micros,
        })
    }

    /// How much the client's credit grew, held credit included; negative when it shrank. In millionths.
    #[must_use]
    pub fn amount(&self) -> i64 {
        self.net(LedgerAccount::Available) + self.net(LedgerAccount::Held)
    }
}

/// The sums of a call or of a purchase are the same at a newer version: older ones that come later change nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SumsConfirmed {
    pub source: Source,
    /// Version of what the sums were taken from, as in [`Posted::seen`].
    pub seen: u64,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CreditsLow(pub CreditAlert);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CreditsExhausted(pub CreditAlert);

/// The credit fell to a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditAlert {
    /// Credit afterwards, held credit included, in millionths.
    pub credit: i64,
    /// The limit, in millionths.
    pub limit: i64,
    pub currency: Currency,
    #[serde(with = "micros")]
    pub at: Time,
}
