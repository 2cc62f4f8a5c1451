//! The records of an account during a run, and which calls they can judge.

use domain::billing::matching::{Claim, OurCall};
use domain::envelope::Time;
use domain::ports::telephony::CarrierAccount;

use super::MatchDeps;
use super::load::{Records, load};

/// The records of an account, as far as they can be had.
pub(super) enum Account {
    /// There is no such account.
    Missing,
    Failed {
        may_pass: bool,
    },
    Read(Records),
}

impl Account {
    pub(super) async fn read(
        deps: &MatchDeps,
        account: CarrierAccount,
        period: (Time, Time),
        most_legs: usize,
    ) -> Self {
        match load(deps, account, period, most_legs).await {
            Ok(Some(records)) => Self::Read(records),
            Ok(None) => Self::Missing,
            Err(error) => {
                let (from, may_pass) = (period.0, error.may_pass());
                tracing::warn!(%error, ?account, %from, may_pass, "the carrier's records cannot be had");
                Self::Failed { may_pass }
            }
        }
    }

    /// Whether what keeps its records away may pass; `None` when nothing does.
    pub(super) fn failure(&self) -> Option<bool> {
        match self {
            Self::Failed { may_pass } => Some(*may_pass),
            Self::Missing | Self::Read(_) => None,
        }
    }

    pub(super) fn records(&mut self) -> Option<&mut Records> {
        match self {
            Self::Read(records) => Some(records),
            Self::Missing | Self::Failed { .. } => None,
        }
    }

    pub(super) fn is_read(&self) -> bool {
        matches!(self, Self::Read(_))
    }

    pub(super) fn claim(&mut self, call: &OurCall) -> Option<Claim> {
        self.records()?.table.claim(call)
    }
}

/// Whether the records of the account are known through which the call went.
pub(super) fn is_covered(call: &OurCall, accounts: [&Account; 2]) -> bool {
    let read = || {
        accounts.into_iter().filter_map(|account| match account {
            Account::Read(records) => Some(records.connection),
            Account::Missing | Account::Failed { .. } => None,
        })
    };
    match call.connection {
        Some(_) if read().all(|connection| connection.is_some()) => read().any(|one| one == call.connection),
        _ => read().next().is_some() && accounts.into_iter().all(|account| account.failure().is_none()),
    }
}
