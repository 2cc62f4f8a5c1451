//! The person at the other end, who performs the script step by step.

use domain::envelope::Time;
use serde_json::json;

use super::LegTask;
use crate::fake_telnyx::ending::Ending;
use crate::fake_telnyx::script::Step;

impl LegTask {
    pub(super) fn begin_step(&mut self, now: Time) {
        self.step_began = now;
    }

    /// Whether the next thing the person does is to press a key.
    pub(super) fn is_pressing(&self) -> bool {
        // a person who has not heard the next prompt yet has nothing to press
        let heard = |step: &&Step| matches!(step, Step::HearOut) && self.heard > 0;
        matches!(self.steps.iter().find(|step| !heard(step)), Some(Step::Press(_)))
    }

    pub(super) async fn take_step(&mut self, now: Time) {
        let Some(step) = self.steps.pop_front() else {
            self.unmet.push("the server never ended the call");
            self.over = Some(Ending::Person);
            return;
        };
        self.begin_step(now);
        match step {
            Step::Pause(_) => {}
            Step::HearOut => self.heard = 0,
            Step::Say(words) => self.say(&words).await,
            Step::Press(keys) => {
                let mut rest = keys.chars();
                if let Some(key) = rest.next() {
                    self.press(key).await;
                }
                if !rest.as_str().is_empty() {
                    self.steps.push_front(Step::Press(rest.as_str().to_owned()));
                }
            }
            Step::HangUp => self.over = Some(Ending::Person),
            Step::Stay => {
                self.unmet.push("the server never ended the call");
                self.over = Some(Ending::Person);
            }
            Step::OutstayLimit => self.over = Some(Ending::TimeLimit),
        }
    }

    pub(super) async fn say(&mut self, words: &str) {
        if self.transcribing {
            let data = json!({ "transcript": words, "confidence": 0.94, "is_final": true });
            self.tell("call.transcription", false, json!({ "transcription_data": data })).await;
        }
    }

    pub(super) async fn press(&mut self, key: char) {
        self.tell("call.dtmf.received", true, json!({ "digit": key.to_string() })).await;
        let (now, pace) = (self.now(), self.switch.config.pace);
        let ended = self.gather.as_mut().and_then(|(gather, until)| {
            *until = now + pace.of(gather.inter_digit_timeout);
            gather.take(key)
        });
        if let Some(status) = ended {
            self.finish_gather(status).await;
        }
    }
}
