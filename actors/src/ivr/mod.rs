//! Sessions in the menus: an actor each, the menus they walk, and what passes between them and their calls.

mod drive;
mod library;
mod sessions;

pub use drive::{IvrDriver, IvrError, IvrNewsChannel};
pub use library::MenuLibrary;
pub use sessions::IvrSessions;
