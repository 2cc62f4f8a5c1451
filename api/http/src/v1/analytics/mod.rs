//! REST endpoints that answer figures from the sums in the views, and the questions that found no answer.

pub mod ask;
pub mod menu;
pub mod overview;
pub mod timeseries;
pub mod unanswered;
