//! Starts a node, step by step; each step is a file and answers with what the later ones need.

mod audit;
mod calls;
mod conversations;
mod directories;
mod knowledge;
mod matching;
mod memories;
mod node;
mod outbox;
mod serve;
mod stores;

pub use node::Node;
