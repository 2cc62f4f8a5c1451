//! The view of customers, and what is linked to them.

mod queries;
#[cfg(test)]
mod tests;
mod timeline;
mod view;

pub use queries::{CustomerFilter, CustomerKey, CustomerQueries};
pub use timeline::{Links, TimelineEntry, TimelineKind, TimelinePage};
pub use view::{CustomerRow, CustomerView, Customers, MergedView};
