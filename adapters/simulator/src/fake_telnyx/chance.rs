//! Random numbers and ids from a seed: the same seed gives the same faults, leg by leg.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::{Builder, Uuid};

/// A random number generator, SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): small, fast, and
/// good enough for simulations.
#[derive(Debug, Clone)]
pub struct SeededRandom(u64);

impl SeededRandom {
    /// An independent generator for each `(seed, stream)`, so that legs do not influence one another.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Self {
        Self(mix(seed ^ mix(stream.wrapping_add(0x9e37_79b9_7f4a_7c15))))
    }

    /// 64 uniformly distributed random bits.
    #[expect(clippy::should_implement_trait, reason = "random are no iterator: they never run out")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// True with the given probability; 0 never, 1 always.
    pub fn roll(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.fraction() < probability
    }

    /// A number from 0 up to, not including, 1.
    pub fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Generates ids in the forms that Telnyx uses.
#[derive(Debug)]
pub(super) struct Names {
    run: u64,
    next: AtomicU64,
}

impl Names {
    /// `run` distinguishes runs with the same seed: a server that saw the first must not take the second for a repeat.
    pub fn new(seed: u64, run: u64) -> Self {
        Self { run: mix(mix(seed).wrapping_add(run)), next: AtomicU64::new(0) }
    }

    pub fn uuid(&self) -> Uuid {
        let bits = self.draw();
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&bits[0].to_be_bytes());
        bytes[8..].copy_from_slice(&bits[1].to_be_bytes());
        Builder::from_random_bytes(bytes).into_uuid()
    }

    /// `v3:` and URL-safe base64, which must be percent-encoded in a path, as with real ids.
    pub fn control_id(&self) -> String {
        let bits: Vec<u8> =
            [self.draw(), self.draw()].as_flattened().iter().flat_map(|word| word.to_be_bytes()).collect();
        format!("v3:{}", URL_SAFE_NO_PAD.encode(bits))
    }

    fn draw(&self) -> [u64; 2] {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut random = SeededRandom::new(self.run, number);
        [random.next(), random.next()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_throws_the_same_and_another_does_not() {
        let throws = |seed, stream| {
            let mut random = SeededRandom::new(seed, stream);
            (0..50).map(|_| random.roll(0.5)).collect::<Vec<_>>()
        };
        assert_eq!(throws(1, 1), throws(1, 1));
        assert_ne!(throws(1, 1), throws(2, 1));
        assert_ne!(throws(1, 1), throws(1, 2));
    }

    #[test]
    fn a_probability_is_kept() {
        let mut random = SeededRandom::new(7, 7);
        let hits = (0..10_000).filter(|_| random.roll(0.1)).count();
        assert!((800..1200).contains(&hits), "{hits}");
        assert_eq!((0..1000).filter(|_| random.roll(0.0)).count(), 0);
        assert_eq!((0..1000).filter(|_| random.roll(1.0)).count(), 1000);
    }

    #[test]
    fn names_are_not_given_twice_even_by_runs_with_the_same_seed() {
        let runs = [Names::new(1, 1), Names::new(1, 2), Names::new(2, 1)];
        let mut names: Vec<_> = runs.iter().flat_map(|names| (0..1000).map(|_| names.uuid())).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 3000);
    }
}
