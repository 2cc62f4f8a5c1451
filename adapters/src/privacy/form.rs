//! The sealed form of a value, byte by byte.
//!
//! ```text
//! 1 byte    the version: 1, or 2 for what is not kept, which no view opens
//! 1 byte    n, how many keys (1 to 8)
//! n × 16    ids of the keys
//! 16        print of the key: a hash that no second key has (XChaCha20-Poly1305 alone does not commit to its key)
//! 16        nonce, random, or counted up from a random one within an append; zeros make up the other 8 bytes of it
//! rest      ciphertext and tag
//! ```
//!
//! The value belongs to as many subjects as there are keys, and none of them can be missing: the key is hashed from
//! theirs. Bound to it (associated data) are the client, the event's id, type and schema, the stream, the path of
//! the field and the ids of the keys: moved anywhere else it does not open.

use std::sync::Arc;

use chacha20poly1305::aead::{AeadInPlace as _, KeyInit as _};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use domain::envelope::StreamId;
use domain::ids::ClientId;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::keys::SubjectKey;

const KEPT: u8 = 1;
const EPHEMERAL: u8 = 2;
/// Random bytes of a nonce: enough for 2⁴⁸ values of one key with a chance of a repeat below 2⁻³².
pub(super) const NONCE: usize = 16;
const PRINT: usize = 16;
const TAG: usize = 16;
/// The most keys that a value is encrypted under.
pub(super) const MOST_KEYS: usize = 8;

/// The place of a value, which its ciphertext is bound to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub client: ClientId,
    pub stream: &'a StreamId,
    pub event: Uuid,
    pub event_type: &'a str,
    pub schema: u16,
}

impl Place<'_> {
    fn bind(&self, bytes: &mut Vec<u8>, version: u8, path: &str, ids: &[u8]) {
        bytes.clear();
        bytes.extend(b"voxledger personal\0");
        bytes.push(version);
        bytes.extend(self.client.0.as_bytes());
        bytes.extend(self.event.as_bytes());
        bytes.extend(self.schema.to_be_bytes());
        for text in [self.stream.as_str(), self.event_type, path] {
            bytes.extend((text.len() as u32).to_be_bytes());
            bytes.extend(text.as_bytes());
        }
        bytes.extend(ids);
    }
}

/// An encrypted value, parsed but not decrypted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sealed<'a> {
    version: u8,
    ids: &'a [u8],
    print: &'a [u8; PRINT],
    nonce: &'a [u8; NONCE],
    text: &'a [u8],
    tag: &'a [u8; TAG],
}

impl<'a> Sealed<'a> {
    /// Parses the header of an encrypted value; `None` if the bytes are no such value.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (&[version, keys], rest) = bytes.split_first_chunk()?;
        let keys = usize::from(keys);
        if !matches!(version, KEPT | EPHEMERAL) || !(1..=MOST_KEYS).contains(&keys) {
            return None;
        }
        let (ids, rest) = rest.split_at_checked(keys * 16)?;
        let (print, rest) = rest.split_first_chunk()?;
        let (nonce, rest) = rest.split_first_chunk()?;
        let (text, tag) = rest.split_last_chunk()?;
        Some(Self { version, ids, print, nonce, text, tag })
    }

    /// Whether the value is not retained, so that no view shows it.
    pub(super) fn is_ephemeral(&self) -> bool {
        self.version == EPHEMERAL
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = Uuid> + 'a {
        self.ids.chunks_exact(16).filter_map(|id| Uuid::from_slice(id).ok())
    }

    /// Decrypts the value and appends it to `into`; false, and nothing is appended, if it was altered, moved, or
    /// encrypted under other keys with the same ids. `bound` is any buffer.
    pub(super) fn open(
        &self,
        into: &mut Vec<u8>,
        keys: &[Arc<SubjectKey>],
        (place, path): (&Place<'_>, &str),
        bound: &mut Vec<u8>,
    ) -> bool {
        let (key, print) = united(keys);
        if print != *self.print {
            return false;
        }
        let at = into.len();
        into.extend(self.text);
        place.bind(bound, self.version, path, self.ids);
        let cipher = XChaCha20Poly1305::new(&key.into());
        let (nonce, tag) = (whole(self.nonce), Tag::from(*self.tag));
        let opened = cipher.decrypt_in_place_detached(&nonce, bound, &mut into[at..], &tag).is_ok();
        if !opened {
            into.truncate(at);
        }
        opened
    }
}

/// Encrypts `plain` under all of the keys and appends it; false if that fails. `field` is the field's path, and
/// whether it is not retained.
pub(super) fn seal(
    into: &mut Vec<u8>,
    keys: &[Arc<SubjectKey>],
    nonce: [u8; NONCE],
    place: &Place<'_>,
    field: (&str, bool),
    plain: &[u8],
) -> bool {
    let (path, ephemeral) = field;
    let version = if ephemeral { EPHEMERAL } else { KEPT };
    let (key, print) = united(keys);
    into.extend([version, keys.len() as u8]);
    let ids_at = into.len();
    for key in keys {
        into.extend(key.id.as_bytes());
    }
    let mut bound = Vec::with_capacity(192);
    place.bind(&mut bound, version, path, &into[ids_at..]);
    into.extend(print);
    into.extend(nonce);
    let text_at = into.len();
    into.extend(plain);
    let cipher = XChaCha20Poly1305::new(&key.into());
    let sealed = cipher.encrypt_in_place_detached(&whole(&nonce), &bound, &mut into[text_at..]);
    sealed.map(|tag| into.extend(tag)).is_ok()
}

/// Length of an encrypted value whose plain text has `plain` bytes.
pub(super) const fn sealed_len(keys: usize, plain: usize) -> usize {
    2 + 16 * keys + PRINT + NONCE + plain + TAG
}

/// The nonce in the length that the cipher takes.
fn whole(random: &[u8; NONCE]) -> XNonce {
    let mut nonce = [0; 24];
    nonce[..NONCE].copy_from_slice(random);
    XNonce::from(nonce)
}

/// Combines several keys into one, with its print: without any one of them it cannot be computed.
fn united(keys: &[Arc<SubjectKey>]) -> ([u8; 32], [u8; PRINT]) {
    let short = |print: &[u8; 32]| std::array::from_fn(|at| print[at]);
    if let [key] = keys {
        return (key.seals, short(&key.print));
    }
    let hash = |purpose: &str, part: fn(&SubjectKey) -> &[u8; 32]| -> [u8; 32] {
        let hash = Sha256::new().chain_update(purpose).chain_update([0]);
        keys.iter().fold(hash, |hash, key| hash.chain_update(part(key))).finalize().into()
    };
    (
        hash("voxledger subject keys seal", |key| &key.seals),
        short(&hash("voxledger subject keys print", |key| &key.print)),
    )
}

#[cfg(test)]
mod tests {
    use domain::ids::SubjectId;

    use super::*;

    fn key(n: u8) -> Arc<SubjectKey> {
        let id = Uuid::from_u128(n.into());
        Arc::new(SubjectKey { id, subject: SubjectId(id), seals: [n; 32], print: [n ^ 0xff; 32] })
    }

    #[test]
    fn a_value_opens_where_it_was_sealed_and_nowhere_else() {
        let (stream, other) =
            (StreamId::new("call", Uuid::from_u128(1)), StreamId::new("call", Uuid::from_u128(2)));
        let place = Place {
            client: ClientId(Uuid::from_u128(3)),
            stream: &stream,
            event: Uuid::from_u128(4),
            event_type: "call.received",
            schema: 1,
        };
        for keys in [vec![key(1)], vec![key(1), key(2)]] {
            let mut bytes = Vec::new();
            assert!(seal(&mut bytes, &keys, [9; NONCE], &place, ("from", false), b"+12025550123"));
            assert_eq!(bytes.len(), sealed_len(keys.len(), 12));
            let sealed = Sealed::read(&bytes).unwrap();
            assert_eq!(sealed.keys().collect::<Vec<_>>(), keys.iter().map(|key| key.id).collect::<Vec<_>>());
            let opens = |sealed: Sealed<'_>, keys: &[Arc<SubjectKey>], place: &Place<'_>, path: &str| {
                let mut plain = Vec::new();
                let opened = sealed.open(&mut plain, keys, (place, path), &mut Vec::new());
                assert_eq!(opened, plain == b"+12025550123");
                opened || !plain.is_empty()
            };
            assert!(opens(sealed, &keys, &place, "from"));

            let elsewhere = [
                Place { client: ClientId(Uuid::nil()), ..place },
                Place { stream: &other, ..place },
                Place { event: Uuid::nil(), ..place },
                Place { event_type: "call.queued", ..place },
                Place { schema: 2, ..place },
            ];
            for place in elsewhere {
                assert!(!opens(sealed, &keys, &place, "from"));
            }
            assert!(!opens(sealed, &keys, &place, "to"));
            let mut wrong = keys.clone();
            wrong[0] = key(7);
            assert!(!opens(sealed, &wrong, &place, "from"), "another key of the same name");
            for at in 0..bytes.len() {
                let mut bent = bytes.clone();
                bent[at] ^= 1;
                let opened = Sealed::read(&bent).is_some_and(|bent| opens(bent, &keys, &place, "from"));
                assert!(!opened, "byte {at}");
            }
        }
    }
}
