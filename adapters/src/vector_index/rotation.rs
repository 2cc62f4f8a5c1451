//! A fixed rotation, after which no dimension of a vector matters more than another: their signs say the most then.

/// Rounds of signs and transforms.
const ROUNDS: usize = 3;

/// Turns vectors without changing lengths and angles.
#[derive(Debug)]
pub(super) struct Rotation {
    /// Dimensions after the rotation: a multiple of 64.
    padded: usize,
    /// Length of a Walsh-Hadamard transform: the largest power of two that fits. Two of them overlap.
    block: usize,
    signs: Vec<f32>,
}

impl Rotation {
    pub(super) fn new(dimensions: usize) -> Self {
        let padded = dimensions.max(1).next_multiple_of(64);
        let block = 1 << padded.ilog2();
        let mut state = 0x5eed_u64;
        let signs =
            (0..padded * ROUNDS).map(|_| if next(&mut state) >> 63 == 0 { 1.0 } else { -1.0 }).collect();
        Self { padded, block, signs }
    }

    pub(super) fn padded(&self) -> usize {
        self.padded
    }

    /// The rotated vector, in `out`, which is as long as [`Rotation::padded`].
    pub(super) fn rotate(&self, values: &[f32], out: &mut Vec<f32>) {
        out.clear();
        out.extend_from_slice(values);
        out.resize(self.padded, 0.0);
        for signs in self.signs.chunks_exact(self.padded) {
            for (value, sign) in out.iter_mut().zip(signs) {
                *value *= sign;
            }
            transform(&mut out[..self.block]);
            if self.block < self.padded {
                transform(&mut out[self.padded - self.block..]);
            }
        }
    }
}

/// SplitMix64, the same numbers for good.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The Walsh-Hadamard transform of a power of two of values, scaled so that it keeps lengths.
fn transform(values: &mut [f32]) {
    let mut half = 1;
    while half < values.len() {
        for pair in values.chunks_exact_mut(half * 2) {
            let (low, high) = pair.split_at_mut(half);
            for (low, high) in low.iter_mut().zip(high) {
                (*low, *high) = (*low + *high, *low - *high);
            }
        }
        half *= 2;
    }
    let scale = 1.0 / (values.len() as f32).sqrt();
    values.iter_mut().for_each(|value| *value *= scale);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot(one: &[f32], other: &[f32]) -> f32 {
        one.iter().zip(other).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn angles_and_lengths_stay() {
        for dimensions in [1, 64, 100, 512, 768, 3_072] {
            let rotation = Rotation::new(dimensions);
            let mut state = 7;
            let mut random = || (next(&mut state) >> 40) as f32 / 1e7 - 0.8;
            let one: Vec<f32> = (0..dimensions).map(|_| random()).collect();
            let other: Vec<f32> = (0..dimensions).map(|_| random()).collect();
            let (mut turned, mut turned_other) = (Vec::new(), Vec::new());
            rotation.rotate(&one, &mut turned);
            rotation.rotate(&other, &mut turned_other);
            assert_eq!(turned.len(), rotation.padded());
            for (before, after) in
                [(dot(&one, &one), dot(&turned, &turned)), (dot(&one, &other), dot(&turned, &turned_other))]
            {
                assert!(
                    (before - after).abs() < 1e-3 * before.abs().max(1.0),
                    "{dimensions}: {before} {after}"
                );
            }
        }
    }

    #[test]
    fn one_dimension_is_spread_over_all() {
        let rotation = Rotation::new(768);
        let mut one = vec![0.0; 768];
        one[5] = 1.0;
        let mut turned = Vec::new();
        rotation.rotate(&one, &mut turned);
        assert!(turned.iter().all(|value| value.abs() < 0.2), "{turned:?}");
    }
}
