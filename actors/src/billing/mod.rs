//! Credits and costs: covers calls in advance, charges them at their end, and posts to the clients' ledgers.

mod books;
mod charge;
mod cover;
mod ledger;
pub mod matching;
mod spend;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::billing::BillingTerms;
use domain::envelope::Actor;
use domain::ids::ClientId;
use domain::origin::Origin;

pub use books::PriceBooks;
pub use charge::ChargeError;
pub use cover::{CoverError, Covered};
pub use ledger::{Ledger, LedgerError, LedgerOptions, LedgerReceipt};
pub use spend::{Dialled, SpendError, SpendGuards, SpendStanding};

use crate::call::Calls;
use crate::context::{Appends, CommandContext};
use crate::runtime::Runtime;

/// The terms of the clients, as the log has them.
pub trait ClientTerms: fmt::Debug + Send + Sync {
    /// The terms of a client; the default ones if it has none of its own.
    fn terms(&self, client: ClientId) -> BillingTerms;
}

/// Settings of the cover of prepaid calls.
#[derive(Debug, Clone)]
pub struct BillingOptions {
    /// How long a call must be covered for before it is placed or taken, and ahead while it lasts.
    pub hold_for: Duration,
    /// How often the cover of a call under way is looked at.
    pub check_every: Duration,
    /// What the caller hears before a call ends for want of credit; `None`: nothing.
    pub farewell: Option<String>,
}

impl Default for BillingOptions {
    fn default() -> Self {
        let farewell = "Your credit is used up. Goodbye.".to_owned();
        Self {
            hold_for: Duration::from_secs(120),
            check_every: Duration::from_secs(15),
            farewell: Some(farewell),
        }
    }
}

/// Covers calls in advance and charges them at their end.
#[derive(Debug, Clone)]
pub struct Billing {
    pub runtime: Runtime,
    pub calls: Calls,
    pub ledger: Ledger,
    pub prices: PriceBooks,
    /// Holds calls to the spend limits.
    pub guards: SpendGuards,
    pub terms: Arc<dyn ClientTerms>,
    pub options: BillingOptions,
}

/// Context of what billing writes by itself on a client's account.
fn own_context(runtime: &Runtime, client: ClientId) -> CommandContext {
    CommandContext {
        client,
        correlation_id: client.0,
        causation_id: None,
        actor: Actor::System("billing".to_owned()),
        request_id: None,
        traceparent: runtime.trace.current(),
        command_id: None,
        origin: Origin::default(),
        appends: Appends::default(),
    }
}
