//! The view of IVR sessions.

mod counted;
mod fold;
mod queries;
mod view;

pub use fold::{IvrSessions, SessionRow};
pub use queries::{SessionFilter, SessionQueries};
pub(crate) use view::WAITS;
pub use view::{OutcomeView, SessionView};
