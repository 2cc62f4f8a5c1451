//! What can be asked.

use async_trait::async_trait;
use domain::envelope::Time;
use domain::ids::ClientId;
use domain::ports::StoreUnavailable;

use super::{Action, AuditActor};
use crate::page::{Page, PageRequest};

/// By whom something was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// Anybody of this [type](AuditActor::KINDS).
    Kind(String),
    /// This one.
    One(String),
}

impl From<String> for By {
    fn from(word: String) -> Self {
        if AuditActor::KINDS.contains(&word.as_str()) { By::Kind(word) } else { By::One(word) }
    }
}

/// To what something was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum On {
    /// Anything of this type: `number`.
    Kind(String),
    /// This one, by its TypeID: `num_…`.
    One(String),
}

impl From<String> for On {
    fn from(word: String) -> Self {
        // no type is as long as the random part of an id
        let is_id = word.rsplit_once('_').is_some_and(|(_, suffix)| suffix.len() == 26);
        if is_id { On::One(word) } else { On::Kind(word) }
    }
}

/// Which entries are wanted; all conditions hold at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFilter {
    /// The log is shown from here on; entries before stay where they are.
    pub shown_since: Time,
    /// One of these, any if empty.
    pub actions: Vec<Action>,
    /// By whom.
    pub actor: Option<By>,
    /// To what.
    pub resource: Option<On>,
    /// At this moment or later.
    pub from: Option<Time>,
    /// Before this moment.
    pub to: Option<Time>,
}

impl AuditFilter {
    /// Everything that is shown.
    #[must_use]
    pub fn since(shown_since: Time) -> Self {
        Self { shown_since, actions: Vec::new(), actor: None, resource: None, from: None, to: None }
    }
}

/// Reads of the audit log. None of them ever answers with another client's entries.
#[async_trait]
pub trait AuditQueries: Send + Sync {
    /// A page of [entries](super::AuditEntry), by `at` and the event's id.
    async fn audit_log(
        &self,
        client: ClientId,
        filter: &AuditFilter,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable>;
}
