//! The order of what was said: a carrier's webhooks may overtake each other.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::envelope::Time;

/// Number of utterances that are remembered. One that arrives after more later ones than this
/// stays where it arrived.
const REMEMBERED: usize = 16;

/// The latest utterances of one speaker: the number of each, and when it was said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spoken(VecDeque<(u32, Time)>);

impl Spoken {
    pub(crate) fn add(&mut self, seq: u32, at: Time) {
        self.0.push_back((seq, at));
        if self.0.len() > REMEMBERED {
            self.0.pop_front();
        }
    }

    /// The number before which an utterance said at `at` belongs; `None`: after all of them.
    pub(crate) fn place(&self, at: Time) -> Option<u32> {
        self.0.iter().find(|(_, said)| *said > at).map(|(seq, _)| *seq)
    }

    /// When the utterance with this number was said, if it is remembered.
    pub(crate) fn at(&self, seq: u32) -> Option<Time> {
        self.0.iter().rev().find(|(known, _)| *known == seq).map(|(_, at)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::calls::at;

    #[test]
    fn what_was_told_late_stands_before_the_first_that_was_said_later() {
        let mut spoken = Spoken::default();
        assert_eq!(spoken.place(at(1)), None);
        for (seq, seconds) in [(3, 10), (5, 9), (6, 12)] {
            spoken.add(seq, at(seconds));
        }
        let places = [8, 9, 10, 11, 12, 13].map(|seconds| spoken.place(at(seconds)));
        assert_eq!(places, [Some(3), Some(3), Some(6), Some(6), None, None]);
        assert_eq!((spoken.at(5), spoken.at(4)), (Some(at(9)), None));
        for seq in 7..1_000 {
            spoken.add(seq, at(i64::from(seq)));
        }
        assert_eq!(spoken.0.len(), REMEMBERED);
    }
}
