//! A turn as it is told: to as many as listen, from wherever they left off.

use std::sync::{Mutex, PoisonError};

use domain::conversation::{PassedOver, TurnCompleted, TurnFault};
use domain::envelope::Position;
use domain::ids::{ConversationId, MessageId};
use domain::model::Usage;
use tokio::sync::watch;

/// An answer, as it stands in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The fact.
    pub completed: TurnCompleted,
    /// What the whole turn took, tools included.
    pub usage: Usage,
    /// Where in the log, as far as that is known here.
    pub position: Option<Position>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Why; nothing when it was cancelled.
    pub fault: Option<TurnFault>,
    /// Who was asked.
    pub passed_over: Vec<PassedOver>,
}

/// A piece of a turn.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// More words.
    Delta(String),
    /// A tool is used.
    ToolCall {
        /// The model's name of this use.
        id: String,
        /// The tool.
        name: String,
        /// The arguments: JSON, as the model wrote it.
        arguments: String,
    },
    /// The whole answer, durable.
    Message(Box<Answer>),
    /// There is none.
    Error(Failed),
    /// Nothing follows.
    Done,
}

/// A turn that is told.
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

    /// A turn that is over.
    pub(super) fn over(conversation: ConversationId, turn: MessageId, outcome: Piece) -> Self {
        let feed = Self::new(conversation, turn);
        feed.push(outcome);
        feed.push(Piece::Done);
        feed
    }

    /// Of which conversation.
    #[must_use]
    pub fn conversation(&self) -> ConversationId {
        self.conversation
    }

    /// Which turn.
    #[must_use]
    pub fn turn(&self) -> MessageId {
        self.turn
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Piece>> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, piece: Piece) {
        let mut pieces = self.lock();
        if pieces.last() != Some(&Piece::Done) {
            pieces.push(piece);
            self.told.send_replace(pieces.len());
        }
    }

    /// Whether nothing follows.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.lock().last() == Some(&Piece::Done)
    }

    /// The piece behind `after` others; waits for it. Nothing behind the last one.
    pub async fn next(&self, after: usize) -> Option<Piece> {
        let mut told = self.told.subscribe();
        loop {
            {
                let pieces = self.lock();
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

    /// How the turn ended; waits for it.
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
