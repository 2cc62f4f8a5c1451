//! Entries of a double-entry ledger: a transaction's debits equal its credits, or it is none.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! components {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// A part of what a call costs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Component { $($(#[$doc])* #[serde(rename = $word)] $name,)* }

        impl Component {
            pub const ALL: &'static [Component] = &[$(Component::$name,)*];

            /// Name as stored and shown, for example `carrier`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Component::$name => $word,)* }
            }
        }
    };
}

components! {
    Carrier = "carrier",
    Stt = "stt",
    Llm = "llm",
    Tts = "tts",
    /// A voice runtime that leads the whole conversation.
    Runtime = "runtime",
    /// The platform's own fee.
    Platform = "platform",
}

/// An account of a client's ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LedgerAccount {
    /// Credit that the client may spend.
    Available,
    /// Credit kept for calls under way.
    Held,
    /// Earned for a part of calls.
    Revenue(Component),
    /// Spent on providers' services.
    ProviderCost,
    /// Owed to providers for them.
    Payable,
    /// Received from the client.
    Payments,
    /// Given to the client without payment.
    Bonus,
    /// Paid back to the client, or claimed back by a bank.
    Refunds,
}

impl fmt::Display for LedgerAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Available => f.write_str("available"),
            Self::Held => f.write_str("held"),
            Self::Revenue(component) => write!(f, "revenue:{}", component.as_str()),
            Self::ProviderCost => f.write_str("provider_cost"),
            Self::Payable => f.write_str("payable"),
            Self::Payments => f.write_str("payments"),
            Self::Bonus => f.write_str("bonus"),
            Self::Refunds => f.write_str("refunds"),
        }
    }
}

/// The text is not the name of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an account of the ledger")]
pub struct UnknownAccount;

impl FromStr for LedgerAccount {
    type Err = UnknownAccount;

    fn from_str(text: &str) -> Result<Self, UnknownAccount> {
        Ok(match text {
            "available" => Self::Available,
            "held" => Self::Held,
            "provider_cost" => Self::ProviderCost,
            "payable" => Self::Payable,
            "payments" => Self::Payments,
            "bonus" => Self::Bonus,
            "refunds" => Self::Refunds,
            other => {
                let of = other.strip_prefix("revenue:").ok_or(UnknownAccount)?;
                let component = Component::ALL.iter().find(|component| component.as_str() == of);
                Self::Revenue(*component.ok_or(UnknownAccount)?)
            }
        })
    }
}

impl Serialize for LedgerAccount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LedgerAccount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The side of an account that an entry stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Debit,
    Credit,
}

/// One line of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub account: LedgerAccount,
    pub side: Side,
    /// Millionths of the account's currency, at least 1.
    pub micros: i64,
}

/// Why entries are no transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unbalanced {
    #[error("an entry's amount must be above zero")]
    NotPositive,
    #[error("debits and credits differ")]
    Differ,
    #[error("the amounts are too large")]
    Overflow,
}

/// Net amounts of the accounts: what was credited less what was debited, in millionths.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balances(BTreeMap<LedgerAccount, i64>);

impl Balances {
    #[must_use]
    pub fn of(&self, account: LedgerAccount) -> i64 {
        self.0.get(&account).copied().unwrap_or(0)
    }

    /// Sum over all accounts: zero, as every transaction balances.
    #[must_use]
    pub fn sum(&self) -> i128 {
        self.0.values().map(|micros| i128::from(*micros)).sum()
    }

    /// The balances after a transaction. Fails when the entries do not balance, or an amount does not fit.
    pub fn after(&self, entries: &[Entry]) -> Result<Self, Unbalanced> {
        let (mut next, mut net) = (self.clone(), 0_i128);
        for entry in entries {
            if entry.micros <= 0 {
                return Err(Unbalanced::NotPositive);
            }
            let signed = match entry.side {
                Side::Debit => -entry.micros,
                Side::Credit => entry.micros,
            };
            net += i128::from(signed);
            let balance = next.0.entry(entry.account).or_default();
            *balance = balance.checked_add(signed).ok_or(Unbalanced::Overflow)?;
        }
        if net == 0 { Ok(next) } else { Err(Unbalanced::Differ) }
    }

    /// Applies entries of a stored transaction, which were checked before they were stored.
    pub(super) fn apply(&mut self, entries: &[Entry]) {
        for entry in entries {
            let balance = self.0.entry(entry.account).or_default();
            *balance = match entry.side {
                Side::Debit => balance.saturating_sub(entry.micros),
                Side::Credit => balance.saturating_add(entry.micros),
            };
        }
    }
}

/// Moves an amount from one account to another: a debit there, a credit here; backwards if it is negative, and nothing
/// if it is zero.
pub(super) fn transfer(from: LedgerAccount, to: LedgerAccount, micros: i64) -> Vec<Entry> {
    let (from, to) = if micros < 0 { (to, from) } else { (from, to) };
    match micros.checked_abs() {
        None | Some(0) => Vec::new(),
        Some(micros) => vec![
            Entry { account: from, side: Side::Debit, micros },
            Entry { account: to, side: Side::Credit, micros },
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::LedgerAccount::{Available, Bonus, Held};
    use super::*;

    fn entry(account: LedgerAccount, side: Side, micros: i64) -> Entry {
        Entry { account, side, micros }
    }

    #[test]
    fn entries_balance_or_are_refused() {
        let start = Balances::default().after(&transfer(Bonus, Available, 10)).unwrap();
        assert_eq!((start.of(Available), start.of(Bonus), start.sum()), (10, -10, 0));
        let lone = [entry(Available, Side::Debit, 5)];
        assert_eq!(start.after(&lone), Err(Unbalanced::Differ));
        let uneven = [entry(Available, Side::Debit, 5), entry(Held, Side::Credit, 4)];
        assert_eq!(start.after(&uneven), Err(Unbalanced::Differ));
        for bad in [0, -5] {
            let negative = [entry(Available, Side::Debit, bad), entry(Held, Side::Credit, bad)];
            assert_eq!(start.after(&negative), Err(Unbalanced::NotPositive));
        }
        assert_eq!(start.after(&transfer(Bonus, Available, i64::MAX)), Err(Unbalanced::Overflow));
        assert_eq!(transfer(Bonus, Available, i64::MIN), []);
    }

    #[test]
    fn every_account_reads_as_it_is_written() {
        let plain = ["available", "held", "provider_cost", "payable", "payments", "bonus", "refunds"];
        let revenue = Component::ALL.iter().map(|component| format!("revenue:{}", component.as_str()));
        for name in plain.into_iter().map(str::to_owned).chain(revenue) {
            assert_eq!(name.parse::<LedgerAccount>().map(|account| account.to_string()), Ok(name));
        }
        assert_eq!("revenue:tea".parse::<LedgerAccount>(), Err(UnknownAccount));
    }
}
