//! Asking a client's own system what a caller in its menus is to come to next.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::ids::{CallId, ClientId, IvrSessionId, MenuId};
use crate::ivr::session::StepAnswer;

/// What is asked. `Debug` leaves the address and the digits out.
#[derive(Clone, PartialEq)]
pub struct StepQuestion {
    /// The same however often it is asked.
    pub id: Uuid,
    /// Whose system.
    pub client: ClientId,
    /// Where.
    pub url: String,
    /// How long it may take.
    pub timeout: Duration,
    /// The session that asks.
    pub session: IvrSessionId,
    /// The menu the caller is in.
    pub menu: Option<MenuId>,
    /// The call, if there is one.
    pub call: Option<CallId>,
    /// The digits collected so far, by name; nothing of secret ones.
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

/// Whoever asks. One attempt; never an error: what went wrong is an answer, too.
#[async_trait]
pub trait StepWebhooks: fmt::Debug + Send + Sync {
    /// Asks, within the question's time.
    async fn ask(&self, question: &StepQuestion) -> StepAnswer;
}
