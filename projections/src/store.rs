//! Where rows are kept: what the runner needs of it.

use std::fmt;

use async_trait::async_trait;
use domain::envelope::{EventRef, Position, Time};
use domain::ports::StoreUnavailable;
use domain::ports::lease::{Lease, Leases};
use uuid::Uuid;

use crate::agents::AgentRow;
use crate::api_keys::ApiKeyRow;
use crate::audit_log::AuditRow;
use crate::calls::CallRow;
use crate::clients::ClientRow;
use crate::conversations::{ConversationRow, MessageRow};
use crate::ivr_menus::MenuRow;
use crate::ivr_sessions::SessionRow;
use crate::numbers::NumberRow;
use crate::tally::{Counted, Tally, TallyKey};
use crate::tools::ToolRow;
use crate::transcripts::LineRow;
use crate::users::UserRow;
use crate::view::Row;
use crate::webhooks::EndpointRow;

/// Number of a whole set of a view's rows. Queries read the active one; a rebuild fills the next beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub i64);

/// How far a set of rows has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which set.
    pub generation: Generation,
    /// The last event it holds.
    pub position: Position,
    /// The id of that event; `None` before the first one, and where it was not kept.
    pub event: Option<Uuid>,
}

impl Checkpoint {
    /// The last event the set holds.
    #[must_use]
    pub fn reached(&self) -> EventRef {
        EventRef { position: self.position, id: self.event }
    }
}

/// What a commit does besides writing rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The rows queries read: refused once another generation is active.
    Live,
    /// Rows nobody reads yet.
    Rebuild,
    /// As `Rebuild`; and if the rows have then come at least as far as the active ones, they become active
    /// themselves, in the same transaction.
    RebuildAndSwitch,
}

/// How a commit moves a checkpoint, and under which right.
#[derive(Debug, Clone)]
pub struct Step {
    /// Which view.
    pub projection: &'static str,
    /// Which set of rows.
    pub generation: Generation,
    /// Where the checkpoint must stand.
    pub expected: Position,
    /// Where it goes.
    pub to: EventRef,
    /// Must still be the newest of its job.
    pub lease: Lease,
    /// See [`Mode`].
    pub mode: Mode,
    /// Rows that ended before it are taken away, after all else was written: the last event of the step says so.
    pub retires: Option<Time>,
}

/// Why a commit did not take place.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// The lease was taken over, the checkpoint moved by somebody else, or another generation is active.
    #[error("the projection was taken over")]
    Deposed,
    /// The store cannot be reached or written.
    #[error(transparent)]
    Unavailable(#[from] StoreUnavailable),
}

/// Why a projection stands still until an operator does something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stall {
    /// The event it cannot pass.
    pub position: Position,
    /// Its type.
    pub event_type: String,
    /// Why; no personal data.
    pub reason: String,
}

/// How a projection is doing, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectionStatus {
    /// Its name.
    pub name: String,
    /// The set of rows queries read.
    pub generation: Generation,
    /// The last event they hold. May trail by a moment what the owner knows, while nothing concerns the view.
    pub position: Position,
    /// The id of that event; `None` before the first one, and where it was not kept.
    pub event: Option<Uuid>,
    /// Why it stands still.
    pub stall: Option<Stall>,
    /// The node that does the work, if one does.
    pub owner: Option<String>,
}

/// How two sets of rows of a view differ. Rows that moved on in one of them meanwhile are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Rows in both, at the same event, with another content; or at different events.
    pub differing: u64,
    /// Rows only the first has.
    pub missing: u64,
    /// Rows only the second has.
    pub extra: u64,
}

impl Comparison {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            differing: self.differing + other.differing,
            missing: self.missing + other.missing,
            extra: self.extra + other.extra,
        }
    }

    /// Whether both say the same.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        *self == Self::default()
    }
}

/// A hash over all rows of a view, independent of their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest {
    /// How many rows.
    pub rows: u64,
    /// The sum of their hashes.
    pub sum: u128,
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows {:032x}", self.rows, self.sum)
    }
}

/// The rows of one view.
#[async_trait]
pub trait ViewRows<R: Row>: fmt::Debug + Send + Sync {
    /// The rows with these keys; keys without a row are left out.
    async fn load(&self, generation: Generation, keys: &[R::Key]) -> Result<Vec<R>, StoreUnavailable>;

    /// Writes rows and sums, in place of those with the same keys, and moves the checkpoint, in one transaction; a
    /// sum that comes to nothing is removed. Answers whether the generation became the active one.
    async fn commit(&self, step: &Step, rows: &[&R], tallies: &[Tally]) -> Result<bool, CommitError>;

    /// Compares the active generation with another one.
    async fn compare(&self, active: Checkpoint, other: Checkpoint) -> Result<Comparison, StoreUnavailable>;

    /// Hashes all columns of all rows of a generation.
    async fn digest(&self, generation: Generation) -> Result<Digest, StoreUnavailable>;

    /// Removes up to `limit` rows of a generation that is not active; answers how many.
    async fn discard(&self, generation: Generation, limit: u32) -> Result<u64, StoreUnavailable>;
}

/// The sums that views keep beside their rows, in the same generations.
#[async_trait]
pub trait Tallies: fmt::Debug + Send + Sync {
    /// The sums with these keys; keys without one are left out.
    async fn load_tallies(
        &self,
        generation: Generation,
        keys: &[TallyKey],
    ) -> Result<Vec<Tally>, StoreUnavailable>;

    /// Compares a view's sums in the active generation with those in another one.
    async fn compare_tallies(
        &self,
        counted: Counted,
        active: Checkpoint,
        other: Checkpoint,
    ) -> Result<Comparison, StoreUnavailable>;

    /// Removes a view's sums of a generation that is not active.
    async fn discard_tallies(
        &self,
        counted: Counted,
        generation: Generation,
    ) -> Result<u64, StoreUnavailable>;
}

/// Checkpoints and what belongs to them, and the rows of every view.
#[async_trait]
pub trait ViewStore:
    ViewRows<CallRow>
    + ViewRows<LineRow>
    + ViewRows<NumberRow>
    + ViewRows<ClientRow>
    + ViewRows<ApiKeyRow>
    + ViewRows<UserRow>
    + ViewRows<AuditRow>
    + ViewRows<EndpointRow>
    + ViewRows<MenuRow>
    + ViewRows<SessionRow>
    + ViewRows<AgentRow>
    + ViewRows<ToolRow>
    + ViewRows<ConversationRow>
    + ViewRows<MessageRow>
    + Tallies
    + Leases
{
    /// How far the active rows of a view have come; on first sight an empty generation 1.
    async fn checkpoint(&self, projection: &str) -> Result<Checkpoint, StoreUnavailable>;

    /// All generations of a view, the active one first.
    async fn generations(&self, projection: &str) -> Result<Vec<Checkpoint>, StoreUnavailable>;

    /// Adds an empty generation beside the active one.
    async fn add_generation(&self, projection: &str) -> Result<Checkpoint, StoreUnavailable>;

    /// Forgets an inactive generation whose rows are gone.
    async fn forget_generation(
        &self,
        projection: &str,
        generation: Generation,
    ) -> Result<(), StoreUnavailable>;

    /// Makes an empty generation the active one: the rows there are, are of another history. They are discarded like those
    /// of any inactive generation.
    async fn start_anew(&self, projection: &str) -> Result<(), StoreUnavailable>;

    /// How all projections are doing, by name.
    async fn statuses(&self) -> Result<Vec<ProjectionStatus>, StoreUnavailable>;

    /// Notes why a projection stands still, or that it no longer does.
    async fn set_stall(&self, projection: &str, stall: Option<&Stall>) -> Result<(), StoreUnavailable>;

    /// Lets a projection pass over an event, now and in every rebuild to come.
    async fn skip(&self, projection: &str, position: Position) -> Result<(), StoreUnavailable>;

    /// The events a projection passes over.
    async fn skips(&self, projection: &str) -> Result<Vec<Position>, StoreUnavailable>;
}
