//! The task of a leg: performs its script, the server's commands, and timers.

mod commands;
mod end;
mod person;
mod ringing;
mod telling;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use domain::envelope::Time;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::chance::SeededRandom;
use super::ending::Ending;
use super::ledger::CallRecord;
use super::leg::{Input, Leg, Phase};
use super::orders::{Gather, Placing};
use super::outbox::Outbox;
use super::script::{CallScript, CalleeScript, Step};
use super::speech::Speech;
use super::switch::{Busy, Switch};

/// Pause between two keys of the same press.
const KEY_GAP: Duration = Duration::from_millis(200);
/// The carrier's limit on a leg for which no limit was set.
const LONGEST_CALL: Duration = Duration::from_secs(14_400);

/// The script of the person at the other end.
#[derive(Debug)]
pub(super) enum Side {
    Caller(CallScript),
    Callee {
        script: CalleeScript,
        placing: Placing,
        /// The leg that is being transferred.
        partner: Option<Arc<Leg>>,
    },
}

#[derive(Debug)]
pub(super) struct LegTask {
    switch: Arc<Switch>,
    leg: Arc<Leg>,
    inputs: mpsc::Receiver<Input>,
    done: oneshot::Sender<CallRecord>,
    outbox: Outbox,
    random: SeededRandom,
    _busy: Busy,
    side: Side,
    /// When the script's next action while ringing is due.
    ringing_until: Option<Time>,
    steps: VecDeque<Step>,
    step_began: Time,
    /// When the server last did something.
    activity: Time,
    /// Pieces of speech heard since the last [`Step::HearOut`].
    heard: u32,
    speech: Speech,
    spoken: Vec<String>,
    gather: Option<(Gather, Time)>,
    transcribing: bool,
    recording: Option<Recording>,
    partner: Option<Arc<Leg>>,
    bridged: bool,
    /// Keeps event times of a leg strictly increasing, so that they can be ordered.
    last_event: Option<Time>,
    unmet: Vec<&'static str>,
    over: Option<Ending>,
}

#[derive(Debug)]
struct Recording {
    format: String,
    channels: String,
    since: Time,
}

impl LegTask {
    pub fn new(
        switch: Arc<Switch>,
        leg: Arc<Leg>,
        side: Side,
        inputs: mpsc::Receiver<Input>,
        done: oneshot::Sender<CallRecord>,
    ) -> Self {
        let now = switch.clock.now();
        let random = SeededRandom::new(switch.config.seed, leg.number * 4 + 1);
        let outbox = Outbox::open(
            &switch,
            SeededRandom::new(switch.config.seed, leg.number * 4 + 2),
            leg.fate.clone(),
        );
        let (partner, transcribing) = match &side {
            Side::Caller(_) => (None, false),
            Side::Callee { placing, partner, .. } => (partner.clone(), placing.extras.transcribe),
        };
        Self {
            transcribing: transcribing || switch.config.transcribe_unasked,
            _busy: switch.busy(),
            switch,
            leg,
            inputs,
            done,
            outbox,
            random,
            side,
            ringing_until: None,
            steps: VecDeque::new(),
            step_began: now,
            activity: now,
            heard: 0,
            speech: Speech::default(),
            spoken: Vec::new(),
            gather: None,
            recording: None,
            partner,
            bridged: false,
            last_event: None,
            unmet: Vec::new(),
            over: None,
        }
    }

    pub async fn run(mut self, begin: Option<oneshot::Receiver<()>>, place: Option<OwnedSemaphorePermit>) {
        let mut closing = self.switch.closing();
        if let Some(begin) = begin {
            let _ = begin.await; // dropped: the answer is on its way
        }
        self.ring().await;
        while self.over.is_none() {
            let due = self.due();
            let clock = self.switch.clock.clone();
            tokio::select! {
                biased;
                () = closing.announced() => return,
                input = self.inputs.recv() => match input {
                    Some(input) => self.react(input).await,
                    None => return,
                },
                () = clock.sleep_until(due) => self.go_on(clock.now()).await,
            }
        }
        self.wind_up().await;
        drop(place);
    }

    fn now(&self) -> Time {
        self.switch.clock.now()
    }

    fn paced(&self, duration: Duration) -> Duration {
        self.switch.config.pace.of(duration)
    }

    fn answered(&self) -> bool {
        self.leg.lock().phase == Phase::Answered
    }

    /// When the next thing happens if the server does nothing.
    fn due(&self) -> Time {
        let out_of_patience = self.out_of_patience();
        if !self.answered() {
            return self.ringing_until.unwrap_or(out_of_patience);
        }
        let gather = self.gather.as_ref().filter(|_| !self.is_pressing()).map(|(_, until)| *until);
        let step = self.step_due();
        [self.speech.due(), gather].into_iter().flatten().fold(step, Time::min)
    }

    fn out_of_patience(&self) -> Time {
        self.speech.due().map_or(self.activity, |due| due.max(self.activity)) + self.switch.config.patience
    }

    fn step_due(&self) -> Time {
        let out_of_patience = self.out_of_patience();
        match self.steps.front() {
            Some(Step::Pause(pause)) => self.step_began + self.paced(*pause),
            Some(Step::HearOut) if self.heard == 0 => out_of_patience.max(self.step_began),
            Some(Step::HearOut | Step::Say(_) | Step::HangUp) => self.step_began,
            Some(Step::Press(_)) => self.step_began + self.paced(KEY_GAP),
            Some(Step::Stay) | None => out_of_patience,
            Some(Step::OutstayLimit) => {
                let limit = match &self.side {
                    Side::Caller(_) => LONGEST_CALL,
                    Side::Callee { placing, .. } => placing.time_limit,
                };
                self.leg.lock().answered_at.unwrap_or(self.step_began) + self.paced(limit)
            }
        }
    }

    async fn go_on(&mut self, now: Time) {
        if !self.answered() {
            self.ringing_is_over().await;
        } else if self.speech.due().is_some_and(|due| due <= now) {
            self.finish_piece("completed").await;
        } else if self.gather.as_ref().is_some_and(|(_, until)| *until <= now) && !self.is_pressing() {
            let status = self.gather.as_ref().map_or("timeout", |(gather, _)| gather.run_out());
            self.finish_gather(status).await;
        } else if self.step_due() <= now {
            self.take_step(now).await;
        }
    }
}
