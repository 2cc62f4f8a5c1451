//! The port on the crate `object_store`.

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::ids::ClientId;
use domain::ports::objects::{
    ObjectError, ObjectKey, ObjectLabels, ObjectMeta, ObjectReader, ObjectStore, ObjectWriter, SignedUrl,
    prefix_of,
};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{
    Attribute, Attributes, GetOptions, GetRange, ObjectStore as Backend, ObjectStoreExt as _,
};
use reqwest::Method;

use super::writer::Writer;

/// Bytes of a part in a bucket: S3 takes no smaller ones, except for the last, and 10,000 at most.
const BUCKET_PART: usize = 5 << 20;
/// Bytes written to a file at once.
const FILE_PART: usize = 1 << 20;

/// A folder, a bucket or memory as an [`ObjectStore`].
#[derive(Clone)]
pub struct Objects {
    backend: Arc<dyn Backend>,
    /// `None` where no URL can be signed.
    signer: Option<Arc<dyn Signer>>,
    /// Prefix of all keys in a bucket; empty, or without slashes at its ends.
    prefix: String,
    part: usize,
}

impl fmt::Debug for Objects {
    // the backend's own form could show credentials
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects").field("signs", &self.signer.is_some()).finish_non_exhaustive()
    }
}

impl Objects {
    pub(super) fn in_folder(backend: Arc<dyn Backend>) -> Self {
        Self { backend, signer: None, prefix: String::new(), part: FILE_PART }
    }

    pub(super) fn in_bucket(backend: Arc<dyn Backend>, signer: Arc<dyn Signer>, prefix: &str) -> Self {
        Self { backend, signer: Some(signer), prefix: prefix.to_owned(), part: BUCKET_PART }
    }

    /// A store that is gone with the process, for tests.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::in_folder(Arc::new(InMemory::new()))
    }

    /// The same on any backend, for tests of its faults.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn on(backend: Arc<dyn Backend>) -> Self {
        Self::in_folder(backend)
    }

    fn place(&self, text: &str) -> Path {
        match self.prefix.is_empty() {
            true => Path::from(text),
            false => Path::from(format!("{}/{text}", self.prefix)),
        }
    }

    fn path(&self, key: &ObjectKey) -> Path {
        self.place(key.as_str())
    }

    fn key(&self, path: &Path) -> Option<ObjectKey> {
        let text = path.as_ref();
        let text = match self.prefix.is_empty() {
            true => text,
            false => text.strip_prefix(&self.prefix)?.strip_prefix('/')?,
        };
        text.parse().ok()
    }

    fn attributes(&self, labels: &ObjectLabels) -> Attributes {
        let mut attributes = Attributes::new();
        // a folder keeps none, and refuses them
        if self.signer.is_some() {
            attributes.insert(Attribute::ContentType, labels.content_type.clone().into());
            let disposition = format!("inline; filename=\"{}\"", labels.file_name);
            attributes.insert(Attribute::ContentDisposition, disposition.into());
        }
        attributes
    }

    async fn signed(
        &self,
        method: Method,
        key: &ObjectKey,
        expires_in: Duration,
    ) -> Result<Option<SignedUrl>, ObjectError> {
        let Some(signer) = &self.signer else { return Ok(None) };
        let url = signer.signed_url(method, &self.path(key), expires_in).await.map_err(failed)?;
        Ok(Some(SignedUrl(url.to_string())))
    }
}

/// The port's word for an error.
pub(super) fn failed(error: object_store::Error) -> ObjectError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if let Some(error) = inner.downcast_ref::<io::Error>()
            && matches!(
                error.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
            )
        {
            return ObjectError::Full;
        }
        cause = inner.source();
    }
    match error {
        object_store::Error::NotFound { .. } => ObjectError::Missing,
        object_store::Error::PermissionDenied { .. } => {
            ObjectError::Unavailable("it refuses the node's rights".to_owned())
        }
        object_store::Error::Unauthenticated { .. } => {
            ObjectError::Unavailable("it refuses the node's credentials".to_owned())
        }
        // the texts name paths and addresses, and may repeat a vendor's whole answer
        other => ObjectError::Unavailable(other.to_string().chars().take(300).collect()),
    }
}

#[async_trait]
impl ObjectStore for Objects {
    async fn begin(
        &self,
        key: &ObjectKey,
        labels: &ObjectLabels,
    ) -> Result<Box<dyn ObjectWriter>, ObjectError> {
        let attributes = self.attributes(labels);
        Ok(Box::new(Writer::new(self.backend.clone(), self.path(key), attributes, self.part)))
    }

    async fn get(
        &self,
        key: &ObjectKey,
        range: Option<Range<u64>>,
    ) -> Result<Box<dyn ObjectReader>, ObjectError> {
        let path = self.path(key);
        if let Some(range) = &range {
            // backends name a range behind the end in different ways
            let size = self.backend.head(&path).await.map_err(failed)?.size;
            if range.start >= size || range.is_empty() {
                return Err(ObjectError::Range { size });
            }
        }
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        let found = self.backend.get_opts(&path, options).await.map_err(failed)?;
        let (size, range) = (found.meta.size, found.range.clone());
        Ok(Box::new(Reader { size, range, pieces: found.into_stream() }))
    }

    async fn head(&self, key: &ObjectKey) -> Result<ObjectMeta, ObjectError> {
        let found = self.backend.head(&self.path(key)).await.map_err(failed)?;
        Ok(ObjectMeta { key: key.clone(), bytes: found.size })
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), ObjectError> {
        match self.backend.delete(&self.path(key)).await.map_err(failed) {
            Err(ObjectError::Missing) => Ok(()),
            done => done,
        }
    }

    async fn list(&self, client: ClientId, limit: usize) -> Result<Vec<ObjectMeta>, ObjectError> {
        let prefix = self.place(prefix_of(client).trim_end_matches('/'));
        let mut found = self.backend.list(Some(&prefix));
        let mut objects = Vec::new();
        while objects.len() < limit {
            let Some(next) = found.next().await else { break };
            let next = next.map_err(failed)?;
            objects.extend(self.key(&next.location).map(|key| ObjectMeta { key, bytes: next.size }));
        }
        Ok(objects)
    }

    fn signs(&self) -> bool {
        self.signer.is_some()
    }

    async fn download_url(
        &self,
        key: &ObjectKey,
        expires_in: Duration,
    ) -> Result<Option<SignedUrl>, ObjectError> {
        self.signed(Method::GET, key, expires_in).await
    }

    async fn upload_url(
        &self,
        key: &ObjectKey,
        expires_in: Duration,
    ) -> Result<Option<SignedUrl>, ObjectError> {
        self.signed(Method::PUT, key, expires_in).await
    }
}

struct Reader {
    size: u64,
    range: Range<u64>,
    pieces: BoxStream<'static, object_store::Result<Bytes>>,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("range", &self.range).finish_non_exhaustive()
    }
}

#[async_trait]
impl ObjectReader for Reader {
    fn size(&self) -> u64 {
        self.size
    }

    fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    async fn next(&mut self) -> Result<Option<Bytes>, ObjectError> {
        self.pieces.next().await.transpose().map_err(failed)
    }
}
