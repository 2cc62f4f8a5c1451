//! Objects: files of any size under a key, in a folder or in a bucket.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use uuid::Uuid;

use crate::ids::ClientId;

/// Most characters of a key.
const LONGEST_KEY: usize = 255;

/// Where an object is: segments of `a-z 0-9 - _ .` with slashes between. Nothing personal stands in a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(String);

/// The text is no key of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an object's key is words of a-z 0-9 - _ . with slashes between")]
pub struct BadKey;

impl ObjectKey {
    /// The file of a recording: `owner` is the call, `id` tells it from other attempts and recordings.
    #[must_use]
    pub fn of_recording(client: ClientId, owner: Uuid, id: Uuid, extension: &str) -> Self {
        Self(format!("{}recordings/{owner}/{id}.{extension}", prefix_of(client)))
    }

    /// What somebody uploads; `attempt` keeps two requests for the same upload apart.
    #[must_use]
    pub fn of_upload(client: ClientId, upload: Uuid, attempt: Uuid) -> Self {
        Self(format!("{}uploads/{upload}/{attempt}", prefix_of(client)))
    }

    /// The content of a document; `attempt` tells it from those of other attempts and revisions.
    #[must_use]
    pub fn of_document(client: ClientId, document: Uuid, attempt: Uuid) -> Self {
        Self(format!("{}documents/{document}/{attempt}", prefix_of(client)))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the object belongs to the client.
    #[must_use]
    pub fn is_of(&self, client: ClientId) -> bool {
        self.0.starts_with(&prefix_of(client))
    }
}

/// What the keys of all objects of a client begin with; it ends in a slash.
#[must_use]
pub fn prefix_of(client: ClientId) -> String {
    format!("clients/{}/", client.0)
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ObjectKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        let word = |segment: &str| {
            let known =
                |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'_' | b'.');
            !segment.is_empty() && !segment.starts_with('.') && segment.bytes().all(known)
        };
        let fine = text.len() <= LONGEST_KEY && text.split('/').all(word);
        if fine { Ok(Self(text.to_owned())) } else { Err(BadKey) }
    }
}

/// Why an object cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    #[error("there is no such object")]
    Missing,
    /// The range begins behind the object's last byte.
    #[error("the object has only {size} bytes")]
    Range { size: u64 },
    /// The disk, or the quota on it, has no room left. What was written so far is gone.
    #[error("the object store has no room left")]
    Full,
    /// The store cannot be reached, or refuses. For the log; without credentials.
    #[error("the object store is unavailable: {0}")]
    Unavailable(String),
}

/// What is known of a finished object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    pub bytes: u64,
    /// SHA-256 of the content.
    pub sha256: [u8; 32],
}

impl Written {
    /// The hash in hexadecimal, as events and answers hold it.
    #[must_use]
    pub fn sha256_hex(&self) -> String {
        self.sha256.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    pub key: ObjectKey,
    pub bytes: u64,
}

/// What a bucket tells whoever fetches an object by a signed URL. A folder keeps none of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectLabels {
    /// MIME type, for example `audio/mpeg`.
    pub content_type: String,
    /// Name under which a browser saves it.
    pub file_name: String,
}

/// A URL for whoever holds it, until it expires. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedUrl(pub String);

impl fmt::Debug for SignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<signed url>")
    }
}

/// An object that is being written. It comes to be when it is finished, all at once; a writer that is dropped or
/// fails leaves nothing under the key.
#[async_trait]
pub trait ObjectWriter: fmt::Debug + Send {
    /// Adds bytes. After an error the writer cannot go on.
    async fn write(&mut self, piece: Bytes) -> Result<(), ObjectError>;

    /// Makes the object durable under its key, in place of one that was there.
    async fn finish(self: Box<Self>) -> Result<Written, ObjectError>;

    /// Discards what was written.
    async fn abort(self: Box<Self>);
}

/// The content of an object, or a range of it.
#[async_trait]
pub trait ObjectReader: fmt::Debug + Send {
    /// Bytes of the whole object.
    fn size(&self) -> u64;

    /// The part that it reads, cut to the object's end.
    fn range(&self) -> Range<u64>;

    /// The next bytes; `None` at the end of the range.
    async fn next(&mut self) -> Result<Option<Bytes>, ObjectError>;
}

/// A store of objects. What is written and finished is read back the same, on every node.
#[async_trait]
pub trait ObjectStore: fmt::Debug + Send + Sync {
    /// Begins to write an object; its length need not be known.
    async fn begin(
        &self,
        key: &ObjectKey,
        labels: &ObjectLabels,
    ) -> Result<Box<dyn ObjectWriter>, ObjectError>;

    /// Reads an object, or the bytes of it in `range`, which ends before its end.
    async fn get(
        &self,
        key: &ObjectKey,
        range: Option<Range<u64>>,
    ) -> Result<Box<dyn ObjectReader>, ObjectError>;

    async fn head(&self, key: &ObjectKey) -> Result<ObjectMeta, ObjectError>;

    /// Removes an object for ever. One that is not there is no error.
    async fn delete(&self, key: &ObjectKey) -> Result<(), ObjectError>;

    /// Up to `limit` objects of a client, in no order.
    async fn list(&self, client: ClientId, limit: usize) -> Result<Vec<ObjectMeta>, ObjectError>;

    /// Whether it signs URLs of its own. One that does not is served by the node, which then also encrypts.
    fn signs(&self) -> bool;

    /// A URL to fetch the object; `None` where the store [signs none](Self::signs).
    async fn download_url(
        &self,
        key: &ObjectKey,
        expires_in: Duration,
    ) -> Result<Option<SignedUrl>, ObjectError>;

    /// A URL to put the object with one request; `None` where the store [signs none](Self::signs).
    async fn upload_url(
        &self,
        key: &ObjectKey,
        expires_in: Duration,
    ) -> Result<Option<SignedUrl>, ObjectError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_cannot_leave_the_folder_of_its_client() {
        let client = ClientId(Uuid::from_u128(7));
        let key = ObjectKey::of_recording(client, Uuid::from_u128(1), Uuid::from_u128(2), "mp3");
        assert_eq!(key.as_str().parse(), Ok(key.clone()));
        assert!(key.is_of(client) && !key.is_of(ClientId(Uuid::from_u128(70))));
        for bad in ["", "/a", "a/", "a//b", "a/../b", "./a", "a/.hidden", "a b", "A", "a\\b", "a%2e", "ü"] {
            assert_eq!(bad.parse::<ObjectKey>(), Err(BadKey), "{bad}");
        }
        assert!("x".repeat(256).parse::<ObjectKey>().is_err());
    }
}
