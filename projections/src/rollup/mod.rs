//! Sums by hour and by day that views keep beside their rows.
//!
//! A view says what a row adds to the sums ([`View::adds`](crate::view::View::adds)), and what a fact adds
//! independently of its row ([`View::counts`](crate::view::View::counts)). In the transaction that writes the row
//! the runner takes back what the row added before and adds what it adds now. So the sums are as exact as the
//! rows, and a rebuild computes them anew.

mod counts;
mod sketch;
mod sums;

pub use counts::{Contribution, Counted, Counts, Numbers, Rollup, RollupKey, Sketches, Span};
pub use sketch::Sketch;
pub(crate) use sums::{Change, Sums};
