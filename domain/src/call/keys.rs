//! The keys a caller presses while menus lead the call.
//!
//! The carrier reports a press up to twice: by a DTMF webhook of its own, and among the digits of the gather
//! that it ended in. Key and time, both by the carrier's clock, show that the two are one press. A press is
//! taken once, as part of one entry; a press that no gather has asked for yet waits for the next gather.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::envelope::Time;

/// How much later than its gather a press may be dated and still belong to it: the carrier stamps the
/// two on different hosts.
const SAME: TimeDelta = TimeDelta::seconds(1);
/// How long after a whole entry its terminator may come and still belong to it.
const TERMINATOR: TimeDelta = TimeDelta::seconds(3);
/// How much earlier than the start of the session a press may be dated.
const LEEWAY: TimeDelta = TimeDelta::seconds(5);
/// Most presses that the call remembers.
const MOST: usize = 64;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Press {
    /// Time of the DTMF webhook, else of the gather: the latest moment it can have been.
    at: Time,
    /// `None` when the key is or may be secret.
    key: Option<char>,
    /// A DTMF webhook reported it.
    alone: bool,
    /// A gather's webhook reported it.
    gathered: bool,
    taken: bool,
}

impl Press {
    /// Whether a gather reported the press that a DTMF webhook with this key and time reports.
    fn may_be(&self, key: Option<char>, at: Time) -> bool {
        self.gathered && !self.alone && same(self.key, key) && at <= self.at + SAME
    }
}

/// The key presses of a session, each counted once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Keys {
    presses: Vec<Press>,
    /// Presses before this moment are ignored.
    since: Time,
    /// Terminator of the previous entry, and until when a press of it belongs to that entry.
    ending: Option<(char, Time)>,
}

impl Keys {
    /// Keys of a session that began at `began`.
    pub(super) fn since(began: Time) -> Self {
        Self { presses: vec![], since: began - LEEWAY, ending: None }
    }

    /// Records a press that a DTMF webhook reports.
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

    /// The keys of a gather that ended at `at` which no DTMF webhook reported.
    pub(super) fn untold(&self, keys: &[Option<char>], at: Time) -> Vec<Option<char>> {
        let mut after = self.clone();
        let places = after.pair(keys, at, true);
        let untold = |(place, key): (usize, &Option<char>)| (!after.presses[place].alone).then_some(*key);
        places.into_iter().zip(keys).filter_map(untold).collect()
    }

    /// Whether a gather already reported the press that a DTMF webhook reports now.
    pub(super) fn is_repeated(&self, key: Option<char>, at: Time) -> bool {
        self.presses.iter().any(|press| press.may_be(key, at))
    }

    /// Whether `at` is before the last key that was taken.
    pub(super) fn are_past(&self, at: Time) -> bool {
        at < self.since
    }

    /// Takes the entry of a gather that ended at `at` with `keys`: these keys, and before them what was
    /// pressed before the carrier began to gather. Returns the whole entry.
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

    /// Takes the keys of a gather that nobody waits for any more, so that they count for no later entry.
    pub(super) fn gathered_late(&mut self, keys: &[Option<char>], at: Time) {
        for place in self.pair(keys, at, true) {
            self.take(place);
        }
    }

    /// Keys pressed ahead of a gather, in order, without secret ones.
    pub(super) fn ahead(&self) -> Vec<char> {
        self.fresh().into_iter().filter_map(|place| self.presses[place].key).collect()
    }

    /// Takes the first `count` keys pressed ahead.
    pub(super) fn take_ahead(&mut self, count: usize) {
        let known = |place: &usize| self.presses[*place].key.is_some();
        let places: Vec<usize> = self.fresh().into_iter().filter(known).take(count).collect();
        places.into_iter().for_each(|place| self.take(place));
    }

    /// Takes all keys left: they belonged to a gather that nobody waits for any more.
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

    /// All keys not taken yet, in order; a secret one is `None`.
    pub(super) fn left(&self) -> Vec<Option<char>> {
        self.fresh().into_iter().map(|place| self.presses[place].key).collect()
    }

    /// Finds the presses that a gather's digits stand for, adds those that no webhook reported, and
    /// returns their indices in order. With `earlier` false it skips presses that were taken; with
    /// `earlier` true it prefers them.
    fn pair(&mut self, keys: &[Option<char>], at: Time, earlier: bool) -> Vec<usize> {
        let mut places = Vec::with_capacity(keys.len());
        for key in keys {
            // a press whose key is known came before secret keys were asked for
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

    /// After a whole entry at `at`: takes its terminator if that was pressed, else remembers to take
    /// it when it comes.
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
