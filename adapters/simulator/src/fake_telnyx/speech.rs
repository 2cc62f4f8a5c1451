//! Texts being spoken on a leg: they queue one behind the other, each as long as its text takes.

use std::collections::VecDeque;
use std::time::Duration;

use domain::envelope::Time;

use super::config::Pace;

/// About 14 characters a second, an ordinary speaking rate.
const PER_CHARACTER: Duration = Duration::from_millis(70);

#[derive(Debug, Default)]
pub(super) struct Speech {
    queue: VecDeque<Piece>,
    current: Option<(Piece, Time)>,
}

#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub text: String,
    /// Determines the names of the events about the piece.
    pub kind: Kind,
    pub extra: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Speak,
    Playback,
}

/// How long it takes to speak a text.
pub(super) fn length_of(text: &str) -> Duration {
    PER_CHARACTER.saturating_mul(u32::try_from(text.chars().count()).unwrap_or(u32::MAX))
}

impl Kind {
    pub fn events(self) -> (&'static str, &'static str) {
        match self {
            Kind::Speak => ("call.speak.started", "call.speak.ended"),
            Kind::Playback => ("call.playback.started", "call.playback.ended"),
        }
    }
}

impl Speech {
    pub fn enqueue(&mut self, piece: Piece) {
        self.queue.push_back(piece);
    }

    /// Begins the next piece if none is being spoken.
    pub fn begin(&mut self, now: Time, pace: Pace) -> Option<&Piece> {
        if self.current.is_some() {
            return None;
        }
        let piece = self.queue.pop_front()?;
        let until = now + pace.of(length_of(&piece.text));
        Some(&self.current.insert((piece, until)).0)
    }

    /// When the current piece ends.
    pub fn due(&self) -> Option<Time> {
        self.current.as_ref().map(|(_, until)| *until)
    }

    pub fn end(&mut self) -> Option<Piece> {
        self.current.take().map(|(piece, _)| piece)
    }

    /// Drops the pieces that have not begun.
    pub fn drop_queue(&mut self) {
        self.queue.clear();
    }
}
