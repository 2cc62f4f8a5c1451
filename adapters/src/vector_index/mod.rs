//! The index that is searched by vector and by words: rows of the views' database, loaded into memory a space at a time.
//!
//! ```text
//!  rows of a space ──▶ vectors of a model (exact scan; above 20,000 a scan of one bit a dimension, then exact)
//!                  └─▶ words (BM25)                                                             └▶ fused
//! ```
//!
//! A space has a version. A search reads it first, and then the rows that changed since the copy in memory was made, so every
//! node finds what any node has written.

mod index;
mod loaded;
mod matrix;
mod quantised;
mod rotation;
mod rows;
mod words;

pub use index::SqlVectorIndex;
pub use matrix::{Found, Matrix};
