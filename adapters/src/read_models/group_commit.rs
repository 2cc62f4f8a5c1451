//! Commits the steps of many projections in one transaction.
//!
//! While one transaction runs, the steps of other projections gather, and the next transaction takes all of them. So
//! a batch of events costs one transaction, however many projections it concerns, and a lone step waits for nothing.

use std::fmt;

use domain::ports::StoreUnavailable;
use parking_lot::Mutex;
use projections::store::Step;
use sqlx::SqlStr;
use tokio::sync::oneshot;

use super::SqlViews;
use super::rows::STEP_LIMIT;
use crate::sql::db::limited;
use crate::sql::value::Args;

/// A step with the statements that write its rows and sums.
pub(super) struct PreparedStep {
    pub(super) step: Step,
    pub(super) writes: Vec<(SqlStr, Args)>,
}

/// How a step ended that was committed together with others.
pub(super) enum Committed {
    Moved,
    /// The lease or the checkpoint is not as the step expects; nothing of it was written.
    Deposed,
    /// The transaction failed, perhaps because of another step: try this one in a transaction of its own.
    TryAlone,
    Failed(StoreUnavailable),
}

struct Waiting {
    prepared: PreparedStep,
    answer: oneshot::Sender<Committed>,
}

/// The steps that wait for the next transaction.
#[derive(Default)]
pub(super) struct GroupCommit(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: Vec<Waiting>,
    /// Whether a task commits what waits.
    running: bool,
}

impl fmt::Debug for GroupCommit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupCommit").finish_non_exhaustive()
    }
}

impl GroupCommit {
    /// Everything that waits; `None`, and the task ends, when nothing does.
    fn take(&self) -> Option<Vec<Waiting>> {
        let mut state = self.0.lock();
        if state.waiting.is_empty() {
            state.running = false;
            return None;
        }
        Some(std::mem::take(&mut state.waiting))
    }

    /// Adds a step; answers whether a task must be started that commits it.
    fn add(&self, waiting: Waiting) -> bool {
        let mut state = self.0.lock();
        state.waiting.push(waiting);
        !std::mem::replace(&mut state.running, true)
    }
}

/// The task that commits. When it ends in the middle, those who wait try alone.
struct Running<'g> {
    group: &'g GroupCommit,
    ended: bool,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.ended {
            let mut state = self.group.0.lock();
            *state = State::default();
        }
    }
}

impl SqlViews {
    /// Commits a step together with those of other projections that wait.
    pub(super) async fn commit_in_group(&self, prepared: PreparedStep) -> Committed {
        let (answer, answered) = oneshot::channel();
        if self.group.add(Waiting { prepared, answer }) {
            // a task of its own: a projection that is stopped must not take the others' steps with it
            let views = self.clone();
            tokio::spawn(async move {
                let mut running = Running { group: &views.group, ended: false };
                while let Some(waiting) = views.group.take() {
                    views.commit_all(waiting).await;
                }
                running.ended = true;
            });
        }
        answered.await.unwrap_or(Committed::TryAlone)
    }

    async fn commit_all(&self, waiting: Vec<Waiting>) {
        let (mut prepared, answers): (Vec<_>, Vec<_>) =
            waiting.into_iter().map(|waiting| (waiting.prepared, waiting.answer)).unzip();
        let alone = prepared.len() == 1;
        let moved = limited(STEP_LIMIT, self.commit_together(&mut prepared)).await;
        for (at, answer) in answers.into_iter().enumerate() {
            let committed = match &moved {
                Ok(moved) if moved.get(at) == Some(&true) => Committed::Moved,
                Ok(_) => Committed::Deposed,
                Err(error) if alone => Committed::Failed(error.clone()),
                Err(_) => Committed::TryAlone,
            };
            // whoever does not wait any more reads the checkpoint before it goes on
            let _ = answer.send(committed);
        }
    }

    /// Answers for each step whether it moved its checkpoint; those that did not wrote nothing.
    async fn commit_together(&self, prepared: &mut [PreparedStep]) -> Result<Vec<bool>, sqlx::Error> {
        // nodes that lock the same rows do so in the same order
        let mut order: Vec<usize> = (0..prepared.len()).collect();
        order.sort_by_key(|at| prepared[*at].step.projection);
        let mut moved = vec![false; prepared.len()];
        let mut tx = self.db.begin().await?;
        for at in order {
            let PreparedStep { step, writes } = &mut prepared[at];
            moved[at] = self.advance(&mut tx, step).await?;
            if moved[at] {
                for (sql, args) in writes.drain(..) {
                    tx.execute(sql, args).await?;
                }
            }
        }
        tx.commit().await?;
        Ok(moved)
    }
}
