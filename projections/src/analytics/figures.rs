//! Sums put together, and figures drawn from them.

use crate::tally::{Counts, Sketch, Tally};

/// All of them together.
pub(super) fn together<'t>(tallies: impl IntoIterator<Item = &'t Tally>) -> Counts {
    let mut all = Counts::default();
    for tally in tallies {
        all.add(&tally.counts, 1);
    }
    all
}

/// A number of things: never below zero, whatever stands in the table.
pub(super) fn count(counts: &Counts, name: &str) -> u64 {
    u64::try_from(counts.get(name)).unwrap_or(0)
}

/// How many of a family together.
pub(super) fn sum(counts: &Counts, family: &str) -> u64 {
    u64::try_from(counts.family(family).map(|(_, number)| number).sum::<i64>()).unwrap_or(0)
}

/// A share from 0 to 1, to four places; `None` of nothing.
pub(super) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64 * 10_000.0).round() / 10_000.0)
}

/// The average of what was recorded under a name, rounded.
pub(super) fn average(counts: &Counts, name: &str) -> Option<u64> {
    let number = u64::try_from(counts.sketch(name)?.count()).ok().filter(|count| *count > 0)?;
    Some((count(counts, name) + number / 2) / number)
}

/// The value that so many of those recorded under a name do not exceed.
pub(super) fn quantile(counts: &Counts, name: &str, share: f64) -> Option<u64> {
    counts.sketch(name).and_then(|sketch: &Sketch| sketch.quantile(share))
}
