//! Checks the log against its signed head while the node runs: slowly, a page at a time, without end.

use std::sync::Arc;
use std::time::Duration;

use domain::ports::clock::Clock;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::health::{FaultSite, HistoryHealth};
use super::meter;
use super::prove::Prover;
use super::sealed_log::{SealedLog, Unsound};

/// Events in a page: as many as in a tile.
const PAGE: u64 = 256;
/// Shortest and longest pause between two pages, whatever the length of the log.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Every so many pages, one of the newest pages is checked: recent events are changed most often.
const NEWEST_EACH: u64 = 4;
/// Number of pages that count as the newest.
const NEWEST: u64 = 4;

/// Checks the log on disk against its signed head again and again, until `stop`. Each page is checked about once
/// in `every`, more often while there are few.
pub async fn recheck(
    sealed: SealedLog,
    clock: Arc<dyn Clock>,
    health: Arc<HistoryHealth>,
    every: Duration,
    stop: CancellationToken,
) {
    let mut walk = Walk { sealed, health, log: None, step: 0, next: 0 };
    let mut failing = false;
    while !stop.is_cancelled() {
        let pages = match walk.step().await {
            Ok(pages) => {
                failing = false;
                pages
            }
            Err(error) if error.is_fault() => {
                walk.health.found(FaultSite::Heads, Some(&error));
                0
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "history cannot be looked at again"
                    );
                }
                0
            }
        };
        let pause = every / u32::try_from(pages.max(1)).unwrap_or(u32::MAX);
        let pause = pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        tokio::select! {
            () = stop.cancelled() => {}
            () = clock.sleep(pause) => {}
        }
    }
}

struct Walk {
    sealed: SealedLog,
    health: Arc<HistoryHealth>,
    /// Id of the log, as the first look found it.
    log: Option<Uuid>,
    step: u64,
    /// Number of the page to check next.
    next: u64,
}

impl Walk {
    /// Checks the heads and one page; answers how many pages there are.
    async fn step(&mut self) -> Result<u64, Unsound> {
        if self.log.is_none() {
            self.log = self.sealed.id().await?;
        }
        let Some(log) = self.log else { return Ok(0) };
        let head = self.heads(log).await?;
        self.health.found(FaultSite::Heads, None);
        let Some(head) = head else { return Ok(0) };
        let pages = head.size.div_ceil(PAGE);
        let page = self.page(pages);
        let (from, to) = (page * PAGE + 1, ((page + 1) * PAGE).min(head.size));
        match self.sealed.must_hold(log, &head, from, to).await {
            Ok(()) => self.health.found(FaultSite::Page(page), None),
            Err(error) if error.is_fault() => self.health.found(FaultSite::Page(page), Some(&error)),
            Err(error) => return Err(error),
        }
        meter::rechecked(to + 1 - from);
        Ok(pages)
    }

    /// The next page in turn, or now and then one of the newest.
    fn page(&mut self, pages: u64) -> u64 {
        self.step += 1;
        if self.step.is_multiple_of(NEWEST_EACH) {
            return pages - 1 - (self.step / NEWEST_EACH) % NEWEST.min(pages);
        }
        let page = if self.next < pages { self.next } else { 0 };
        self.next = page + 1;
        page
    }

    /// The newest stored head. It must be signed, at least as large as any head that was seen or is kept,
    /// and consistent with them.
    async fn heads(&self, log: Uuid) -> Result<Option<domain::ports::seals::Head>, Unsound> {
        // a head is stored before it is kept, so it is read in the opposite order
        let kept = self.sealed.keeper.kept().await?;
        let known = [kept.map(|kept| (kept.size, kept.root)), self.health.newest()];
        let Some(head) = self.sealed.latest(log).await? else {
            return match known.into_iter().flatten().map(|(size, _)| size).max() {
                None | Some(0) => Ok(None),
                Some(size) => Err(Unsound::OtherTree { size }),
            };
        };
        let prover = Prover::new(self.sealed.seals.clone());
        for (size, root) in known.into_iter().flatten().filter(|(size, _)| *size > 0) {
            let same = if size > head.size {
                false
            } else {
                super::sealed_log::rooted(prover.root(size).await, head.size)? == root
            };
            if !same {
                return Err(Unsound::OtherTree { size });
            }
        }
        self.health.saw(head.size, head.root);
        Ok(Some(head))
    }
}
