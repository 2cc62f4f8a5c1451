//! The key store: the vault, the keys of personal data, and the answers under idempotency keys.
//!
//! A master key, which never enters a database, wraps data keys; data keys encrypt data. So a new master key only
//! requires wrapping the data keys anew, and destroying a data key erases all that it encrypted.

mod buckets;
mod copy;
mod db;
mod head_keeper;
mod idempotency;
mod master;
mod presence;
mod privacy_jobs;
mod rotate;
mod subjects;
mod tree;
mod vault;

pub use buckets::{BucketKind, BucketName, BucketShare, Exchanged, SharedBucket, SharedBuckets};
pub use copy::{CopiedKeys, CopyKeysError, copy_keys};
pub use db::{KeysDb, OpenKeysError};
pub(crate) use db::{SERVER_LIMIT, on};
pub use head_keeper::SqlHeadKeeper;
pub use idempotency::SqlIdempotency;
pub use master::{MasterKey, MasterKeyError};
pub use presence::Presence;
pub use privacy_jobs::PrivacyJobs;
pub use rotate::{RotateError, rotate};
pub use subjects::{SubjectKey, SubjectKeyState, SubjectKeys};
pub use vault::KeyVault;
