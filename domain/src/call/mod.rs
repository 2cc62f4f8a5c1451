//! A call: what may be asked of it, what happened to it, and what follows.

pub mod report;
pub mod terms;
