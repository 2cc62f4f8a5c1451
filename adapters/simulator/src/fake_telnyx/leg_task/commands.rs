//! Carries out the server's commands.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{LegTask, Recording, Side};
use crate::fake_telnyx::ending::Ending;
use crate::fake_telnyx::leg::Input;
use crate::fake_telnyx::notice::timestamp;
use crate::fake_telnyx::orders::{Action, Order, Placing};
use crate::fake_telnyx::script::Step;
use crate::fake_telnyx::speech::{Kind, Piece, length_of};
use crate::fake_telnyx::switch::NewLeg;

/// How long the parties of a transfer talk.
const BRIDGED_TALK: Duration = Duration::from_secs(5);

impl LegTask {
    pub(super) async fn react(&mut self, input: Input) {
        let now = self.now();
        match input {
            Input::Order(Order { action, answered }) => {
                self.activity = now;
                let _ = answered.await; // dropped: the answer is on its way
                self.obey(action).await;
            }
            Input::Bridged(with) => {
                self.partner = with.or(self.partner.take());
                self.bridged = true;
                self.steps = VecDeque::from([Step::Pause(BRIDGED_TALK), Step::HangUp]);
                self.begin_step(now);
                self.tell("call.bridged", true, json!({ "state": "bridged" })).await;
            }
            Input::PartnerOver { bridged: true } => self.over = Some(Ending::Partner),
            Input::PartnerOver { bridged: false } => {
                self.partner = None;
                self.activity = now;
            }
        }
    }

    pub(super) async fn obey(&mut self, action: Action) {
        let now = self.now();
        match action {
            Action::Answer(extras) => {
                if !self.answered() {
                    self.transcribing |= extras.transcribe;
                    if let Some(url) = extras.webhook_url {
                        self.leg.lock().webhook_url = Some(url);
                    }
                    self.pick_up().await;
                    if let Some(format) = extras.record {
                        self.start_recording(format, "dual".to_owned());
                    }
                }
            }
            Action::Reject { busy } => self.over = Some(Ending::Refused { busy }),
            Action::HangUp => self.over = Some(Ending::Server),
            Action::Speak { text, replace } => {
                self.hush(replace).await;
                self.speech.enqueue(Piece { text, kind: Kind::Speak, extra: Map::new() });
                self.begin_piece().await;
            }
            Action::Playback { url, replace } => {
                self.hush(replace).await;
                let extra = Map::from_iter([
                    ("media_url".to_owned(), Value::from(url.as_str())),
                    ("overlay".to_owned(), Value::from(false)),
                ]);
                self.speech.enqueue(Piece { text: url, kind: Kind::Playback, extra });
                self.begin_piece().await;
            }
            Action::StopSpeech => self.hush(true).await,
            Action::Transfer(placing) => self.transfer(*placing),
            Action::Bridge(other) => {
                let _ = other.inbox.send(Input::Bridged(Some(self.leg.clone()))).await;
                self.partner = Some(other);
                self.bridged = true;
                self.steps = VecDeque::from([Step::Stay]);
                self.tell("call.bridged", true, json!({ "state": "bridged" })).await;
            }
            // the switch finds the leg
            Action::BridgeTo(_) => {}
            Action::StartRecording { format, channels } => self.start_recording(format, channels),
            Action::StopRecording => self.save_recording().await,
            Action::Transcribe(on) => self.transcribing = on,
            Action::Gather(mut gather) => {
                // one gather at a time: a new one ends the earlier one
                self.finish_gather("cancelled").await;
                let mut prompt_takes = Duration::ZERO;
                if let Some(prompt) = gather.prompt.take() {
                    prompt_takes = length_of(&prompt);
                    self.spoken.push(prompt);
                }
                self.heard += 1; // the prompt is over, or interrupted by the first key
                let until = now + self.paced(prompt_takes + gather.timeout);
                self.gather = Some((gather, until));
            }
            Action::StopGather => self.finish_gather("cancelled").await,
            Action::Silent => {}
        }
    }

    pub(super) fn transfer(&mut self, placing: Placing) {
        let (leg, _) = self.switch.place(NewLeg {
            from: placing.from.clone().unwrap_or_else(|| self.leg.to.clone()),
            to: placing.to.clone(),
            session_id: Some(self.leg.session_id.clone()),
            client_state: placing.client_state.clone(),
            webhook_url: placing.extras.webhook_url.clone(),
            side: Side::Callee {
                script: self.switch.callee(&placing.to),
                placing,
                partner: Some(self.leg.clone()),
            },
            begin: None,
            place: None,
        });
        self.partner = Some(leg);
    }

    pub(super) async fn begin_piece(&mut self) {
        let (now, pace) = (self.now(), self.switch.config.pace);
        if let Some(piece) = self.speech.begin(now, pace).cloned() {
            self.tell(piece.kind.events().0, false, Value::Object(piece.extra)).await;
            self.spoken.push(piece.text);
        }
    }

    pub(super) async fn finish_piece(&mut self, status: &str) {
        if let Some(Piece { kind, mut extra, .. }) = self.speech.end() {
            extra.insert("status".to_owned(), status.into());
            self.tell(kind.events().1, false, Value::Object(extra)).await;
            self.heard += 1;
            self.activity = self.now();
            self.begin_piece().await;
        }
    }

    pub(super) async fn hush(&mut self, really: bool) {
        if really {
            self.speech.drop_queue();
            self.finish_piece("completed").await;
        }
    }

    pub(super) async fn finish_gather(&mut self, status: &str) {
        if let Some((gather, _)) = self.gather.take() {
            let extra = json!({ "digits": gather.digits, "status": status, "gather_id": gather.gather_id });
            self.tell("call.gather.ended", true, extra).await;
        }
    }

    pub(super) fn start_recording(&mut self, format: String, channels: String) {
        let since = self.now();
        self.recording.get_or_insert(Recording { format, channels, since });
    }

    pub(super) async fn save_recording(&mut self) {
        let Some(Recording { format, channels, since }) = self.recording.take() else { return };
        let id = self.switch.names.uuid();
        let base = self.switch.base.get().map_or("", String::as_str);
        let url = format!("{base}/recordings/{id}.{format}?X-Amz-Expires=600");
        let (from, to) = (timestamp(since), timestamp(self.now()));
        self.switch.recordings().keep(json!({
            "id": id, "record_type": "recording", "status": "completed", "source": "call", "channels": channels,
            "call_control_id": self.leg.control_id, "call_leg_id": &*self.leg.leg_id,
            "call_session_id": self.leg.session_id, "connection_id": self.leg.connection_id,
            "download_urls": { &format: &url }, "duration_millis": (self.now() - since).num_milliseconds(),
            "recording_started_at": from, "recording_ended_at": to, "created_at": to, "updated_at": to,
        }));
        let extra = json!({
            "recording_id": id, "channels": channels, "format": format,
            "recording_started_at": timestamp(since), "recording_ended_at": timestamp(self.now()),
            "recording_urls": { format: url }, "public_recording_urls": {},
        });
        self.tell("call.recording.saved", false, extra).await;
    }
}
