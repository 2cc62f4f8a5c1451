//! Scripts of callers and called parties.

use std::time::Duration;

use super::chance::SeededRandom;

/// A US phone number that belongs to nobody: 202-555-0100 to 0199 are reserved for fiction. `index`
/// is taken modulo 100.
#[must_use]
pub fn fictional_number(index: u64) -> String {
    format!("+120255501{:02}", index % 100)
}

/// An action of the person at the other end once the call is answered. Pauses are scaled by the pace.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Does nothing for a while.
    Pause(Duration),
    /// Listens until something was spoken to the end, or until out of patience.
    HearOut,
    Say(String),
    /// Presses DTMF keys, `0-9 A-D * #`.
    Press(String),
    HangUp,
    /// Waits for the other side to hang up, and hangs up when out of patience.
    Stay,
    /// Stays until the carrier ends the call at its time limit.
    OutstayLimit,
}

/// An inbound call: who calls whom, and the caller's steps. After the last step the caller stays ([`Step::Stay`]).
#[derive(Debug, Clone, PartialEq)]
pub struct CallScript {
    /// The calling number, or the carrier's text for a withheld one.
    pub from: String,
    /// The called number, which is one of the server's.
    pub to: String,
    /// The caller hangs up when not answered after this time; `None` waits on.
    pub give_up_after: Option<Duration>,
    pub steps: Vec<Step>,
}

impl CallScript {
    /// A caller who waits to be hung up on.
    pub fn new(from: impl Into<String>, to: impl Into<String>) -> Self {
        Self { from: from.into(), to: to.into(), give_up_after: None, steps: Vec::new() }
    }

    /// Listens, says the lines with pauses between them, and hangs up.
    #[must_use]
    pub fn talks<T: Into<String>>(mut self, lines: impl IntoIterator<Item = T>) -> Self {
        self.steps.push(Step::HearOut);
        for line in lines {
            self.steps.extend([Step::Say(line.into()), Step::Pause(Duration::from_secs(1))]);
        }
        self.hangs_up_after(Duration::ZERO)
    }

    /// Listens, then presses the keys; call it once for each prompt.
    #[must_use]
    pub fn presses(mut self, keys: impl Into<String>) -> Self {
        self.steps.extend([Step::HearOut, Step::Press(keys.into())]);
        self
    }

    /// Listens to a prompt and does nothing until it is over.
    #[must_use]
    pub fn stays_silent(mut self) -> Self {
        self.steps.extend([Step::HearOut, Step::Pause(Duration::from_secs(1))]);
        self
    }

    /// Adds a pause and then hanging up.
    #[must_use]
    pub fn hangs_up_after(mut self, pause: Duration) -> Self {
        self.steps.extend([Step::Pause(pause), Step::HangUp]);
        self
    }

    /// Makes the caller hang up if not answered after `ringing`.
    #[must_use]
    pub fn gives_up_after(mut self, ringing: Duration) -> Self {
        self.give_up_after = Some(ringing);
        self
    }

    /// Adds any other step.
    #[must_use]
    pub fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// The `index`th call of a mixed day, always the same for the same seed: most callers press keys or talk, some
    /// hang up early, a few give up before they are answered.
    #[must_use]
    pub fn sample(seed: u64, index: u64, to: impl Into<String>) -> Self {
        let mut random = SeededRandom::new(seed, index.wrapping_add(1 << 32));
        let script = Self::new(fictional_number(random.next()), to);
        let seconds = |random: &mut SeededRandom, most: u64| Duration::from_secs(1 + random.next() % most);
        match random.next() % 100 {
            0..35 => script.presses(["1", "2", "1", "0"][random.next() as usize % 4]),
            35..50 => script.presses("1").presses(["1", "2", "*", "9#"][random.next() as usize % 4]),
            50..75 => script.talks(["hello", "two tickets for tonight please", "thank you, that is all"]),
            75..90 => {
                let pause = seconds(&mut random, 20);
                script.hangs_up_after(pause)
            }
            90..95 => {
                let ringing = seconds(&mut random, 5);
                script.gives_up_after(ringing)
            }
            _ => script,
        }
    }
}

/// The behaviour of a party that the server calls or transfers to.
#[derive(Debug, Clone, PartialEq)]
pub enum CalleeScript {
    /// Answers, then performs the steps.
    Answers {
        /// How long it rings before the answer.
        ring: Duration,
        /// The callee's steps. After the last one the callee stays ([`Step::Stay`]).
        steps: Vec<Step>,
    },
    /// A machine answers, plays its greeting, beeps, and hangs up after a while.
    Machine {
        /// How long it rings before the answer.
        ring: Duration,
    },
    /// The line is busy.
    Busy,
    /// Nobody answers the ringing.
    NoAnswer,
    /// The callee rejects the call.
    Rejects,
    /// The number does not exist.
    NotFound,
}

impl Default for CalleeScript {
    /// Answers, listens to what is spoken, and hangs up.
    fn default() -> Self {
        Self::Answers {
            ring: Duration::from_secs(2),
            steps: vec![Step::HearOut, Step::Pause(Duration::from_secs(2)), Step::HangUp],
        }
    }
}
