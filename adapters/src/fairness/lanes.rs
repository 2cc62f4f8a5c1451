//! A queue with a lane for each sender, served in turn.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Items of several senders. Deficit round robin (Shreedhar and Varghese, 1995): a turn gives a lane its share of
/// cost to spend, so that two lanes with equal shares get equally much through, however many or large their items
/// are. Within a lane the order is that of arrival.
///
/// A lane exists as long as something waits in it: memory is bounded by what waits.
#[derive(Debug)]
pub struct Lanes<K, T> {
    lanes: HashMap<K, Lane<T>>,
    /// Senders with waiting items, the next one to be served first.
    turns: VecDeque<K>,
    len: usize,
    cost: usize,
}

#[derive(Debug)]
struct Lane<T> {
    items: VecDeque<(usize, T)>,
    cost: usize,
    share: usize,
    credit: usize,
}

impl<K, T> Default for Lanes<K, T> {
    fn default() -> Self {
        Self { lanes: HashMap::new(), turns: VecDeque::new(), len: 0, cost: 0 }
    }
}

impl<K: Eq + Hash + Clone, T> Lanes<K, T> {
    /// Number of waiting items.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Cost of all waiting items.
    #[must_use]
    pub const fn cost(&self) -> usize {
        self.cost
    }

    /// Number and cost of the items that wait in a lane.
    #[must_use]
    pub fn of(&self, key: &K) -> (usize, usize) {
        self.lanes.get(key).map_or((0, 0), |lane| (lane.items.len(), lane.cost))
    }

    /// Puts an item at the end of its sender's lane. `share` is the cost a lane may spend in a turn, at least 1.
    pub fn push(&mut self, key: K, share: usize, cost: usize, item: T) {
        self.len += 1;
        self.cost += cost;
        let lane = self.lanes.entry(key.clone()).or_insert_with(|| {
            self.turns.push_back(key);
            Lane { items: VecDeque::new(), cost: 0, share: share.max(1), credit: share.max(1) }
        });
        lane.cost += cost;
        lane.items.push_back((cost, item));
    }

    /// Takes the next item: the oldest of the lane whose turn it is, or the newest if `newest_first` says
    /// so of the oldest.
    pub fn pop(&mut self, newest_first: impl Fn(&T) -> bool) -> Option<T> {
        loop {
            let key = self.turns.front()?;
            let lane = self.lanes.get_mut(key)?;
            let reversed = lane.items.front().is_some_and(|(_, oldest)| newest_first(oldest));
            let next = if reversed { lane.items.back() } else { lane.items.front() };
            let cost = next.map_or(0, |(cost, _)| *cost);
            if cost > lane.credit {
                lane.credit += lane.share;
                self.turns.rotate_left(1);
                continue;
            }
            lane.credit -= cost;
            let taken = if reversed { lane.items.pop_back() } else { lane.items.pop_front() };
            return taken.map(|(cost, item)| self.took(None, cost, item));
        }
    }

    /// The lane with the most items, or with the highest cost, and how much that is.
    #[must_use]
    pub fn fullest(&self, by_cost: bool) -> Option<(&K, usize)> {
        let size = |lane: &Lane<T>| if by_cost { lane.cost } else { lane.items.len() };
        self.lanes.iter().map(|(key, lane)| (key, size(lane))).max_by_key(|(_, size)| *size)
    }

    pub fn pop_newest_of(&mut self, key: &K) -> Option<T> {
        let (cost, item) = self.lanes.get_mut(key)?.items.pop_back()?;
        Some(self.took(Some(key.clone()), cost, item))
    }

    /// Drops the oldest items of a lane for as long as `dead` holds for them.
    pub fn drop_oldest_while(&mut self, key: &K, dead: impl Fn(&T) -> bool) {
        while let Some(lane) = self.lanes.get_mut(key)
            && lane.items.front().is_some_and(|(_, oldest)| dead(oldest))
            && let Some((cost, item)) = lane.items.pop_front()
        {
            self.took(Some(key.clone()), cost, item);
        }
    }

    /// Removes all items, in no particular order.
    pub fn drain(&mut self) -> impl Iterator<Item = T> {
        std::mem::take(self).lanes.into_values().flat_map(|lane| lane.items).map(|(_, item)| item)
    }

    /// Updates counts and turns after an item left the lane of `key`, or the lane whose turn it is when `None`.
    fn took(&mut self, key: Option<K>, cost: usize, item: T) -> T {
        self.len -= 1;
        self.cost -= cost;
        let served = key.is_none();
        let Some(key) = key.or_else(|| self.turns.front().cloned()) else { return item };
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.cost -= cost;
            if lane.items.is_empty() {
                self.lanes.remove(&key);
                match served {
                    true => drop(self.turns.pop_front()),
                    false => self.turns.retain(|other| *other != key),
                }
            }
        }
        item
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(lanes: &mut Lanes<char, (char, usize)>, most: usize) -> String {
        (0..most).map_while(|_| lanes.pop(|_| false)).map(|(sender, _)| sender).collect()
    }

    #[test]
    fn senders_take_turns_however_much_one_of_them_brings() {
        let mut lanes = Lanes::default();
        (0..6).for_each(|n| lanes.push('a', 1, 1, ('a', n)));
        (0..2).for_each(|n| lanes.push('b', 1, 1, ('b', n)));
        lanes.push('c', 1, 1, ('c', 0));
        let order = served(&mut lanes, 9);
        assert!(order.rfind('b') < Some(6) && order.rfind('c') < Some(4), "{order}");
        assert!(lanes.is_empty() && lanes.cost() == 0 && lanes.lanes.is_empty() && lanes.turns.is_empty());
    }

    #[test]
    fn large_items_cost_their_sender_turns() {
        let mut lanes = Lanes::default();
        (0..4).for_each(|n| lanes.push('a', 4, 16, ('a', n)));
        (0..16).for_each(|n| lanes.push('b', 4, 1, ('b', n)));
        let order = served(&mut lanes, 17);
        // of equal cost as many times: one of a's is worth sixteen of b's
        assert!(order.matches('a').count() <= 2, "{order}");
    }

    #[test]
    fn a_greater_share_gets_more_through() {
        let mut lanes = Lanes::default();
        (0..20).for_each(|n| lanes.push('a', 1, 1, ('a', n)));
        (0..20).for_each(|n| lanes.push('b', 4, 1, ('b', n)));
        let order = served(&mut lanes, 20);
        assert!((15..=17).contains(&order.matches('b').count()), "{order}");
    }

    #[test]
    fn a_lane_keeps_its_order_unless_its_oldest_is_too_old() {
        let mut lanes = Lanes::default();
        (0..4).for_each(|n| lanes.push('a', 1, 1, ('a', n)));
        assert_eq!(lanes.pop(|_| false), Some(('a', 0)));
        assert_eq!(lanes.pop(|_| true), Some(('a', 3)));
        lanes.drop_oldest_while(&'a', |(_, n)| *n < 2);
        assert_eq!((lanes.of(&'a'), lanes.pop(|_| false)), ((1, 1), Some(('a', 2))));
    }

    #[test]
    fn the_fullest_lane_is_known_and_gives_up_its_newest() {
        let mut lanes = Lanes::default();
        (0..3).for_each(|n| lanes.push('a', 1, 1, ('a', n)));
        lanes.push('b', 1, 9, ('b', 0));
        assert_eq!((lanes.fullest(false), lanes.fullest(true)), (Some((&'a', 3)), Some((&'b', 9))));
        assert_eq!(lanes.pop_newest_of(&'a'), Some(('a', 2)));
        assert_eq!(lanes.pop_newest_of(&'b'), Some(('b', 0)));
        assert_eq!((lanes.pop_newest_of(&'b'), lanes.len()), (None, 2));
        assert_eq!(served(&mut lanes, 9), "aa");
    }
}
