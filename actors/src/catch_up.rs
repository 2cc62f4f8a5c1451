//! What another node wrote a moment ago: before something counts as unknown, the node reads the log to its end.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::envelope::Position;
use domain::ports::clock::Clock;
use domain::ports::event_store::EventStore;
use tokio::sync::{Semaphore, watch};

/// Longest time that somebody waits.
const PATIENCE: Duration = Duration::from_millis(300);
/// Most who wait at the same time; more are answered by what the node knows.
const WAITING: usize = 64;

/// Waits, for a bounded time, until what this node knows is as new as the log. Only one at a time asks the log for its
/// end. Clones wait together.
#[derive(Clone)]
pub struct CatchUp(Arc<Inner>);

struct Inner {
    log: Arc<dyn EventStore>,
    clock: Arc<dyn Clock>,
    /// Log position that was applied here.
    followed: watch::Receiver<Position>,
    /// When the log was last asked for its end, and the answer.
    asked: tokio::sync::Mutex<Option<(Instant, Position)>>,
    waiting: Semaphore,
}

impl CatchUp {
    /// `followed` is the position up to which `log` has been applied here.
    #[must_use]
    pub fn new(log: Arc<dyn EventStore>, clock: Arc<dyn Clock>, followed: watch::Receiver<Position>) -> Self {
        let (asked, waiting) = (tokio::sync::Mutex::default(), Semaphore::new(WAITING));
        Self(Arc::new(Inner { log, clock, followed, asked, waiting }))
    }

    /// Waits until the log is applied up to its end at the time of the call, 300 ms at most. Where the log does not
    /// answer, or 64 wait already, it does not wait.
    pub async fn wait(&self) {
        let inner = &*self.0;
        let Ok(_place) = inner.waiting.try_acquire() else { return };
        let came_at = inner.clock.monotonic();
        let follow = async {
            let head = {
                let mut asked = inner.asked.lock().await;
                match *asked {
                    // somebody else asked after this one came: the answer holds for both
                    Some((at, head)) if at >= came_at => head,
                    _ => {
                        let at = inner.clock.monotonic();
                        let Ok(head) = inner.log.head().await else { return };
                        *asked = Some((at, head));
                        head
                    }
                }
            };
            let _ = inner.followed.clone().wait_for(|followed| *followed >= head).await;
        };
        let _ = tokio::time::timeout(PATIENCE, follow).await;
    }
}

impl fmt::Debug for CatchUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CatchUp").finish_non_exhaustive()
    }
}
