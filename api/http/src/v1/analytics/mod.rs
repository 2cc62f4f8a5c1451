//! REST endpoints that answer figures from the sums in the views.

pub mod ask;
pub mod menu;
pub mod overview;
pub mod timeseries;
