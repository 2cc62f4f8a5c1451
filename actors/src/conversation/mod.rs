//! Conversations: an actor each, and the turns in which models answer.
//!
//! A turn does not depend on its readers: a recorded event begins it, it runs in a task of its own, and a recorded
//! event ends it. The client that asked follows its [`Feed`], may disconnect, and may come back.

mod agents;
mod defaults;
mod feed;
mod grounds;
mod sentiment;
mod service;
mod summary;
mod tools;
mod turn;
mod voice;

pub use agents::{AgentRegistry, KnownTool, TurnSetup};
pub use defaults::{DefaultAgents, KnownAgent};
pub use feed::{Answer, Failed, Feed, Piece};
pub use sentiment::{SentimentScorer, lexicon_score};
pub use service::{ConversationDeps, ConversationError, ConversationOptions, ConversationService, Question};
pub use tools::auth_place;
pub use voice::{Voice, VoiceError};
