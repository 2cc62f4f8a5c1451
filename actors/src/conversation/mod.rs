//! Conversations: an actor each, and the turns that models answer in.
//!
//! A turn belongs to nobody who listens to it: it is begun by a fact, runs in a task of its own, and ends in a fact.
//! Who asked follows its [`Feed`], may go away, and may come back.

mod agents;
mod defaults;
mod feed;
mod mood;
mod summary;
mod talks;
mod tools;
mod turn;
mod voice;

pub use agents::{AgentDesk, Cast, KnownTool};
pub use defaults::{DefaultAgents, KnownAgent};
pub use feed::{Answer, Failed, Feed, Piece};
pub use mood::{Mood, lexicon_score};
pub use talks::{Question, TalkDeps, TalkError, TalkOptions, Talks};
pub use tools::auth_place;
pub use voice::{Voice, VoiceError};
