//! Ids are a port: rules never draw randomness.

use std::fmt;

use uuid::Uuid;

/// Where new ids come from.
pub trait Ids: fmt::Debug + Send + Sync {
    /// A fresh UUIDv7 (RFC 9562 §5.7): time-ordered, unique across nodes.
    fn next(&self) -> Uuid;

    /// 256 random bits, for a key.
    fn secret(&self) -> [u8; 32];
}
