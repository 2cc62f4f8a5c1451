//! Queries of the audit log.

use async_trait::async_trait;
use domain::envelope::Time;
use domain::ids::ClientId;
use domain::ports::StoreUnavailable;

use super::{Action, AuditActor};
use crate::page::{Page, PageRequest};

/// A condition on who did something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// Any actor of this [type](AuditActor::KINDS).
    Kind(String),
    /// The actor with this id.
    One(String),
}

impl From<String> for By {
    fn from(word: String) -> Self {
        if AuditActor::KINDS.contains(&word.as_str()) { By::Kind(word) } else { By::One(word) }
    }
}

/// A condition on what something was done to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum On {
    /// Any resource of this type, for example `number`.
    Kind(String),
    /// The resource with this TypeID, for example `num_…`.
    One(String),
}

impl From<String> for On {
    fn from(word: String) -> Self {
        // no type is as long as the random part of an id
        let is_id = word.rsplit_once('_').is_some_and(|(_, suffix)| suffix.len() == 26);
        if is_id { On::One(word) } else { On::Kind(word) }
    }
}

/// Which entries are wanted; all conditions must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFilter {
    /// Entries before this time are kept, but not shown.
    pub shown_since: Time,
    /// One of these actions; any when empty.
    pub actions: Vec<Action>,
    pub actor: Option<By>,
    pub resource: Option<On>,
    /// Recorded at this time or later.
    pub from: Option<Time>,
    /// Recorded before this time.
    pub to: Option<Time>,
}

impl AuditFilter {
    /// All entries from this time on.
    #[must_use]
    pub fn since(shown_since: Time) -> Self {
        Self { shown_since, actions: Vec::new(), actor: None, resource: None, from: None, to: None }
    }
}

/// Queries of the audit log. None of them ever answers with another client's entries.
#[async_trait]
pub trait AuditQueries: Send + Sync {
    /// A page of [entries](super::AuditEntry), ordered by `at` and the event's id.
    async fn audit_log(
        &self,
        client: ClientId,
        filter: &AuditFilter,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable>;
}
