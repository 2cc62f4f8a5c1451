//! What views count beside their rows: sums by hour and by day.
//!
//! A view says what a row adds to the sums ([`View::adds`](crate::view::View::adds)), and what a fact adds whatever
//! becomes of the row ([`View::counts`](crate::view::View::counts)). The runner takes back what a row added before and
//! adds what it adds now, in the transaction that writes the row. So the sums are as exact as the rows, and a rebuild
//! makes them anew.

mod counts;
mod sketch;
mod sums;

pub use counts::{Contribution, Counted, Counts, Numbers, Sketches, Span, Tally, TallyKey};
pub use sketch::Sketch;
pub(crate) use sums::{Change, Sums};
