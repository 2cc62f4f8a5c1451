//! Asks a client's own system what comes next for a caller in its menus.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::ids::{CallId, ClientId, IvrSessionId, MenuId};
use crate::ivr::session::StepAnswer;

/// A question to a client's system. `Debug` leaves the address and the digits out.
#[derive(Clone, PartialEq)]
pub struct StepQuestion {
    /// Idempotency id, the same on every attempt.
    pub id: Uuid,
    pub client: ClientId,
    pub url: String,
    pub timeout: Duration,
    pub session: IvrSessionId,
    /// The menu the caller is in.
    pub menu: Option<MenuId>,
    /// `None` for a session without a call.
    pub call: Option<CallId>,
    /// The digits collected so far, by name; `None` for secret ones.
    pub collected: Vec<(String, Option<String>)>,
}

impl fmt::Debug for StepQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepQuestion")
            .field("id", &self.id)
            .field("client", &self.client)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Asks clients' systems. One attempt, and never an error: what went wrong is an answer, too.
#[async_trait]
pub trait StepWebhooks: fmt::Debug + Send + Sync {
    /// Asks within the timeout of the question.
    async fn ask(&self, question: &StepQuestion) -> StepAnswer;
}
