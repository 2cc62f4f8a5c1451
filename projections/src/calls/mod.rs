//! Calls, as REST clients read them.

mod counted;
mod fold;
mod queries;
mod recording;
#[cfg(test)]
mod tests;
mod view;

pub use fold::{CallFact, CallRow, Calls, Dial, LegIds};
pub use queries::{CallCount, CallFilter, CallQueries, CallSearch, LAST_DIGITS};
pub use recording::{CallFile, CallFiles, FileState, RecordingView};
pub use view::{CallCost, CallView, MoneyView};
