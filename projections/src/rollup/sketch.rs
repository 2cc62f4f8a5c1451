//! A compact distribution of values.

use std::cmp::Ordering;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// Values below this have a bin each; above, each power of two is divided into as many bins.
const EXACT: u64 = 64;
const BITS: u32 = EXACT.ilog2();

/// A distribution of whole numbers: how many values fell into each of some hundred bins, whose width grows with
/// the value, as in an HDR histogram. A value read back is off by less than 1 part in 64. Distributions can be
/// added, and what was added can be taken back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sketch(
    // in the order of the bins; none is empty
    Vec<(u16, i64)>,
);

fn bin(value: u64) -> u16 {
    let shift = value.max(1).ilog2().saturating_sub(BITS);
    // at most 58 shifts of 64 bins, and the first two powers share theirs
    u16::try_from((u64::from(shift) << BITS) + (value >> shift)).unwrap_or(u16::MAX)
}

/// The value in the middle of a bin.
fn value(bin: u16) -> u64 {
    let bin = u64::from(bin);
    let shift = (bin >> BITS).saturating_sub(1);
    let low = bin - (shift << BITS);
    (low << shift) + (1 << shift >> 1)
}

impl Sketch {
    pub fn record(&mut self, value: u64) {
        self.add(&Self(vec![(bin(value), 1)]), 1);
    }

    /// Adds another distribution `times` times; -1 takes it back.
    pub fn add(&mut self, other: &Self, times: i64) {
        if !self.add_within(other, times) {
            self.merge(other, times);
        }
    }

    /// Adds in place when all bins of `other` exist already and none becomes empty, which is the usual case for a
    /// large sum. Otherwise adds nothing and answers `false`.
    fn add_within(&mut self, other: &Self, times: i64) -> bool {
        let bins = |mine: &mut Self, by: i64, most: usize| {
            let mut at = 0;
            for (added, (bin, count)) in other.0.iter().take(most).enumerate() {
                while mine.0.get(at).is_some_and(|(mine, _)| mine < bin) {
                    at += 1;
                }
                match mine.0.get_mut(at) {
                    Some((mine, sum)) if mine == bin && *sum + count * by != 0 => *sum += count * by,
                    _ => return added,
                }
            }
            most
        };
        let added = bins(self, times, other.0.len());
        if added < other.0.len() {
            bins(self, -times, added);
        }
        added == other.0.len()
    }

    fn merge(&mut self, other: &Self, times: i64) {
        let mine = std::mem::take(&mut self.0);
        let mut sum = Vec::with_capacity(mine.len().max(other.0.len()));
        let (mut mine, mut theirs) = (mine.into_iter().peekable(), other.0.iter().peekable());
        loop {
            let next = match (mine.peek(), theirs.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((mine, _)), Some((theirs, _))) => mine.cmp(theirs),
            };
            let mut entry = None;
            if next != Ordering::Greater {
                entry = mine.next();
            }
            if next != Ordering::Less
                && let Some((bin, count)) = theirs.next()
            {
                entry.get_or_insert((*bin, 0)).1 += count * times;
            }
            sum.extend(entry.filter(|(_, count)| *count != 0));
        }
        self.0 = sum;
    }

    /// Number of the recorded values.
    #[must_use]
    pub fn count(&self) -> i64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// Whether there are no values.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The smallest value that a `share` (0 to 1) of the values do not exceed. `None` without values.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let rank = (share * self.count() as f64).ceil().max(1.0) as i64;
        let mut below = 0;
        let reached = |(bin, count): &(u16, i64)| {
            below += count;
            (below >= rank).then_some(*bin)
        };
        self.0.iter().find_map(reached).map(value)
    }
}

/// Serializes as a map from bin to count.
impl Serialize for Sketch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

impl<'de> Deserialize<'de> for Sketch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bins;
        impl<'de> Visitor<'de> for Bins {
            type Value = Sketch;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of bins")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Sketch, A::Error> {
                let mut bins = Vec::with_capacity(map.size_hint().unwrap_or(0).min(4_096));
                while let Some(entry) = map.next_entry::<u16, i64>()? {
                    bins.push(entry);
                }
                // a JSON object has no order
                if !bins.is_sorted_by_key(|(bin, _)| *bin) {
                    bins.sort_unstable_by_key(|(bin, _)| *bin);
                }
                Ok(Sketch(bins))
            }
        }
        deserializer.deserialize_map(Bins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_back_is_off_by_less_than_one_part_in_64() {
        for exponent in 0..63 {
            for offset in [0, 1, 3] {
                let wanted = (1_u64 << exponent) + offset * (1 << exponent) / 7;
                let mut sketch = Sketch::default();
                sketch.record(wanted);
                let read = sketch.quantile(0.5).unwrap();
                assert!(read.abs_diff(wanted) * 64 <= wanted, "{wanted} became {read}");
            }
        }
        assert_eq!(Sketch::default().quantile(0.5), None);
    }

    #[test]
    fn bins_are_in_the_order_of_their_values() {
        let bins: Vec<_> = (0..5_000).chain((5_000..5_000_000).step_by(997)).map(bin).collect();
        assert!(bins.is_sorted());
        assert!(bin(u64::MAX) > bin(u64::MAX / 2));
    }

    #[test]
    fn quantiles_are_those_of_the_values() {
        let mut sketch = Sketch::default();
        (1..=1_000).for_each(|value| sketch.record(value * 10));
        for (share, wanted) in [(0.0, 10), (0.5, 5_000), (0.95, 9_500), (0.99, 9_900), (1.0, 10_000)] {
            let read = sketch.quantile(share).unwrap();
            assert!(read.abs_diff(wanted) * 50 <= wanted, "{share}: {read}");
        }
    }

    #[test]
    fn it_reads_back_as_it_was_written_in_whatever_order() {
        let mut sketch = Sketch::default();
        [7, 900, 900, 100_000].into_iter().for_each(|value| sketch.record(value));
        let text = serde_json::to_string(&sketch).unwrap();
        assert_eq!(serde_json::from_str::<Sketch>(&text).unwrap(), sketch);
        let shuffled: Sketch = serde_json::from_str(r#"{"312":2,"7":1}"#).unwrap();
        assert_eq!(serde_json::to_string(&shuffled).unwrap(), r#"{"7":1,"312":2}"#);
    }

    #[test]
    fn a_sum_of_distributions_is_the_distribution_of_all_values() {
        let (mut sum, mut all) = (Sketch::default(), Sketch::default());
        for part in 0..20_u64 {
            let mut sketch = Sketch::default();
            for value in (0..50).map(|n| (n * 7 + part * part) % 500) {
                sketch.record(value);
                all.record(value);
            }
            sum.add(&sketch, 1);
        }
        assert_eq!(sum, all);
        assert_eq!(sum.count(), 1_000);
    }

    #[test]
    fn what_was_added_can_be_taken_back_without_a_trace() {
        let (mut one, mut other) = (Sketch::default(), Sketch::default());
        one.record(7);
        (0..100).for_each(|value| other.record(value * value));
        let before = one.clone();
        one.add(&other, 1);
        assert_eq!(one.count(), 101);
        one.add(&other, -1);
        assert_eq!(one, before);
    }
}
