//! IVR sessions: an actor each, the menus they use, and the exchange with their calls.

mod drive;
mod library;
mod sessions;

pub use drive::{IvrDriver, IvrError, IvrNewsChannel};
pub use library::MenuLibrary;
pub use sessions::IvrSessions;
