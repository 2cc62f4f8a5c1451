//! How events become stored bytes and come back.
//!
//! Payloads are MessagePack with **named** maps, so that a field may be added with a default and old bytes
//! still read. The type and the schema number stand beside the payload in the envelope. When a shape changes
//! its meaning, it gets the next schema number and a `From` the one before; stored bytes are never rewritten.

mod readable;

pub use readable::{readable, readable_sealed};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why stored bytes could not be read as an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Written by a newer version, or not an event of this aggregate.
    #[error("unknown event {event_type} with schema {schema}: run a version that knows it")]
    Unknown { event_type: String, schema: u16 },
    /// The bytes do not fit the shape. The cause never repeats the content.
    #[error("the payload of {event_type} cannot be read")]
    Payload { event_type: String },
    /// The metadata is not what this version writes.
    #[error("the metadata of {event_type} cannot be read")]
    Metadata { event_type: String },
}

/// An aggregate's events, in their newest shape.
pub trait DomainEvent: Sized + Send + Sync + 'static {
    /// Every type and its newest schema.
    const TYPES: &'static [(&'static str, u16)];

    /// The stored name, `call.answered`.
    fn event_type(&self) -> &'static str;

    /// The newest schema of this type.
    fn schema(&self) -> u16;

    /// The payload as MessagePack bytes.
    fn encode(&self) -> Vec<u8>;

    /// Reads stored bytes of any schema ever released. Fails with a [`DecodeError`] when this version cannot.
    fn decode(event_type: &str, schema: u16, payload: &[u8]) -> Result<Self, DecodeError>;
}

pub(crate) fn to_bytes<T: Serialize>(payload: &T) -> Vec<u8> {
    // writing plain structs into memory cannot fail; an empty payload would be refused on reading
    rmp_serde::to_vec_named(payload).unwrap_or_default()
}

pub(crate) fn from_bytes<T: DeserializeOwned>(event_type: &str, payload: &[u8]) -> Result<T, DecodeError> {
    rmp_serde::from_slice(payload).map_err(|_| DecodeError::Payload { event_type: event_type.to_owned() })
}

/// Declares an aggregate's events: a variant, its stored name, its schema and its payload's type. Older schemas
/// follow in brackets with their types; the newest payload is `From` each of them.
macro_rules! events {
    ($(#[$doc:meta])* pub enum $name:ident {
        $($(#[$vdoc:meta])* $variant:ident($payload:ty) = $type:literal v $schema:literal $([$($old:literal => $old_payload:ty),*])?,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        #[allow(clippy::allow_attributes, clippy::large_enum_variant, reason = "an event is handled soon after it was made, and seldom kept")]
        pub enum $name { $($(#[$vdoc])* $variant($payload),)* }

        impl $crate::wire::DomainEvent for $name {
            const TYPES: &'static [(&'static str, u16)] = &[$(($type, $schema),)*];

            fn event_type(&self) -> &'static str {
                match self { $($name::$variant(_) => $type,)* }
            }

            fn schema(&self) -> u16 {
                match self { $($name::$variant(_) => $schema,)* }
            }

            fn encode(&self) -> Vec<u8> {
                match self { $($name::$variant(payload) => $crate::wire::to_bytes(payload),)* }
            }

            fn decode(event_type: &str, schema: u16, payload: &[u8]) -> Result<Self, $crate::wire::DecodeError> {
                match (event_type, schema) {
                    $(
                        ($type, $schema) => $crate::wire::from_bytes(event_type, payload).map($name::$variant),
                        $($(($type, $old) => $crate::wire::from_bytes::<$old_payload>(event_type, payload)
                            .map(|old| $name::$variant(old.into())),)*)?
                    )*
                    _ => Err($crate::wire::DecodeError::Unknown { event_type: event_type.to_owned(), schema }),
                }
            }
        }

        $(impl From<$payload> for $name {
            fn from(payload: $payload) -> Self {
                $name::$variant(payload)
            }
        })*
    };
}
pub(crate) use events;
