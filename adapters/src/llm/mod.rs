//! Language models: a file for each provider, one gateway in front of them.
//!
//! Other modules only use [`Gateway`]. It picks the credentials, maps old names of models to newer ones, stops
//! using what keeps failing and goes on to the next model of a list. [`HttpChat`] talks to one provider in its
//! [dialect](Dialect); [`Scripted`] needs no network.
//!
//! ```text
//!  bytes ─▶ body ─▶ chunks ─▶ decoder of the dialect ─▶ pieces ─▶ assembly ─▶ events
//!      (events, JSON,              (fields, calls,          (halves, thoughts,
//!       whatever it is)             usage, the end)          each call once, usage)
//! ```

mod anthropic;
mod assembly;
mod body;
mod calls;
mod catalogue;
mod client;
mod dialect;
mod gateway;
mod google;
mod halves;
mod health;
mod openai;
mod scripted;
mod sse;
mod thoughts;
mod waits;

pub use anthropic::Anthropic;
pub use catalogue::{Catalogue, KnownModel};
pub use client::{HttpChat, Patience};
pub use dialect::Dialect;
pub use gateway::{Account, Accounts, Gateway, LlmKey, connect};
pub use google::Google;
pub(crate) use health::Health;
pub use openai::{Family, OpenAi};
pub use scripted::{SCRIPTED_MODEL, Scripted};
pub use sse::{SseEvent, SseParser};
