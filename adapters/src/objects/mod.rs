//! Objects in a folder or in a bucket of Amazon S3, Google Cloud Storage or Azure Blob Storage, all through the crate
//! `object_store`; and the encryption of those that the node serves itself.

mod sealed;
mod store;
mod target;
mod writer;

pub use sealed::{ObjectSecret, OpeningReader, SealingWriter, sealed_range, secret_place};
pub use store::Objects;
pub use target::{Access, BadTarget, Target};
