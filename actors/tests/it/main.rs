//! Calls driven by webhooks, commands, timers and a scripted carrier, on virtual time.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod billing;
mod clocks;
mod documents;
mod hosted;
mod inbound;
mod ivr;
mod matching;
mod merging;
mod nodes;
mod orphans;
mod outbound;
mod privacy;
mod recordings;
mod sealer;
mod snapshots;
mod spend;
mod talking;
mod webhooks;
mod world;
