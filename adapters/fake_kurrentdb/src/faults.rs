//! Faults that a test plants: each says which call fails next, and how the server, the leader or the connection fails it.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::watch;

/// What goes wrong with an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendFault {
    /// The server is starting or electing: nothing is written, and it says so as a broken connection does.
    NotReady,
    /// Another node becomes the leader before the append: nothing is written.
    LeaderMoves,
    /// It is written, then another node becomes the leader and the connection breaks.
    LeaderMovesAfterCommit,
    /// The connection breaks, nothing is written.
    ResetBeforeCommit,
    /// It is written, and the connection breaks before the answer.
    ResetAfterCommit,
    /// The server gives up waiting; nothing is written, ever.
    TimeoutNotWritten,
    /// The server gives up waiting; it is written.
    TimeoutWritten,
    /// The server gives up waiting; it is written once [`Faults::release_late_commits`] is called.
    TimeoutWrittenLater,
    /// Written, but the answer never comes.
    SilentAfterCommit,
    /// The server refuses the caller.
    AccessDenied,
}

/// The switches of a server or cluster; tests turn them.
#[derive(Debug, Default)]
pub struct Faults {
    appends: Mutex<VecDeque<AppendFault>>,
    reads: Mutex<usize>,
    late: watch::Sender<u64>,
    stalled: watch::Sender<bool>,
    cuts: watch::Sender<Cut>,
    appended: watch::Sender<u64>,
}

/// How often the subscriptions were ended, and how the last time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) count: u64,
    pub(crate) with_ok: bool,
}

impl Faults {
    /// The next appends fail so, in this order, one each.
    pub fn next_appends(&self, faults: impl IntoIterator<Item = AppendFault>) {
        self.appends.lock().extend(faults);
    }

    /// How many of the ordered faults have not happened yet.
    pub fn appends_left(&self) -> usize {
        self.appends.lock().len()
    }

    /// The next `count` reads answer that the server is not ready.
    pub fn fail_reads(&self, count: usize) {
        *self.reads.lock() = count;
    }

    /// Writes what [`AppendFault::TimeoutWrittenLater`] held back.
    pub fn release_late_commits(&self) {
        self.late.send_modify(|count| *count += 1);
    }

    /// While set, subscriptions deliver nothing.
    pub fn stall_subscriptions(&self, stalled: bool) {
        self.stalled.send_replace(stalled);
    }

    /// Ends all subscriptions as an unavailable server does.
    pub fn cut_subscriptions(&self) {
        self.cuts.send_modify(|cut| *cut = Cut { count: cut.count + 1, with_ok: false });
    }

    /// Ends all subscriptions cleanly, which no client expects.
    pub fn end_subscriptions(&self) {
        self.cuts.send_modify(|cut| *cut = Cut { count: cut.count + 1, with_ok: true });
    }

    /// Number of appends that reached the server, whatever became of them.
    pub fn appends_seen(&self) -> watch::Receiver<u64> {
        self.appended.subscribe()
    }

    pub(crate) fn take_append(&self) -> Option<AppendFault> {
        self.appended.send_modify(|count| *count += 1);
        self.appends.lock().pop_front()
    }

    pub(crate) fn take_read(&self) -> bool {
        let mut left = self.reads.lock();
        let fails = *left > 0;
        *left = left.saturating_sub(1);
        fails
    }

    pub(crate) fn late_commits(&self) -> watch::Receiver<u64> {
        self.late.subscribe()
    }

    pub(crate) fn stalled(&self) -> watch::Receiver<bool> {
        self.stalled.subscribe()
    }

    pub(crate) fn cuts(&self) -> watch::Receiver<Cut> {
        self.cuts.subscribe()
    }
}
