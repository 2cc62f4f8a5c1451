//! Vectors of one bit a dimension, from which cosines are estimated with a known error (RaBitQ; Gao and Long, SIGMOD 2024).
//!
//! What is kept of a vector is where it lies as seen from the middle of all, rotated, as signs. A cosine is estimated from these and
//! from the query in four bits a dimension, by counting bits.

use pulp::Arch;

use super::rotation::Rotation;

/// Bits of a query's dimension.
const PLANES: usize = 4;
const LEVELS: f32 = (1 << PLANES) as f32 - 1.0;

/// What else is kept of a vector.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// What an inner product with the signs is multiplied by.
    factor: f32,
    /// Number of signs above zero.
    ones: f32,
    /// Standard deviation of an estimate.
    error: f32,
}

/// An estimate of a cosine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Estimate {
    pub(super) cosine: f32,
    /// Standard deviation of the estimate.
    pub(super) error: f32,
}

#[derive(Debug)]
pub(super) struct Quantised {
    rotation: Rotation,
    /// The middle of the vectors that were there at first.
    middle: Vec<f32>,
    /// Signs, one bit each, `words` numbers a row.
    signs: Vec<u64>,
    words: usize,
    rows: Vec<Row>,
}

impl Quantised {
    /// Of `values`, rows of `dimensions` numbers.
    pub(super) fn of(values: &[f32], dimensions: usize) -> Self {
        let count = (values.len() / dimensions.max(1)).max(1) as f32;
        let mut middle = vec![0.0_f32; dimensions];
        for row in values.chunks_exact(dimensions) {
            middle.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        middle.iter_mut().for_each(|sum| *sum /= count);
        let rotation = Rotation::new(dimensions);
        let words = rotation.padded() / 64;
        let mut quantised = Self { rotation, middle, signs: Vec::new(), words, rows: Vec::new() };
        quantised.signs.reserve_exact(values.len() / dimensions.max(1) * words);
        for row in values.chunks_exact(dimensions) {
            quantised.push(row);
        }
        quantised
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.signs.capacity() * 8 + self.rows.capacity() * size_of::<Row>()
    }

    pub(super) fn push(&mut self, values: &[f32]) {
        let at = self.signs.len();
        self.signs.resize(at + self.words, 0);
        let row = self.encode(values, at);
        self.rows.push(row);
    }

    pub(super) fn set(&mut self, row: usize, values: &[f32]) {
        let encoded = self.encode(values, row * self.words);
        if let Some(kept) = self.rows.get_mut(row) {
            *kept = encoded;
        }
    }

    /// Puts the last row in the place of this one.
    pub(super) fn swap_remove(&mut self, row: usize) {
        let last = self.rows.len() - 1;
        self.signs.copy_within(last * self.words.., row * self.words);
        self.signs.truncate(last * self.words);
        self.rows.swap_remove(row);
    }

    /// Writes the signs of a vector to `at`.
    fn encode(&mut self, values: &[f32], at: usize) -> Row {
        let residual: Vec<f32> =
            values.iter().zip(&self.middle).map(|(value, middle)| value - middle).collect();
        let mut turned = Vec::with_capacity(self.rotation.padded());
        Arch::new().dispatch(|| self.rotation.rotate(&residual, &mut turned));
        let length = turned.iter().map(|value| value * value).sum::<f32>().sqrt();
        let dimensions = turned.len() as f32;
        let mut ones = 0;
        for (word, values) in self.signs[at..at + self.words].iter_mut().zip(turned.chunks_exact(64)) {
            *word = (0..).zip(values).fold(0, |bits, (bit, value)| bits | u64::from(*value > 0.0) << bit);
            ones += word.count_ones();
        }
        // how much of the direction the signs tell: about 0.8
        let told =
            turned.iter().map(|value| value.abs()).sum::<f32>() / (dimensions.sqrt() * length.max(1e-12));
        let told = told.clamp(0.1, 1.0);
        let error = length * ((1.0 - told * told) / (told * told)).sqrt() / (dimensions - 1.0).sqrt();
        Row { factor: length / told, ones: ones as f32, error }
    }

    /// Estimates the cosine of every row with a vector of length one.
    pub(super) fn estimates(&self, query: &[f32]) -> Vec<Estimate> {
        let mut turned = Vec::with_capacity(self.rotation.padded());
        self.rotation.rotate(query, &mut turned);
        let to_middle: f32 = query.iter().zip(&self.middle).map(|(value, middle)| value * middle).sum();
        let (low, high) = turned
            .iter()
            .fold((f32::MAX, f32::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
        let step = ((high - low) / LEVELS).max(1e-12);
        let mut planes = vec![0_u64; PLANES * self.words];
        let mut sum = 0.0;
        for (at, value) in turned.iter().enumerate() {
            let level = ((value - low) / step).round().clamp(0.0, LEVELS);
            sum += low + step * level;
            for plane in 0..PLANES {
                planes[plane * self.words + at / 64] |= (level as u64 >> plane & 1) << (at % 64);
            }
        }
        let scale = 1.0 / (turned.len() as f32).sqrt();
        let mut estimates = Vec::with_capacity(self.rows.len());
        Arch::new().dispatch(
            #[inline(always)]
            || {
                for (signs, row) in self.signs.chunks_exact(self.words).zip(&self.rows) {
                    let levels = weighed(signs, &planes) as f32;
                    let product = (2.0 * (low * row.ones + step * levels) - sum) * scale;
                    estimates.push(Estimate { cosine: to_middle + row.factor * product, error: row.error });
                }
            },
        );
        estimates
    }
}

/// Sum of the query's levels where the sign is above zero.
#[inline(always)]
fn weighed(signs: &[u64], planes: &[u64]) -> u64 {
    let mut sum = 0;
    for (plane, levels) in planes.chunks_exact(signs.len()).enumerate() {
        let ones: u64 =
            signs.iter().zip(levels).map(|(sign, level)| u64::from((sign & level).count_ones())).sum();
        sum += ones << plane;
    }
    sum
}
