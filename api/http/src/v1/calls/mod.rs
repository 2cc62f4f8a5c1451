//! REST endpoints of calls, one file each.

mod answer;
pub mod artifacts;
pub mod create;
pub mod dtmf;
pub mod hang_up;
pub mod list;
pub mod patch;
pub mod recording;
pub mod say;
pub mod stream;
pub mod transcript;
mod transcript_text;
pub mod transfer;
pub mod watch;

pub(crate) use answer::CallResource;
