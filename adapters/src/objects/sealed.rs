//! Encryption of objects in pieces: XChaCha20-Poly1305 in the STREAM construction, under a key for one object.
//!
//! Every piece but the last holds [`PIECE`] bytes of the content. The nonce of a piece is its number and whether it is
//! the last, so that pieces cannot be reordered, repeated or cut off. A range is read without what stands before it.

use std::fmt;
use std::ops::Range;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use chacha20poly1305::aead::{AeadInPlace as _, KeyInit as _};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use domain::ports::objects::{ObjectError, ObjectKey, ObjectReader, ObjectWriter, Written};
use sha2::{Digest as _, Sha256};

/// Bytes of the content in one piece.
const PIECE: usize = 64 << 10;
/// Bytes that encryption adds to a piece.
const TAG: usize = 16;

/// The key of one object. `Debug` hides it.
#[derive(Clone)]
pub struct ObjectSecret([u8; 32]);

impl fmt::Debug for ObjectSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<object secret>")
    }
}

impl ObjectSecret {
    /// A key must encrypt one content only.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// Reads a stored key; `None` when it has another length.
    #[must_use]
    pub fn from_slice(key: &[u8]) -> Option<Self> {
        key.try_into().ok().map(Self)
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&self.0).into())
    }
}

/// What the vault binds an object's key to.
#[must_use]
pub fn secret_place(object: &ObjectKey) -> String {
    format!("object {object}")
}

fn nonce(number: u64, last: bool) -> XNonce {
    let mut nonce = [0; 24];
    nonce[..8].copy_from_slice(&number.to_be_bytes());
    nonce[8] = u8::from(last);
    nonce.into()
}

/// Bytes of content in an object of so many bytes; `None` when no content is encrypted so.
fn content_of(stored: u64) -> Option<u64> {
    let whole = (PIECE + TAG) as u64;
    let rest = stored % whole;
    match (stored / whole, rest) {
        (0, 0) => None,
        (pieces, 0) => Some(pieces * PIECE as u64),
        (_, rest) if rest < TAG as u64 => None,
        (pieces, rest) => Some(pieces * PIECE as u64 + rest - TAG as u64),
    }
}

/// Encrypts what is written. The length and the hash are those of the content.
#[derive(Debug)]
pub struct SealingWriter {
    inner: Box<dyn ObjectWriter>,
    secret: ObjectSecret,
    held: BytesMut,
    number: u64,
    hash: Sha256,
    bytes: u64,
}

impl SealingWriter {
    #[must_use]
    pub fn new(inner: Box<dyn ObjectWriter>, secret: ObjectSecret) -> Self {
        Self { inner, secret, held: BytesMut::new(), number: 0, hash: Sha256::new(), bytes: 0 }
    }

    async fn seal(&mut self, mut piece: BytesMut, last: bool) -> Result<(), ObjectError> {
        let sealed =
            self.secret.cipher().encrypt_in_place_detached(&nonce(self.number, last), b"", &mut piece);
        let tag =
            sealed.map_err(|_| ObjectError::Unavailable("the object cannot be encrypted".to_owned()))?;
        piece.extend_from_slice(&tag);
        self.number += 1;
        self.inner.write(piece.freeze()).await
    }
}

#[async_trait]
impl ObjectWriter for SealingWriter {
    async fn write(&mut self, piece: Bytes) -> Result<(), ObjectError> {
        self.hash.update(&piece);
        self.bytes += piece.len() as u64;
        self.held.extend_from_slice(&piece);
        // the last piece is known as such only at the end
        while self.held.len() > PIECE {
            let piece = self.held.split_to(PIECE);
            self.seal(piece, false).await?;
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<Written, ObjectError> {
        let last = self.held.split();
        self.seal(last, true).await?;
        let Self { inner, hash, bytes, .. } = *self;
        inner.finish().await?;
        Ok(Written { bytes, sha256: hash.finalize().into() })
    }

    async fn abort(self: Box<Self>) {
        self.inner.abort().await;
    }
}

/// The range of the stored object that holds a range of the content.
#[must_use]
pub fn sealed_range(range: &Range<u64>) -> Range<u64> {
    let (piece, whole) = (PIECE as u64, (PIECE + TAG) as u64);
    let end = range.end.div_ceil(piece).saturating_mul(whole);
    range.start / piece * whole..end
}

/// Decrypts what is read.
#[derive(Debug)]
pub struct OpeningReader {
    inner: Box<dyn ObjectReader>,
    secret: ObjectSecret,
    held: BytesMut,
    number: u64,
    size: u64,
    range: Range<u64>,
    /// Bytes of the range that were not handed out yet begin here.
    at: u64,
}

impl OpeningReader {
    /// Reads `range` of the content, or all of it; `inner` reads the [`sealed_range`] of it. Fails when the object is
    /// not one that was encrypted, or the range begins behind its end.
    pub fn new(
        inner: Box<dyn ObjectReader>,
        secret: ObjectSecret,
        range: Option<Range<u64>>,
    ) -> Result<Self, ObjectError> {
        let size = content_of(inner.size()).ok_or_else(broken)?;
        let range = range.unwrap_or(0..size);
        if range.start > size || (range.start == size && size > 0) {
            return Err(ObjectError::Range { size });
        }
        let range = range.start..range.end.min(size);
        let (number, at) = (range.start / PIECE as u64, range.start);
        Ok(Self { inner, secret, held: BytesMut::new(), number, size, range, at })
    }
}

fn broken() -> ObjectError {
    ObjectError::Unavailable("an encrypted object does not open".to_owned())
}

#[async_trait]
impl ObjectReader for OpeningReader {
    fn size(&self) -> u64 {
        self.size
    }

    fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    async fn next(&mut self) -> Result<Option<Bytes>, ObjectError> {
        if self.at >= self.range.end {
            return Ok(None);
        }
        let begin = self.number * PIECE as u64;
        let content = (self.size - begin).min(PIECE as u64) as usize;
        while self.held.len() < content + TAG {
            let more = self.inner.next().await?.ok_or_else(broken)?;
            self.held.extend_from_slice(&more);
        }
        let mut piece = self.held.split_to(content);
        let tag: [u8; TAG] = self.held.split_to(TAG)[..].try_into().map_err(|_| broken())?;
        let last = begin + content as u64 == self.size;
        let nonce = nonce(self.number, last);
        let opened = self.secret.cipher().decrypt_in_place_detached(&nonce, b"", &mut piece, &Tag::from(tag));
        opened.map_err(|_| broken())?;
        self.number += 1;
        let end = self.range.end.min(begin + content as u64);
        let wanted = piece.freeze().slice((self.at - begin) as usize..(end - begin) as usize);
        self.at = end;
        Ok(Some(wanted))
    }
}

#[cfg(test)]
mod tests {
    use domain::ports::objects::{ObjectLabels, ObjectStore as _};
    use uuid::Uuid;

    use super::super::Objects;
    use super::*;

    fn key(n: u128) -> ObjectKey {
        let client = domain::ids::ClientId(Uuid::from_u128(1));
        ObjectKey::of_recording(client, Uuid::from_u128(2), Uuid::from_u128(n), "mp3")
    }

    fn content(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|at| (at * 31 % 251) as u8).collect()
    }

    async fn stored(objects: &Objects, n: u128, content: &[u8]) -> Written {
        let inner = objects.begin(&key(n), &ObjectLabels::default()).await.unwrap();
        let mut writer = Box::new(SealingWriter::new(inner, ObjectSecret::new([9; 32])));
        for piece in content.chunks(10_000) {
            writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        writer.finish().await.unwrap()
    }

    async fn read(
        objects: &Objects,
        n: u128,
        secret: [u8; 32],
        range: Option<Range<u64>>,
    ) -> Result<Vec<u8>, ObjectError> {
        let inner = objects.get(&key(n), range.as_ref().map(sealed_range)).await?;
        let mut reader = OpeningReader::new(inner, ObjectSecret::new(secret), range)?;
        let mut bytes = Vec::new();
        while let Some(piece) = reader.next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    #[tokio::test]
    async fn content_of_any_length_and_any_range_of_it_is_read_back() {
        let objects = Objects::in_memory();
        for bytes in [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 17] {
            let content = content(bytes);
            let written = stored(&objects, bytes as u128, &content).await;
            assert_eq!((written.bytes, written.sha256), (bytes as u64, Sha256::digest(&content).into()));
            assert_eq!(read(&objects, bytes as u128, [9; 32], None).await.unwrap(), content, "{bytes}");
            for (start, end) in
                [(0, 1), (1, PIECE), (PIECE - 1, PIECE + 1), (PIECE, 3 * PIECE), (bytes / 2, bytes)]
            {
                if start >= end.min(bytes) {
                    continue;
                }
                let range = Some(start as u64..end as u64);
                let part = read(&objects, bytes as u128, [9; 32], range).await.unwrap();
                assert_eq!(part, content[start..end.min(bytes)], "{start}..{end} of {bytes}");
            }
        }
    }

    #[tokio::test]
    async fn no_byte_of_the_content_is_stored_in_plain() {
        let objects = Objects::in_memory();
        stored(&objects, 1, &b"a voice that is known ".repeat(10_000)).await;
        let mut reader = objects.get(&key(1), None).await.unwrap();
        while let Some(piece) = reader.next().await.unwrap() {
            assert!(!piece.windows(5).any(|window| window == b"voice"));
        }
    }

    #[tokio::test]
    async fn what_was_cut_changed_or_belongs_to_another_key_does_not_open() {
        let objects = Objects::in_memory();
        stored(&objects, 1, &content(3 * PIECE)).await;
        assert!(read(&objects, 1, [8; 32], None).await.is_err());
        let mut whole = Vec::new();
        let mut reader = objects.get(&key(1), None).await.unwrap();
        while let Some(piece) = reader.next().await.unwrap() {
            whole.extend_from_slice(&piece);
        }
        let sealed = PIECE + TAG;
        let swapped = [&whole[sealed..2 * sealed], &whole[..sealed], &whole[2 * sealed..]].concat();
        let mut flipped = whole.clone();
        flipped[sealed + 5] ^= 1;
        // at the border of a piece, inside of one, in a tag
        let bad = [&whole[..2 * sealed], &whole[..sealed + 99], &whole[..3], &swapped, &flipped, b""];
        for (n, bad) in bad.into_iter().enumerate() {
            let mut writer = objects.begin(&key(100 + n as u128), &ObjectLabels::default()).await.unwrap();
            writer.write(Bytes::copy_from_slice(bad)).await.unwrap();
            writer.finish().await.unwrap();
            assert!(read(&objects, 100 + n as u128, [9; 32], None).await.is_err(), "{n}");
        }
    }
}
