//! Several rankings of the same things as one: reciprocal rank fusion (Cormack, Clarke, Büttcher, SIGIR 2009).

use std::collections::BTreeMap;

/// How little the first places weigh against later ones, as the paper found it.
const K: f64 = 60.0;

/// A thing with its place in each ranking, from 1; `None` where it is missing.
#[derive(Debug, Clone, PartialEq)]
pub struct Fused<T> {
    pub thing: T,
    /// 0 to 1; 1 is the first place in every ranking.
    pub score: f64,
    pub ranks: Vec<Option<u32>>,
}

/// Fuses rankings, each best first: what several of them have comes first. Equal scores are ordered by the thing. Of a
/// thing that is in a ranking twice the better place counts.
#[must_use]
pub fn fuse<T: Ord + Copy>(rankings: &[Vec<T>]) -> Vec<Fused<T>> {
    let mut ranks: BTreeMap<T, Vec<Option<u32>>> = BTreeMap::new();
    for (number, ranking) in rankings.iter().enumerate() {
        for (place, thing) in (1_u32..).zip(ranking) {
            let of_thing = ranks.entry(*thing).or_insert_with(|| vec![None; rankings.len()]);
            if let Some(rank @ None) = of_thing.get_mut(number) {
                *rank = Some(place);
            }
        }
    }
    let best = rankings.len() as f64 / (K + 1.0);
    let score = |ranks: &[Option<u32>]| {
        ranks.iter().flatten().map(|rank| 1.0 / (K + f64::from(*rank))).sum::<f64>() / best
    };
    let mut fused: Vec<Fused<T>> =
        ranks.into_iter().map(|(thing, ranks)| Fused { thing, score: score(&ranks), ranks }).collect();
    // the sort is stable, and the map was ordered
    fused.sort_by(|one, other| other.score.total_cmp(&one.score));
    fused
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(rankings: &[Vec<u32>]) -> Vec<u32> {
        fuse(rankings).into_iter().map(|fused| fused.thing).collect()
    }

    #[test]
    fn what_both_rankings_have_comes_before_what_one_has() {
        assert_eq!(order(&[vec![1, 2, 3], vec![4, 3, 5]]), [3, 1, 4, 2, 5]);
    }

    #[test]
    fn the_first_of_all_rankings_has_a_score_of_one() {
        let fused = fuse(&[vec![7, 8], vec![7]]);
        assert!((fused[0].score - 1.0).abs() < 1e-12, "{fused:?}");
        assert_eq!(fused[0].ranks, [Some(1), Some(1)]);
        assert_eq!(fused[1].ranks, [Some(2), None]);
        assert!((fuse(&[vec![7]])[0].score - 1.0).abs() < 1e-12);
    }

    #[test]
    fn one_ranking_stays_as_it_is_and_none_is_empty() {
        assert_eq!(order(&[vec![3, 1, 2]]), [3, 1, 2]);
        assert_eq!(order(&[vec![3, 3, 1]]), [3, 1]);
        assert_eq!(order(&[]), [] as [u32; 0]);
    }
}
