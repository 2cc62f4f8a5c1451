//! Calls driven by webhooks, commands, timers and a scripted carrier, on virtual time.

mod inbound;
mod nodes;
mod outbound;
mod world;
