//! The keys a caller presses while menus lead the call.
//!
//! The carrier tells of a press up to twice: by a webhook of its own, and among the digits of the gather it ended in.
//! The two are recognised as one press by key and time, both by the carrier's clock. A press is taken once, as part of
//! one entry; one that nothing asked for yet waits for the next ask.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::envelope::Time;

/// How much later than the gather it was part of a press may be dated: the carrier stamps the two on different hosts.
const SAME: TimeDelta = TimeDelta::seconds(1);
/// How long after a full entry its terminator is still taken for the end of that entry.
const TERMINATOR: TimeDelta = TimeDelta::seconds(3);
/// How much earlier than what a session began with a press may be dated.
const LEEWAY: TimeDelta = TimeDelta::seconds(5);
/// Most presses that are remembered.
const MOST: usize = 64;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Press {
    /// By its own webhook, or else the latest it can have been.
    at: Time,
    /// `None`: it is secret, or may be.
    key: Option<char>,
    /// Told by a webhook of its own.
    alone: bool,
    /// Told among the digits of a gather.
    gathered: bool,
    taken: bool,
}

impl Press {
    /// Whether it was told by a gather and is the one that a webhook of its own tells of.
    fn may_be(&self, key: Option<char>, at: Time) -> bool {
        self.gathered && !self.alone && same(self.key, key) && at <= self.at + SAME
    }
}

/// The presses of a session, each once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Keys {
    presses: Vec<Press>,
    /// What was pressed before is no news.
    since: Time,
    /// The key that ended the entry before, and until when it may have been pressed.
    ending: Option<(char, Time)>,
}

impl Keys {
    /// Of a session that began at `began`.
    pub(super) fn since(began: Time) -> Self {
        Self { presses: vec![], since: began - LEEWAY, ending: None }
    }

    /// A webhook tells of a press.
    pub(super) fn pressed(&mut self, key: Option<char>, at: Time) {
        self.forget();
        if let Some(press) = self.presses.iter_mut().find(|press| press.may_be(key, at)) {
            (press.alone, press.at) = (true, at);
            if press.taken {
                self.since = self.since.max(at);
            }
            return;
        }
        let ends = self.ending.take().is_some_and(|(end, until)| key == Some(end) && at <= until);
        let taken = ends || at < self.since;
        self.presses.push(Press { at, key, alone: true, gathered: false, taken });
    }

    /// Whether a gather that ended at `at` with `keys` holds one that was not taken yet.
    pub(super) fn are_news(&self, keys: &[Option<char>], at: Time) -> bool {
        let mut keys_after = self.clone();
        keys_after.pair(keys, at, true).iter().any(|place| !keys_after.presses[*place].taken)
    }

    /// Which keys of a gather that ended at `at` no webhook of their own has told of.
    pub(super) fn untold(&self, keys: &[Option<char>], at: Time) -> Vec<Option<char>> {
        let mut after = self.clone();
        let places = after.pair(keys, at, true);
        let untold = |(place, key): (usize, &Option<char>)| (!after.presses[place].alone).then_some(*key);
        places.into_iter().zip(keys).filter_map(untold).collect()
    }

    /// Whether a gather told of the press that a webhook of its own tells of now.
    pub(super) fn is_repeated(&self, key: Option<char>, at: Time) -> bool {
        self.presses.iter().any(|press| press.may_be(key, at))
    }

    /// Whether what happened at `at` was before the last key that was taken.
    pub(super) fn are_past(&self, at: Time) -> bool {
        at < self.since
    }

    /// A gather that waits for an entry ended at `at` with `keys`: the whole entry, which is taken, with what was
    /// pressed before the carrier began to gather.
    pub(super) fn gathered(
        &mut self,
        keys: &[Option<char>],
        at: Time,
        terminator: Option<char>,
    ) -> Vec<Option<char>> {
        let places = self.pair(keys, at, false);
        let first = places.iter().map(|place| self.presses[*place].at).min();
        let before = |press: &Press| first.map_or(press.at <= at, |first| press.at < first);
        let mut entry: Vec<Option<char>> = Vec::with_capacity(places.len());
        for place in self.fresh() {
            let press = &self.presses[place];
            if !press.gathered && press.key.is_some() && press.key != terminator && before(press) {
                entry.push(press.key);
                self.take(place);
            }
        }
        for place in places {
            if !self.presses[place].taken {
                entry.push(self.presses[place].key);
                self.take(place);
            }
        }
        if let Some(end) = terminator.filter(|end| keys.last() != Some(&Some(*end))) {
            self.end_with(end, at);
        }
        entry
    }

    /// A gather that nothing waits for any more ended at `at` with `keys`: they are no news.
    pub(super) fn gathered_late(&mut self, keys: &[Option<char>], at: Time) {
        for place in self.pair(keys, at, true) {
            self.take(place);
        }
    }

    /// What was pressed ahead, in order; secret keys are never pressed ahead.
    pub(super) fn ahead(&self) -> Vec<char> {
        self.fresh().into_iter().filter_map(|place| self.presses[place].key).collect()
    }

    /// Takes the first `count` of those pressed ahead.
    pub(super) fn take_ahead(&mut self, count: usize) {
        let known = |place: &usize| self.presses[*place].key.is_some();
        let places: Vec<usize> = self.fresh().into_iter().filter(known).take(count).collect();
        places.into_iter().for_each(|place| self.take(place));
    }

    /// Takes all that are left: they belonged to what is not waited for any more.
    pub(super) fn drop_all(&mut self) {
        self.fresh().into_iter().for_each(|place| self.take(place));
    }

    /// Takes secret keys that are left: no entry can be made of them.
    pub(super) fn drop_secret(&mut self) {
        for place in self.fresh() {
            if self.presses[place].key.is_none() {
                self.take(place);
            }
        }
    }

    /// All that are left, in order, with secret ones.
    pub(super) fn left(&self) -> Vec<Option<char>> {
        self.fresh().into_iter().map(|place| self.presses[place].key).collect()
    }

    /// The presses that the digits of a gather are, in order; those without a webhook of their own so far are added. Of
    /// one that waits for an entry they are none that was taken, of an `earlier` one such rather than others.
    fn pair(&mut self, keys: &[Option<char>], at: Time, earlier: bool) -> Vec<usize> {
        let mut places = Vec::with_capacity(keys.len());
        for key in keys {
            // what is known was pressed before secret keys were asked for
            let is_key = |press: &Press| press.key.is_none() || press.key == *key;
            let is = |press: &Press| {
                !press.gathered && (earlier || !press.taken) && is_key(press) && press.at <= at + SAME
            };
            let mut found: Vec<usize> = (0..self.presses.len()).filter(|n| is(&self.presses[*n])).collect();
            found.sort_by_key(|place| (!self.presses[*place].taken, self.presses[*place].at));
            let place = found.first().copied().unwrap_or_else(|| {
                let (key, alone) = (*key, false);
                self.presses.push(Press { at, key, alone, gathered: true, taken: false });
                self.presses.len() - 1
            });
            let press = &mut self.presses[place];
            press.gathered = true;
            press.key = press.key.or(*key);
            places.push(place);
        }
        places
    }

    /// A full entry was taken at `at`: its terminator, if it was or will be pressed, belongs to it.
    fn end_with(&mut self, end: char, at: Time) {
        let until = at + TERMINATOR;
        let next = self.fresh().first().copied();
        match next.map(|place| (place, &self.presses[place])) {
            Some((place, press)) if press.key == Some(end) && press.at <= until => self.take(place),
            Some(_) => {}
            None => self.ending = Some((end, until)),
        }
    }

    fn fresh(&self) -> Vec<usize> {
        let mut fresh: Vec<usize> = (0..self.presses.len()).filter(|n| !self.presses[*n].taken).collect();
        fresh.sort_by_key(|place| self.presses[*place].at);
        fresh
    }

    fn take(&mut self, place: usize) {
        let press = &mut self.presses[place];
        press.taken = true;
        if press.alone {
            self.since = self.since.max(press.at);
        }
    }

    fn forget(&mut self) {
        while self.presses.len() >= MOST {
            let done = self.presses.iter().position(|press| press.taken && press.gathered && press.alone);
            let done = done.or_else(|| self.presses.iter().position(|press| press.taken));
            self.presses.remove(done.unwrap_or(0));
        }
    }
}

fn same(one: Option<char>, other: Option<char>) -> bool {
    one.is_none() || other.is_none() || one == other
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::calls::at;

    fn keys(pressed: &[(char, i64)]) -> Keys {
        let mut keys = Keys::since(at(0));
        pressed.iter().for_each(|(key, seconds)| keys.pressed(Some(*key), at(*seconds)));
        keys
    }

    fn some(text: &str) -> Vec<Option<char>> {
        text.chars().map(Some).collect()
    }

    #[test]
    fn a_press_told_twice_is_one_whichever_is_told_first() {
        let mut alone_first = keys(&[('1', 5)]);
        assert_eq!(alone_first.gathered(&some("1"), at(5), None), some("1"));
        assert!(alone_first.left().is_empty());
        let mut gather_first = keys(&[]);
        assert_eq!(gather_first.gathered(&some("1"), at(6), None), some("1"));
        gather_first.pressed(Some('1'), at(5));
        assert!(gather_first.left().is_empty());
        gather_first.pressed(Some('1'), at(5));
        assert_eq!(gather_first.ahead(), ['1'], "the same key twice is two presses");
    }

    #[test]
    fn keys_before_the_gather_belong_to_its_entry_and_those_after_it_to_the_next() {
        let mut all = keys(&[('8', 4), ('3', 6), ('6', 7), ('9', 9)]);
        assert_eq!(all.gathered(&some("36"), at(8), None), some("836"));
        assert_eq!(all.ahead(), ['9']);
        let mut none = keys(&[('8', 4)]);
        assert_eq!(none.gathered(&[], at(8), None), some("8"));
    }

    #[test]
    fn a_terminator_belongs_to_the_entry_before_whether_or_not_it_ended_it() {
        let mut told = keys(&[('8', 5), ('3', 6), ('#', 7)]);
        assert_eq!(told.gathered(&some("83"), at(7), Some('#')), some("83"));
        assert!(told.left().is_empty());
        let mut late = keys(&[('8', 5), ('3', 6)]);
        late.gathered(&some("83"), at(6), Some('#'));
        late.pressed(Some('#'), at(7));
        assert!(late.left().is_empty());
        late.pressed(Some('#'), at(8));
        assert_eq!(late.ahead(), ['#']);
    }

    #[test]
    fn what_is_older_than_the_last_key_taken_is_no_news_and_memory_is_bounded() {
        let mut all = keys(&[('1', 9)]);
        all.take_ahead(1);
        all.pressed(Some('2'), at(8));
        assert!(all.left().is_empty());
        assert!(all.are_past(at(7)) && !all.are_past(at(9)));
        for n in 0..1000 {
            all.pressed(Some('5'), at(10 + n));
        }
        assert!(all.presses.len() <= MOST);
    }
}
