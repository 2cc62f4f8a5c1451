//! Logs why access tokens are refused, without any part of a token.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::tokens::TokenProblem;

/// Milliseconds between two log lines, because anybody can send tokens.
const PAUSE: u64 = 1_000;

static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
static LAST: AtomicU64 = AtomicU64::new(0);
static LEFT_OUT: AtomicU64 = AtomicU64::new(0);

/// Logs the refusal, unless a line was written within [`PAUSE`]; then only counts it for the next line.
pub(super) fn note(problem: TokenProblem) {
    let now = PAUSE + u64::try_from(BEGUN.elapsed().as_millis()).unwrap_or(u64::MAX / 2);
    let last = LAST.load(Ordering::Relaxed);
    let due = now.saturating_sub(last) >= PAUSE;
    if due && LAST.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
        let left_out = LEFT_OUT.swap(0, Ordering::Relaxed);
        tracing::info!(reason = %problem, left_out, "an access token was refused");
    } else {
        LEFT_OUT.fetch_add(1, Ordering::Relaxed);
    }
}
