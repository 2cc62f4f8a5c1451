//! The view of what is remembered of customers.

mod queries;
#[cfg(test)]
mod tests;
mod view;

pub use queries::{MemoryFilter, MemoryQueries};
pub use view::{Memories, MemoryRow, MemorySourceView, MemoryView};
