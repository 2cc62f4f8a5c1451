//! All vectors of one model in a space, in memory, and the search of the nearest.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

use pulp::Arch;
use uuid::Uuid;

use super::quantised::Quantised;

/// Up to so many vectors are all compared; of more only those that an estimate says may be near.
const COMPARED: usize = 20_000;
/// Vectors compared whatever their estimates say, for each hit that is wanted.
const FOR_EACH_HIT: usize = 12;
/// Standard deviations that an estimate may be wrong by: one near vector of a hundred is further off.
const TRUSTED: f32 = 2.4;
/// Steps between the estimates −1 and 1, to find the best without sorting.
const STEPS: usize = 2_048;

/// A vector that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    pub id: Uuid,
    pub group: Uuid,
    pub cosine: f32,
}

/// The order of hits: the nearest first, equal ones by id. A heap has the worst on top.
impl Eq for Found {}

impl Ord for Found {
    fn cmp(&self, other: &Self) -> Ordering {
        other.cosine.total_cmp(&self.cosine).then_with(|| self.id.cmp(&other.id))
    }
}

impl PartialOrd for Found {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Vectors of length one, in rows without gaps.
#[derive(Debug)]
pub struct Matrix {
    dimensions: usize,
    values: Vec<f32>,
    ids: Vec<(Uuid, Uuid)>,
    rows: HashMap<Uuid, u32>,
    groups: HashMap<Uuid, Vec<u32>>,
    quantised: Option<Quantised>,
    /// Number of vectors when the middle was computed.
    middle_of: usize,
}

/// Inner product, in sixteen sums that do not wait for each other.
#[inline(always)]
fn dot(one: &[f32], other: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 32];
    let (chunks, rest) = one.as_chunks::<32>();
    let (other_chunks, other_rest) = other.as_chunks::<32>();
    for (one, other) in chunks.iter().zip(other_chunks) {
        for ((sum, a), b) in sums.iter_mut().zip(one).zip(other) {
            *sum += a * b;
        }
    }
    let rest: f32 = rest.iter().zip(other_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

/// The best hits so far.
struct Best {
    hits: BinaryHeap<Found>,
    limit: usize,
}

impl Best {
    /// The cosine from which on a vector is a hit.
    fn bar(&self) -> f32 {
        if self.hits.len() < self.limit {
            f32::MIN
        } else {
            self.hits.peek().map_or(f32::MIN, |worst| worst.cosine)
        }
    }

    fn offer(&mut self, found: Found) {
        if self.hits.len() < self.limit {
            self.hits.push(found);
        } else if self.hits.peek().is_some_and(|worst| found < *worst) {
            self.hits.pop();
            self.hits.push(found);
        }
    }
}

impl Matrix {
    #[must_use]
    pub fn new(dimensions: u16) -> Self {
        Self {
            dimensions: usize::from(dimensions.max(1)),
            values: Vec::new(),
            ids: Vec::new(),
            rows: HashMap::new(),
            groups: HashMap::new(),
            quantised: None,
            middle_of: 0,
        }
    }

    pub(super) fn dimensions(&self) -> u16 {
        self.dimensions as u16
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Memory that it takes, nearly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let quantised = self.quantised.as_ref().map_or(0, Quantised::bytes);
        let of_groups: usize = self.groups.values().map(|rows| rows.capacity() * 4 + 40).sum();
        self.values.capacity() * 4
            + self.ids.capacity() * 32
            + self.rows.capacity() * 24
            + of_groups
            + quantised
    }

    /// Adds a vector, or replaces the one with this id. One of another length is left out.
    pub fn put(&mut self, id: Uuid, group: Uuid, values: &[f32]) {
        if values.len() != self.dimensions {
            return;
        }
        match self.rows.get(&id).map(|row| *row as usize) {
            Some(row) => {
                self.values[row * self.dimensions..][..self.dimensions].copy_from_slice(values);
                if self.ids[row].1 != group {
                    self.leave_group(row);
                    self.groups.entry(group).or_default().push(row as u32);
                    self.ids[row].1 = group;
                }
                if let Some(quantised) = &mut self.quantised {
                    quantised.set(row, values);
                }
            }
            None => {
                let row = self.ids.len() as u32;
                self.values.extend_from_slice(values);
                self.ids.push((id, group));
                self.rows.insert(id, row);
                self.groups.entry(group).or_default().push(row);
                if let Some(quantised) = &mut self.quantised {
                    quantised.push(values);
                }
            }
        }
    }

    pub fn remove(&mut self, id: Uuid) {
        let Some(row) = self.rows.get(&id).map(|row| *row as usize) else { return };
        self.leave_group(row);
        self.rows.remove(&id);
        let last = self.ids.len() - 1;
        if row != last {
            let (moved, group) = self.ids[last];
            self.rows.insert(moved, row as u32);
            if let Some(rows) = self.groups.get_mut(&group)
                && let Some(place) = rows.iter_mut().find(|place| **place == last as u32)
            {
                *place = row as u32;
            }
        }
        self.values.copy_within(last * self.dimensions.., row * self.dimensions);
        self.values.truncate(last * self.dimensions);
        self.ids.swap_remove(row);
        if let Some(quantised) = &mut self.quantised {
            quantised.swap_remove(row);
        }
    }

    fn leave_group(&mut self, row: usize) {
        let group = self.ids[row].1;
        if let Some(rows) = self.groups.get_mut(&group) {
            rows.retain(|other| *other != row as u32);
            if rows.is_empty() {
                self.groups.remove(&group);
            }
        }
    }

    /// Makes or removes the estimates, once the number of vectors asks for it. The middle is computed anew when there are
    /// twice as many vectors as before.
    pub fn settle(&mut self) {
        let count = self.ids.len();
        if count <= COMPARED {
            self.quantised = None;
        } else if self.quantised.is_none() || count > self.middle_of * 2 {
            self.quantised = Some(Quantised::of(&self.values, self.dimensions));
            self.middle_of = count;
        }
    }

    /// The cosine of one vector with the query; `None` if there is no such vector.
    #[must_use]
    pub fn cosine(&self, id: Uuid, query: &[f32]) -> Option<f32> {
        let row = *self.rows.get(&id)?;
        (query.len() == self.dimensions).then(|| dot(self.row(row as usize), query))
    }

    fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.dimensions..][..self.dimensions]
    }

    /// The nearest `limit` vectors, of one group or of all, nearest first.
    #[must_use]
    pub fn nearest(&self, query: &[f32], group: Option<Uuid>, limit: usize) -> Vec<Found> {
        if query.len() != self.dimensions || limit == 0 {
            return Vec::new();
        }
        let mut best = Best { hits: BinaryHeap::with_capacity(limit + 1), limit };
        match (group, &self.quantised) {
            (Some(group), _) => {
                let rows = self.groups.get(&group).map_or(&[][..], Vec::as_slice);
                self.compare(query, rows, &mut best);
            }
            (None, Some(quantised)) if quantised.len() == self.ids.len() => {
                self.estimated(query, quantised, &mut best);
            }
            (None, _) => self.compare_all(query, &mut best),
        }
        best.hits.into_sorted_vec()
    }

    fn compare_all(&self, query: &[f32], best: &mut Best) {
        Arch::new().dispatch(
            #[inline(always)]
            || {
                let mut bar = best.bar();
                for (values, (id, group)) in self.values.chunks_exact(self.dimensions).zip(&self.ids) {
                    let cosine = dot(values, query);
                    if cosine >= bar {
                        best.offer(Found { id: *id, group: *group, cosine });
                        bar = best.bar();
                    }
                }
            },
        );
    }

    fn compare(&self, query: &[f32], rows: &[u32], best: &mut Best) {
        Arch::new().dispatch(
            #[inline(always)]
            || {
                for row in rows {
                    let row = *row as usize;
                    let (id, group) = self.ids[row];
                    best.offer(Found { id, group, cosine: dot(self.row(row), query) });
                }
            },
        );
    }

    /// Compares the vectors with the best estimates first, then those that may be as near by the error of their estimate.
    fn estimated(&self, query: &[f32], quantised: &Quantised, best: &mut Best) {
        let estimates = quantised.estimates(query);
        let step = |cosine: f32| (((cosine + 1.0) * (STEPS as f32 / 2.0)).max(0.0) as usize).min(STEPS - 1);
        let mut counts = vec![0_u32; STEPS];
        estimates.iter().for_each(|estimate| counts[step(estimate.cosine)] += 1);
        let (mut first, mut above) = (STEPS, 0);
        while first > 0 && above < best.limit * FOR_EACH_HIT {
            first -= 1;
            above += counts[first] as usize;
        }
        let rows = |is: &dyn Fn(&super::quantised::Estimate) -> bool| -> Vec<u32> {
            (0_u32..).zip(&estimates).filter(|(_, estimate)| is(estimate)).map(|(row, _)| row).collect()
        };
        self.compare(query, &rows(&|estimate| step(estimate.cosine) >= first), best);
        let bar = best.bar();
        let maybe = rows(&|estimate| {
            step(estimate.cosine) < first && estimate.cosine + TRUSTED * estimate.error >= bar
        });
        self.compare(query, &maybe, best);
    }
}
