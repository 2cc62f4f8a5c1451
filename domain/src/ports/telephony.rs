//! Driving a carrier: the commands a call needs, and how they can fail.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::call::GatherSpec;
use crate::call::report::{LegRef, LegTag};
use crate::call::terms::RecordingFormat;
use crate::ids::ClientId;
use crate::personal::Personal;
use crate::phone::Party;

/// A call to place.
#[derive(Debug, Clone)]
pub struct Dial {
    /// The same on every attempt: the carrier drops a repeat.
    pub command_id: Uuid,
    /// Comes back with every webhook of the leg.
    pub tag: LegTag,
    /// Whom to call.
    pub to: Personal<Party>,
    /// As whom; the node's default caller id if none.
    pub from: Option<Personal<Party>>,
    /// How long to let it ring.
    pub ring_timeout: Duration,
    /// How long it may last.
    pub max_duration: Duration,
    /// Whether to record from the answer on.
    pub record: bool,
    /// Whether to have what the other end says transcribed.
    pub transcribe: bool,
}

/// Something to do on a leg.
#[derive(Debug, Clone)]
pub struct LegCommand {
    /// The same on every attempt.
    pub command_id: Uuid,
    /// The carrier's name of the leg.
    pub control_id: String,
    /// The call the leg belongs to.
    pub tag: LegTag,
    /// What to do.
    pub action: LegAction,
}

/// What can be done on a leg.
#[derive(Debug, Clone)]
pub enum LegAction {
    /// Take an inbound call.
    Answer,
    /// The same, and have what the caller says transcribed.
    AnswerListening,
    /// Refuse an inbound call.
    Reject,
    /// End the leg.
    HangUp,
    /// Speak a text; the carrier queues it behind what is being spoken.
    Speak {
        /// At most 3000 characters.
        text: Personal<String>,
    },
    /// Hand the call to another party.
    Transfer {
        /// E.164 or a SIP URI.
        to: Personal<Party>,
        /// As whom; the carrier's default if none.
        from: Option<Personal<Party>>,
    },
    /// Send keys: `0-9 A-D * #`, `w` half a second's pause, `W` a second's.
    SendDtmf {
        /// At most 64.
        digits: Personal<String>,
    },
    /// Speak a prompt and take keys; the first one cuts the prompt short. What was keyed comes by webhook.
    Gather(Box<GatherSpec>),
    /// Have what the other end says transcribed from now on.
    Transcribe,
    /// Record until told otherwise or the call ends.
    StartRecording {
        /// The encoding.
        format: RecordingFormat,
    },
}

/// Why a carrier did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CarrierError {
    /// The call is already over at the carrier (Telnyx 90018), or the leg is not known there (90015).
    #[error("the call is over at the carrier ({code})")]
    Gone {
        /// The carrier's code.
        code: String,
    },
    /// Not possible yet (Telnyx 90034: not answered). Worth another try shortly.
    #[error("the carrier is not ready for it ({code})")]
    NotReady {
        /// The carrier's code.
        code: String,
    },
    /// Refused for good.
    #[error("the carrier refused: {code} {title}")]
    Refused {
        /// What it means.
        because: RefusedBecause,
        /// HTTP status.
        status: u16,
        /// The carrier's code.
        code: String,
        /// The carrier's title; never its detail, which may repeat a number.
        title: String,
    },
    /// Certainly not done; may be tried again: no connection, 429, breaker open.
    #[error("the carrier cannot be reached: {reason}")]
    Unavailable {
        /// For the log; no personal data.
        reason: String,
        /// The carrier's wish.
        retry_after: Option<Duration>,
    },
    /// Sent, and the answer lost or a 5xx: it may or may not have been done.
    #[error("the carrier's answer was lost: {reason}")]
    Unknown {
        /// For the log; no personal data.
        reason: String,
    },
    /// No credentials for the carrier are configured.
    #[error("no carrier is configured: set VOXLEDGER_TELNYX_API_KEY and VOXLEDGER_TELNYX_CONNECTION_ID")]
    NotConfigured,
}

/// Why a carrier refuses for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedBecause {
    /// The number cannot be called.
    BadNumber,
    /// Too many calls at once.
    Limit,
    /// Credentials, permissions or the application's settings.
    Settings,
    /// Anything else.
    Other,
}

/// Whether a leg still lives at the carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegState {
    /// It does.
    Alive,
    /// It does not, or is not known.
    Gone,
}

/// A carrier. One attempt a call; whoever calls decides on retries, because only the log knows what was tried.
#[async_trait]
pub trait Telephony: fmt::Debug + Send + Sync {
    /// `telnyx`, ….
    fn provider(&self) -> &'static str;

    /// Places a call; answers with the carrier's names of the new leg.
    async fn dial(&self, dial: &Dial) -> Result<LegRef, CarrierError>;

    /// Does something on a leg. `Ok` means the carrier accepted it; the outcome comes by webhook.
    async fn command(&self, command: &LegCommand) -> Result<(), CarrierError>;

    /// Asks whether a leg of a client's still lives.
    async fn leg_state(&self, client: ClientId, control_id: &str) -> Result<LegState, CarrierError>;

    /// Looks among the carrier's active calls for the leg with our tag: the answer to a lost dial.
    async fn find_leg(&self, tag: &LegTag) -> Result<Option<LegRef>, CarrierError>;

    /// Deletes a recording of a client's for ever. One that is gone already is no error.
    async fn delete_recording(&self, client: ClientId, recording_id: &str) -> Result<(), CarrierError>;
}
