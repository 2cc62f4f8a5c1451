//! The live output of a turn, for any number of readers, each from wherever it left off.

use domain::conversation::{PassedOver, TurnCompleted, TurnFault};
use domain::envelope::Position;
use domain::ids::{ConversationId, MessageId};
use domain::model::Usage;
use parking_lot::Mutex;
use tokio::sync::watch;

/// The answer of a turn, as it stands in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub completed: TurnCompleted,
    /// Tokens of the whole turn, tool rounds included.
    pub usage: Usage,
    /// Log position of the event; `None` when it is not known on this node.
    pub position: Option<Position>,
}

/// Why a turn has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// What went wrong; `None` when the turn was cancelled.
    pub fault: Option<TurnFault>,
    /// The models that were asked and did not answer.
    pub passed_over: Vec<PassedOver>,
}

/// A piece of a turn's output.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// The next part of the answer's text.
    Delta(String),
    /// The agent calls a tool.
    ToolCall {
        /// The model's own id of this tool call.
        id: String,
        /// Name of the tool.
        name: String,
        /// The arguments as JSON, exactly as the model wrote them.
        arguments: String,
    },
    /// The whole answer, once it is durable.
    Message(Box<Answer>),
    /// The turn ended without an answer.
    Error(Failed),
    /// The last piece of every feed.
    Done,
}

/// The output of one turn: keeps all pieces, so that any reader can start from the beginning.
#[derive(Debug)]
pub struct Feed {
    conversation: ConversationId,
    turn: MessageId,
    pieces: Mutex<Vec<Piece>>,
    told: watch::Sender<usize>,
}

impl Feed {
    pub(super) fn new(conversation: ConversationId, turn: MessageId) -> Self {
        Self { conversation, turn, pieces: Mutex::default(), told: watch::Sender::new(0) }
    }

    /// The feed of a turn that is over: its outcome and the end.
    pub(super) fn over(conversation: ConversationId, turn: MessageId, outcome: Piece) -> Self {
        let feed = Self::new(conversation, turn);
        feed.push(outcome);
        feed.push(Piece::Done);
        feed
    }

    #[must_use]
    pub fn conversation(&self) -> ConversationId {
        self.conversation
    }

    #[must_use]
    pub fn turn(&self) -> MessageId {
        self.turn
    }

    pub(super) fn push(&self, piece: Piece) {
        let mut pieces = self.pieces.lock();
        if pieces.last() != Some(&Piece::Done) {
            pieces.push(piece);
            self.told.send_replace(pieces.len());
        }
    }

    /// Whether the feed is complete: no more pieces follow.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.pieces.lock().last() == Some(&Piece::Done)
    }

    /// The piece with index `after` (from 0); waits until it exists. `None` behind the last piece.
    pub async fn next(&self, after: usize) -> Option<Piece> {
        let mut told = self.told.subscribe();
        loop {
            {
                let pieces = self.pieces.lock();
                if let Some(piece) = pieces.get(after) {
                    return Some(piece.clone());
                }
                if pieces.last() == Some(&Piece::Done) {
                    return None;
                }
            }
            told.wait_for(|told| *told > after).await.ok()?;
        }
    }

    /// Waits until the turn ends, and answers how it ended.
    pub async fn outcome(&self) -> Result<Answer, Failed> {
        let mut at = 0;
        while let Some(piece) = self.next(at).await {
            match piece {
                Piece::Message(answer) => return Ok(*answer),
                Piece::Error(failed) => return Err(failed),
                _ => at += 1,
            }
        }
        Err(Failed { fault: Some(TurnFault::Abandoned), passed_over: vec![] })
    }
}
