//! Driving a carrier: the commands a call needs, and how they can fail.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::agent::AgentRuntime;
use crate::billing::matching::{CarrierId, CarrierRecord};
use crate::call::GatherSpec;
use crate::call::report::{CarrierReport, FoundRecording, LegRef, LegTag};
use crate::call::terms::RecordingFormat;
use crate::envelope::Time;
use crate::ids::{AgentId, ClientId};
use crate::personal::Personal;
use crate::phone::Party;

/// A call to place.
#[derive(Debug, Clone)]
pub struct Dial {
    /// Idempotency id, the same on every attempt: the carrier drops a repeat.
    pub command_id: Uuid,
    /// Comes back with every webhook of the leg.
    pub tag: LegTag,
    pub to: Personal<Party>,
    /// Caller id; `None` is the node's default.
    pub from: Option<Personal<Party>>,
    /// How long to let it ring.
    pub ring_timeout: Duration,
    /// How long it may last.
    pub max_duration: Duration,
    /// Whether to record from the answer on.
    pub record: bool,
    /// Whether to transcribe what the other end says.
    pub transcribe: bool,
    /// What talks on the call.
    pub runtime: AgentRuntime,
    /// The agent of the call, which a hosted voice runtime runs.
    pub agent: Option<AgentId>,
}

/// Something to do on a leg.
#[derive(Debug, Clone)]
pub struct LegCommand {
    /// Idempotency id, the same on every attempt.
    pub command_id: Uuid,
    /// The carrier's id by which the leg is controlled.
    pub control_id: String,
    /// The call the leg belongs to.
    pub tag: LegTag,
    /// What talks on the call.
    pub runtime: AgentRuntime,
    pub action: LegAction,
}

/// What can be done on a leg.
#[derive(Debug, Clone)]
pub enum LegAction {
    /// Takes an inbound call.
    Answer,
    /// Takes an inbound call, and has what the caller says transcribed.
    AnswerListening,
    /// Refuses an inbound call.
    Reject,
    HangUp,
    /// Speaks a text; the carrier queues it behind what is being spoken.
    Speak {
        /// At most 3000 characters.
        text: Personal<String>,
    },
    /// Hands the call to another party.
    Transfer {
        /// E.164 or a SIP URI.
        to: Personal<Party>,
        /// Caller id; `None` is the carrier's default.
        from: Option<Personal<Party>>,
    },
    /// Sends DTMF keys: `0-9 A-D * #`; `w` is a pause of half a second, `W` of a second.
    SendDtmf {
        /// At most 64 of these characters.
        digits: Personal<String>,
    },
    /// Speaks a prompt and takes keys; the first key cuts the prompt short. The keys come by webhook.
    Gather(Box<GatherSpec>),
    /// Has what the other end says transcribed from now on.
    Transcribe,
    /// Records until told otherwise or the call ends.
    StartRecording {
        format: RecordingFormat,
    },
}

/// Why a carrier did not carry out a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CarrierError {
    /// The call is already over at the carrier (Telnyx 90018), or the leg is not known there (90015).
    #[error("the call is over at the carrier ({code})")]
    Gone {
        /// The carrier's error code.
        code: String,
    },
    /// Not possible yet (Telnyx 90034: not answered). Worth another try shortly.
    #[error("the carrier is not ready for it ({code})")]
    NotReady {
        /// The carrier's error code.
        code: String,
    },
    /// The carrier refuses for good; trying again would not help.
    #[error("the carrier refused: {code} {title}")]
    Refused {
        because: RefusedBecause,
        /// HTTP status of the answer.
        status: u16,
        /// The carrier's error code.
        code: String,
        /// The carrier's title; never its detail, which may repeat a number.
        title: String,
    },
    /// Certainly not done, may be tried again: no connection, status 429, or an open circuit breaker.
    #[error("the carrier cannot be reached: {reason}")]
    Unavailable {
        /// For the log; no personal data.
        reason: String,
        /// Wait that the carrier asks for, if it does.
        retry_after: Option<Duration>,
    },
    /// Not sent, by our own decision: the pace that the provider allows, an open circuit breaker, or something that
    /// must be there first. It is no attempt.
    #[error("not sent yet: {reason}")]
    Held {
        /// For the log; no personal data.
        reason: String,
        /// When to ask again.
        pause: Duration,
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
    /// The credentials, the permissions or the application's settings are wrong.
    Settings,
    Other,
}

/// A page of what was said on a call.
#[derive(Debug, Default)]
pub struct MessagePage {
    pub reports: Vec<CarrierReport>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<String>,
}

/// Whether a leg still lives at the carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegState {
    Alive,
    /// The leg has ended, or is not known.
    Gone,
}

/// Whose account with the carrier is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CarrierAccount {
    /// The node's, which all clients without an account of their own use.
    Node,
    /// A client's own account.
    Client(ClientId),
}

/// What becomes of the records of a part. Pages follow one another in parts of the period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordPart {
    /// The part has further pages.
    GoesOn,
    /// This is the part's last page: its records count.
    Complete,
    /// The pages no longer follow one another: what was read of the part counts no more, and its first page is next.
    Again,
}

/// A page of the carrier's own records of calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordPage {
    /// At most a few hundred, in any order.
    pub records: Vec<CarrierRecord>,
    /// What becomes of the records of the part that the page is of.
    pub part: RecordPart,
    /// The connection whose records these are; `None` where an account is all one.
    pub connection: Option<CarrierId>,
    /// Where the next page begins; `None` on the last one. Only the carrier understands it.
    pub next: Option<String>,
}

/// A carrier. One attempt a call; the caller decides on retries, because only the log knows what was tried.
#[async_trait]
pub trait Telephony: fmt::Debug + Send + Sync {
    /// Name of the carrier, for example `telnyx`.
    fn provider(&self) -> &'static str;

    /// Whether the carrier drops a repeated command by its id. Where it does not, speech is never sent again after
    /// its answer was lost.
    fn drops_repeats(&self) -> bool {
        true
    }

    /// Whether the dial may be sent now: fails with [`CarrierError::Held`] where it has to wait, and takes up a place
    /// in the pace otherwise.
    async fn may_dial(&self, _: &Dial) -> Result<(), CarrierError> {
        Ok(())
    }

    /// Places a call; answers with the carrier's ids of the new leg.
    async fn dial(&self, dial: &Dial) -> Result<LegRef, CarrierError>;

    /// Carries out a command on a leg. `Ok` means the carrier accepted it; the outcome comes by webhook.
    async fn command(&self, command: &LegCommand) -> Result<(), CarrierError>;

    /// Asks whether a leg of a client's still lives.
    async fn leg_state(&self, client: ClientId, control_id: &str) -> Result<LegState, CarrierError>;

    /// Asks for all that is known of a client's call; `None` where nothing is, or webhooks tell everything.
    async fn read_call(&self, _: ClientId, _control_id: &str) -> Result<Option<CarrierReport>, CarrierError> {
        Ok(None)
    }

    /// Reads a page of what was said on a call of a client's that began at `began`, once it is over. `None` where the
    /// carrier keeps nothing of it.
    async fn read_messages(
        &self,
        _: ClientId,
        _control_id: &str,
        _began: Time,
        _cursor: Option<String>,
    ) -> Result<Option<MessagePage>, CarrierError> {
        Ok(None)
    }

    /// Looks for the leg with our tag among the carrier's active calls, after the answer to a dial was lost.
    async fn find_leg(&self, tag: &LegTag) -> Result<Option<LegRef>, CarrierError>;

    /// Reads a webhook of a client's account that was received, and verified, at `received_at`; `None` for a body
    /// that says nothing of a leg. Fails when the client's account cannot be looked up.
    async fn read_webhook(
        &self,
        client: ClientId,
        raw: &[u8],
        received_at: Time,
    ) -> Result<Option<CarrierReport>, CarrierError>;

    /// Asks where a client's recording can be fetched from now; `None` when the carrier has no file of it, or not yet.
    async fn find_recording(
        &self,
        client: ClientId,
        recording_id: &str,
    ) -> Result<Option<FoundRecording>, CarrierError>;

    /// Deletes a recording of a client's for ever. One that is gone already is no error.
    async fn delete_recording(&self, client: ClientId, recording_id: &str) -> Result<(), CarrierError>;

    /// A page of the carrier's records of calls that it says began from `from` on, before `to`; `after` is
    /// [`RecordPage::next`] of the page before. [`CarrierError::NotConfigured`] when there is no such account, or the
    /// carrier keeps no records.
    async fn call_records(
        &self,
        account: CarrierAccount,
        period: (Time, Time),
        after: Option<&str>,
    ) -> Result<RecordPage, CarrierError> {
        let _ = (account, period, after);
        Err(CarrierError::NotConfigured)
    }
}
