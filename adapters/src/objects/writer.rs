//! Writes an object part by part, and hashes it on the way.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use domain::ports::objects::{ObjectError, ObjectWriter, Written};
use object_store::path::Path;
use object_store::{
    Attributes, MultipartUpload, ObjectStore as Backend, PutMultipartOptions, PutOptions, PutPayload,
};
use sha2::{Digest as _, Sha256};

use super::store::failed;

/// Holds one part in memory at most. An object that fits into it is put with one request.
pub(super) struct Writer {
    backend: Arc<dyn Backend>,
    path: Path,
    attributes: Attributes,
    part: usize,
    held: BytesMut,
    upload: Option<Box<dyn MultipartUpload>>,
    hash: Sha256,
    bytes: u64,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Writer {
    pub(super) fn new(backend: Arc<dyn Backend>, path: Path, attributes: Attributes, part: usize) -> Self {
        let (held, hash) = (BytesMut::new(), Sha256::new());
        Self { backend, path, attributes, part, held, upload: None, hash, bytes: 0 }
    }

    async fn send(&mut self, part: Bytes) -> Result<(), ObjectError> {
        let upload = match &mut self.upload {
            Some(upload) => upload,
            none => {
                let attributes = self.attributes.clone();
                let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
                none.insert(self.backend.put_multipart_opts(&self.path, options).await.map_err(failed)?)
            }
        };
        upload.put_part(PutPayload::from(part)).await.map_err(failed)
    }

    async fn put(&mut self) -> Result<(), ObjectError> {
        let rest = self.held.split().freeze();
        match self.upload.is_some() {
            false => {
                let attributes = std::mem::take(&mut self.attributes);
                let options = PutOptions { attributes, ..PutOptions::default() };
                let put = self.backend.put_opts(&self.path, PutPayload::from(rest), options).await;
                put.map(drop).map_err(failed)
            }
            true => {
                if !rest.is_empty() {
                    self.send(rest).await?;
                }
                let Some(mut upload) = self.upload.take() else { return Ok(()) };
                match upload.complete().await {
                    Ok(_) => Ok(()),
                    Err(error) => {
                        give_up(upload).await;
                        Err(failed(error))
                    }
                }
            }
        }
    }
}

/// Removes the parts that were sent. If that fails, a bucket's own rule for unfinished uploads has to do it.
async fn give_up(mut upload: Box<dyn MultipartUpload>) {
    if let Err(error) = upload.abort().await {
        tracing::info!(%error, "parts of an unfinished object are left behind");
    }
}

#[async_trait]
impl ObjectWriter for Writer {
    async fn write(&mut self, piece: Bytes) -> Result<(), ObjectError> {
        self.hash.update(&piece);
        self.bytes += piece.len() as u64;
        self.held.extend_from_slice(&piece);
        while self.held.len() >= self.part {
            let part = self.held.split_to(self.part).freeze();
            self.send(part).await?;
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<Written, ObjectError> {
        self.put().await?;
        metrics::counter!(domain::metrics::OBJECTS_WRITTEN).increment(1);
        metrics::counter!(domain::metrics::OBJECTS_WRITTEN_BYTES).increment(self.bytes);
        let sha256 = std::mem::take(&mut self.hash).finalize().into();
        Ok(Written { bytes: self.bytes, sha256 })
    }

    async fn abort(mut self: Box<Self>) {
        if let Some(upload) = self.upload.take() {
            give_up(upload).await;
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let Some(upload) = self.upload.take() else { return };
        // a file is removed with the upload itself
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(give_up(upload));
        }
    }
}
