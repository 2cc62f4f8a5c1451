//! A customer's timeline: everything that is linked to them, of all kinds, newest first.

use domain::envelope::Time;
use domain::ids::CustomerId;
use uuid::Uuid;

use crate::page::Cursor;

/// What calls and conversations are linked to a customer by.
#[derive(Clone, PartialEq, Eq)]
pub struct Links {
    /// The customer and those merged into them.
    pub customers: Vec<CustomerId>,
    /// Numbers in E.164. One that several customers have links nothing.
    pub phones: Vec<String>,
    /// The client's own names of them, which conversations hold as `user_id`.
    pub external_ids: Vec<String>,
}

impl std::fmt::Debug for Links {
    // numbers and names are personal
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Links").field("customers", &self.customers).finish_non_exhaustive()
    }
}

/// Kind of an entry of a timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimelineKind {
    Call,
    /// A conversation that is not on a call.
    Conversation,
    /// A memory, whether it still holds or not; forgotten ones are left out.
    Memory,
}

impl TimelineKind {
    pub const ALL: [TimelineKind; 3] = [Self::Call, Self::Conversation, Self::Memory];

    /// Name in the API and in queries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Conversation => "conversation",
            Self::Memory => "memory",
        }
    }

    /// The kind of which [`TimelineKind::as_str`] is `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// An entry of a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineEntry {
    pub kind: TimelineKind,
    pub id: Uuid,
    /// When the call or conversation began, or the memory was recorded.
    pub at: Time,
    /// The resource as its own endpoint shows it, as JSON.
    pub json: String,
}

/// A page of a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelinePage {
    pub entries: Vec<TimelineEntry>,
    /// Where the next page begins; `None` on the last page.
    pub next: Option<Cursor>,
    /// Those of the customer's numbers that link nothing, because other customers have them, too.
    pub shared_phones: Vec<String>,
}
