//! The store of rows, checkpoints and sums, as the runner needs it.

use std::fmt;

use async_trait::async_trait;
use domain::envelope::{EventRef, Position, Time};
use domain::ports::StoreUnavailable;
use domain::ports::lease::{Lease, Leases};
use uuid::Uuid;

use crate::every::every_view;
use crate::rollup::{Counted, Rollup, RollupKey};
use crate::view::Row;
use crate::view::View;

/// Number of a complete set of a view's rows. Queries read the active generation; a rebuild fills the next beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub i64);

/// How far a generation of rows has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    pub generation: Generation,
    /// Position of the last event that the rows hold.
    pub position: Position,
    /// Id of that event; `None` before the first one, and where it was not stored.
    pub event: Option<Uuid>,
}

impl Checkpoint {
    /// The last event that the rows hold.
    #[must_use]
    pub fn reached(&self) -> EventRef {
        EventRef { position: self.position, id: self.event }
    }
}

/// What a commit does besides writing rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Writes rows that queries read; refused once another generation is active.
    Live,
    /// Writes rows of a generation that no query reads yet.
    Rebuild,
    /// Like `Rebuild`; then, if the rows have come at least as far as the active ones, they become active
    /// in the same transaction.
    RebuildAndSwitch,
}

/// How a commit moves a checkpoint, and under which lease.
#[derive(Debug, Clone)]
pub struct Step {
    pub projection: &'static str,
    pub generation: Generation,
    /// Position at which the stored checkpoint must be.
    pub expected: Position,
    /// The event to which the checkpoint moves.
    pub to: EventRef,
    /// Must still be the newest lease of its job.
    pub lease: Lease,
    pub mode: Mode,
    /// Rows that ended before this time are removed after everything else was written, because of
    /// the step's last event.
    pub retires: Option<Time>,
}

/// Why a commit did not take place.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// The lease was taken over, another process moved the checkpoint, or another generation is active.
    #[error("the projection was taken over")]
    Deposed,
    /// The store cannot be reached or written.
    #[error(transparent)]
    Unavailable(#[from] StoreUnavailable),
}

/// Why a projection is stalled until an operator acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stall {
    /// Position of the event it cannot pass.
    pub position: Position,
    pub event_type: String,
    /// Why the event cannot be read; without personal data.
    pub reason: String,
}

/// The state of a projection, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectionStatus {
    pub name: String,
    /// The generation of rows that queries read.
    pub generation: Generation,
    /// Position of the last event the rows hold. May lag a moment behind what the owner knows, while no
    /// event concerns the view.
    pub position: Position,
    /// Id of that event; `None` before the first one, and where it was not stored.
    pub event: Option<Uuid>,
    /// Why the projection is stalled; `None` while it works.
    pub stall: Option<Stall>,
    /// The node that runs the projection; `None` when none does.
    pub owner: Option<String>,
}

/// How two generations of a view differ. Rows that changed in one of them meanwhile are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Rows in both: at the same event with different content, or at different events.
    pub differing: u64,
    /// Rows that only the first generation has.
    pub missing: u64,
    /// Rows that only the second generation has.
    pub extra: u64,
}

impl Comparison {
    /// The sum of both comparisons.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            differing: self.differing + other.differing,
            missing: self.missing + other.missing,
            extra: self.extra + other.extra,
        }
    }

    /// Whether the two generations have the same rows.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        *self == Self::default()
    }
}

/// A hash over all rows of a view, independent of their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest {
    /// Number of the rows.
    pub rows: u64,
    /// Sum of the rows' hashes.
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

    /// Writes rows and sums over those with the same keys, and moves the checkpoint, in one transaction. An empty
    /// sum is removed. Answers whether the generation became the active one.
    async fn commit(&self, step: &Step, rows: &[&R], rollups: &[Rollup]) -> Result<bool, CommitError>;

    /// Compares the active generation with another one.
    async fn compare(&self, active: Checkpoint, other: Checkpoint) -> Result<Comparison, StoreUnavailable>;

    /// Hashes all columns of all rows of a generation.
    async fn digest(&self, generation: Generation) -> Result<Digest, StoreUnavailable>;

    /// Removes up to `limit` rows of a generation that is not active; answers how many.
    async fn discard(&self, generation: Generation, limit: u32) -> Result<u64, StoreUnavailable>;
}

/// The sums that views keep beside their rows, in the same generations.
#[async_trait]
pub trait Rollups: fmt::Debug + Send + Sync {
    /// The sums with these keys; keys without one are left out.
    async fn load_rollups(
        &self,
        generation: Generation,
        keys: &[RollupKey],
    ) -> Result<Vec<Rollup>, StoreUnavailable>;

    /// Compares a view's sums in the active generation with those in another one.
    async fn compare_rollups(
        &self,
        counted: Counted,
        active: Checkpoint,
        other: Checkpoint,
    ) -> Result<Comparison, StoreUnavailable>;

    /// Removes a view's sums of a generation that is not active; answers how many.
    async fn discard_rollups(
        &self,
        counted: Counted,
        generation: Generation,
    ) -> Result<u64, StoreUnavailable>;
}

macro_rules! rows_of {
    ($($view:ty),+ $(,)?) => {
        /// The rows of every view.
        pub trait EveryRow: $(ViewRows<<$view as View>::Row> +)+ {}

        impl<T> EveryRow for T where T: $(ViewRows<<$view as View>::Row> +)+ {}
    };
}

every_view!(rows_of);

/// Checkpoints, leases and stalls of all projections, and the rows of every view.
#[async_trait]
pub trait ViewStore: EveryRow + Rollups + Leases {
    /// How far the active rows of a view have come; creates an empty generation 1 for a new view.
    async fn checkpoint(&self, projection: &str) -> Result<Checkpoint, StoreUnavailable>;

    /// All generations of a view, the active one first.
    async fn generations(&self, projection: &str) -> Result<Vec<Checkpoint>, StoreUnavailable>;

    /// Adds an empty generation beside the active one.
    async fn add_generation(&self, projection: &str) -> Result<Checkpoint, StoreUnavailable>;

    /// Removes an inactive generation whose rows are gone.
    async fn forget_generation(
        &self,
        projection: &str,
        generation: Generation,
    ) -> Result<(), StoreUnavailable>;

    /// Makes an empty generation the active one, because the present rows are of another history. They are removed
    /// like those of any inactive generation.
    async fn start_anew(&self, projection: &str) -> Result<(), StoreUnavailable>;

    /// The state of all projections, by name.
    async fn statuses(&self) -> Result<Vec<ProjectionStatus>, StoreUnavailable>;

    /// Stores why a projection is stalled; `None` when it no longer is.
    async fn set_stall(&self, projection: &str, stall: Option<&Stall>) -> Result<(), StoreUnavailable>;

    /// Lets a projection skip an event, now and in every later rebuild.
    async fn skip(&self, projection: &str, position: Position) -> Result<(), StoreUnavailable>;

    /// Positions of the events that a projection skips.
    async fn skips(&self, projection: &str) -> Result<Vec<Position>, StoreUnavailable>;
}
