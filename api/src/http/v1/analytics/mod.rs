//! How things went: figures from the sums the views keep.

pub mod ask;
pub mod menu;
pub mod overview;
pub mod timeseries;
