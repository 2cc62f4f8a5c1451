//! Threads for what may be late.
//!
//! A carrier that gets no answer tries again and gives up; a view may be a moment behind. So views are kept up by threads
//! of their own, which give way where a machine has more to do than it can.

use std::io;

use tokio::runtime::{Builder, EnterGuard, Runtime};

/// Niceness of such a thread: with it, it gets a third of the time of one that answers, where both want all.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

/// The threads. Dropping it leaves them to end by themselves.
#[derive(Debug)]
pub(super) struct Background(Option<Runtime>);

impl Background {
    /// Starts as many as there are processors.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start() -> io::Result<Self> {
        let threads = Builder::new_multi_thread()
            .enable_all()
            .thread_name("background")
            .on_thread_start(give_way)
            .build()?;
        Ok(Self(Some(threads)))
    }

    /// What is spawned while this is held runs there.
    pub(super) fn enter(&self) -> Option<EnterGuard<'_>> {
        self.0.as_ref().map(Runtime::enter)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(threads) = self.0.take() {
            // to wait for them is not allowed inside of another runtime
            threads.shutdown_background();
        }
    }
}

fn give_way() {
    // of this thread alone: on Linux a thread has an id and a niceness of its own
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS) {
        tracing::warn!(%error, "background work has the priority of all other");
    }
}
