//! Adds sums up and computes figures from them.

use crate::rollup::{Counts, Rollup, Sketch};

/// The sum of all rollups.
pub(super) fn together<'t>(rollups: impl IntoIterator<Item = &'t Rollup>) -> Counts {
    let mut all = Counts::default();
    for rollup in rollups {
        all.add(&rollup.counts, 1);
    }
    all
}

/// A count by name; negative counts in the table read as zero.
pub(super) fn count(counts: &Counts, name: &str) -> u64 {
    u64::try_from(counts.get(name)).unwrap_or(0)
}

/// The sum of all counts of a family.
pub(super) fn sum(counts: &Counts, family: &str) -> u64 {
    u64::try_from(counts.family(family).map(|(_, number)| number).sum::<i64>()).unwrap_or(0)
}

/// A share from 0 to 1, to four places; `None` when `whole` is zero.
pub(super) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64 * 10_000.0).round() / 10_000.0)
}

/// The rounded average of the values recorded under a name; `None` without values.
pub(super) fn average(counts: &Counts, name: &str) -> Option<u64> {
    let number = u64::try_from(counts.sketch(name)?.count()).ok().filter(|count| *count > 0)?;
    Some((count(counts, name) + number / 2) / number)
}

/// The smallest value that a `share` (0 to 1) of the recorded values do not exceed; `None` without values.
pub(super) fn quantile(counts: &Counts, name: &str, share: f64) -> Option<u64> {
    counts.sketch(name).and_then(|sketch: &Sketch| sketch.quantile(share))
}
