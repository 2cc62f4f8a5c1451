//! Parses commands, checks them as Telnyx does, and turns them into actions of a leg.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::phone::Party;
use serde_json::Value;
use tokio::sync::oneshot;

use super::answers::Answer;
use super::leg::Leg;

/// The most characters of a text to speak.
const MAX_TEXT: usize = 3000;

/// A command that a leg has accepted.
#[derive(Debug)]
pub(super) struct Order {
    pub action: Action,
    /// Resolves when the answer to the command has been handed to the network.
    pub answered: oneshot::Receiver<()>,
}

#[derive(Debug, Clone)]
pub(super) enum Action {
    Answer(Extras),
    Reject {
        busy: bool,
    },
    HangUp,
    Speak {
        text: String,
        replace: bool,
    },
    Playback {
        url: String,
        replace: bool,
    },
    StopSpeech,
    Transfer(Box<Placing>),
    /// Connects to the leg with this control id.
    BridgeTo(String),
    Bridge(Arc<Leg>),
    StartRecording {
        format: String,
        channels: String,
    },
    StopRecording,
    Transcribe(bool),
    Gather(Gather),
    StopGather,
    /// Accepted, but no webhook follows.
    Silent,
}

/// Optional features of an answer or a dial, such as recording.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Extras {
    pub record: Option<String>,
    pub transcribe: bool,
    pub webhook_url: Option<Arc<str>>,
}

/// A leg to be placed by a dial or a transfer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placing {
    pub to: String,
    pub from: Option<String>,
    pub client_state: Option<String>,
    pub ring_timeout: Duration,
    pub time_limit: Duration,
    /// Mode of answering machine detection; `None` for off.
    pub detection: Option<String>,
    /// Whether the other leg survives the end of this one.
    pub park: bool,
    pub extras: Extras,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Gather {
    pub prompt: Option<String>,
    pub gather_id: Option<String>,
    pub min: usize,
    pub max: usize,
    pub terminator: Option<char>,
    pub valid: String,
    /// How long to wait for the first key once the prompt is over.
    pub timeout: Duration,
    /// How long to wait for each key after the first.
    pub inter_digit_timeout: Duration,
    pub digits: String,
}

impl Action {
    /// Parses the body of `POST /calls/{id}/actions/{name}`.
    pub fn read(name: &str, body: &Value) -> Result<Self, Answer> {
        check_state(body, "client_state")?;
        Ok(match name {
            "answer" => Action::Answer(Extras::read(body)),
            "reject" => match text(body, "cause")? {
                "CALL_REJECTED" => Action::Reject { busy: false },
                "USER_BUSY" => Action::Reject { busy: true },
                _ => return Err(Answer::refused(422, "10032", "Invalid enumerated value", "/cause")),
            },
            "hangup" => Action::HangUp,
            "speak" => {
                let text = spoken(body)?;
                Action::Speak { text, replace: body["stop"].is_string() }
            }
            "playback_start" => {
                let url = body["audio_url"].as_str().or(body["media_name"].as_str()).unwrap_or_default();
                Action::Playback { url: url.to_owned(), replace: body["stop"].is_string() }
            }
            "playback_stop" => Action::StopSpeech,
            "transfer" => {
                check_state(body, "target_leg_client_state")?;
                Action::Transfer(Box::new(Placing::read(body, "target_leg_client_state")?))
            }
            "bridge" => Action::BridgeTo(text(body, "call_control_id")?.to_owned()),
            "send_dtmf" => {
                let digits = text(body, "digits")?;
                let known =
                    digits.chars().all(|c| matches!(c, '0'..='9' | 'A'..='D' | '*' | '#' | 'w' | 'W'));
                if digits.is_empty() || digits.len() > 64 || !known {
                    return Err(Answer::refused(422, "90030", "Invalid value for digits", "/digits"));
                }
                Action::Silent
            }
            "record_start" => {
                let (format, channels) = (text(body, "format")?, text(body, "channels")?);
                if !matches!(format, "mp3" | "wav") || !matches!(channels, "single" | "dual") {
                    return Err(Answer::refused(422, "10032", "Invalid enumerated value", "/format"));
                }
                Action::StartRecording { format: format.to_owned(), channels: channels.to_owned() }
            }
            "record_stop" => Action::StopRecording,
            "transcription_start" => Action::Transcribe(true),
            "transcription_stop" => Action::Transcribe(false),
            "gather" => Action::Gather(Gather::read(body, None)),
            "gather_using_speak" => Action::Gather(Gather::read(body, Some(spoken(body)?))),
            "gather_stop" => Action::StopGather,
            "record_pause" | "record_resume" | "client_state_update" => Action::Silent,
            _ => return Err(Answer::not_found()),
        })
    }

    /// Whether the leg must be answered before this action.
    pub fn needs_answer(&self) -> bool {
        !matches!(self, Action::Answer(_) | Action::Reject { .. } | Action::HangUp | Action::Silent)
    }

    /// A text that is equal for two commands with the same effect, for commands that nobody repeats on purpose.
    pub fn effect(&self) -> Option<String> {
        match self {
            Action::Answer(_) => Some("answer".to_owned()),
            Action::Reject { .. } => Some("reject".to_owned()),
            Action::HangUp => Some("hangup".to_owned()),
            Action::Transfer(placing) => Some(format!("transfer {}", placing.to)),
            Action::StartRecording { .. } => Some("record_start".to_owned()),
            _ => None,
        }
    }
}

impl Extras {
    fn read(body: &Value) -> Self {
        let record = body["record"].is_string();
        Self {
            record: record.then(|| body["record_format"].as_str().unwrap_or("mp3").to_owned()),
            transcribe: body["transcription"].as_bool().unwrap_or(false),
            webhook_url: body["webhook_url"].as_str().map(Arc::from),
        }
    }
}

impl Placing {
    /// Parses the fields that dial and transfer share.
    pub fn read(body: &Value, client_state: &str) -> Result<Self, Answer> {
        let to = body["to"].get(0).unwrap_or(&body["to"]).as_str().unwrap_or_default();
        if to.is_empty() {
            return Err(missing("to"));
        }
        if !Party::new(to).is_dialable() {
            return Err(Answer::refused(422, "10016", "Phone number must be in +E164 format", "/to"));
        }
        let seconds = |name: &str, default: u64| Duration::from_secs(body[name].as_u64().unwrap_or(default));
        let detection = body["answering_machine_detection"].as_str().filter(|mode| *mode != "disabled");
        Ok(Self {
            to: to.to_owned(),
            from: body["from"].as_str().map(str::to_owned),
            client_state: body[client_state].as_str().map(str::to_owned),
            ring_timeout: seconds("timeout_secs", 30),
            time_limit: seconds("time_limit_secs", 14_400),
            detection: detection.map(str::to_owned),
            park: body["park_after_unbridge"] == "self",
            extras: Extras::read(body),
        })
    }
}

impl Gather {
    fn read(body: &Value, prompt: Option<String>) -> Self {
        let number = |name: &str, default| {
            body[name].as_u64().map_or(default, |n| usize::try_from(n).unwrap_or(default))
        };
        Self {
            prompt,
            gather_id: body["gather_id"].as_str().map(str::to_owned),
            min: number("minimum_digits", 1),
            max: number("maximum_digits", 128).max(1),
            terminator: body["terminating_digit"].as_str().unwrap_or("#").chars().next(),
            valid: body["valid_digits"].as_str().unwrap_or("0123456789#*").to_owned(),
            timeout: Duration::from_millis(body["timeout_millis"].as_u64().unwrap_or(60_000)),
            inter_digit_timeout: Duration::from_millis(
                body["inter_digit_timeout_millis"].as_u64().unwrap_or(5_000),
            ),
            digits: String::new(),
        }
    }

    /// Adds a key; answers how the gather ended if that was the last one.
    pub fn take(&mut self, key: char) -> Option<&'static str> {
        let done = Some(key) == self.terminator;
        if !done {
            self.digits.push(key);
            if self.digits.len() < self.max {
                return None;
            }
        }
        Some(self.judge())
    }

    /// How the gather ends when no more keys come.
    pub fn run_out(&self) -> &'static str {
        if self.digits.is_empty() { "timeout" } else { self.judge() }
    }

    fn judge(&self) -> &'static str {
        let valid =
            self.digits.len() >= self.min && self.digits.chars().all(|digit| self.valid.contains(digit));
        if valid { "valid" } else { "invalid" }
    }
}

/// Checks that the field is base64, or answers error 90017.
pub(super) fn check_state(body: &Value, name: &'static str) -> Result<(), Answer> {
    match &body[name] {
        Value::Null => Ok(()),
        Value::String(state) if STANDARD.decode(state).is_ok() => Ok(()),
        _ => Err(Answer::refused(422, "90017", "Invalid value for client_state", &format!("/{name}"))),
    }
}

fn spoken(body: &Value) -> Result<String, Answer> {
    let payload = text(body, "payload")?;
    text(body, "voice")?;
    if payload.is_empty() || payload.chars().count() > MAX_TEXT {
        return Err(Answer::refused(422, "90010", "Invalid value for payload", "/payload"));
    }
    Ok(payload.to_owned())
}

fn text<'a>(body: &'a Value, name: &str) -> Result<&'a str, Answer> {
    body[name].as_str().ok_or_else(|| missing(name))
}

pub(super) fn missing(name: &str) -> Answer {
    Answer::refused(422, "10004", "Missing required parameter", &format!("/{name}"))
}
