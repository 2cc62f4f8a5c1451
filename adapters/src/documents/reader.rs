//! Stores the content of documents encrypted, and reads it with a child process.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::call::StoredFile;
use domain::ids::ClientId;
use domain::knowledge::DocumentFault;
use domain::ports::documents::{ContentAt, ContentOrder, DocumentReader, DocumentText, ReadError};
use domain::ports::ids::Ids;
use domain::ports::objects::{ObjectError, ObjectKey, ObjectLabels, ObjectReader, ObjectStore, ObjectWriter};
use domain::ports::vault::{Vault, VaultError};

use super::fetch::Web;
use super::parent::ChildParser;
use crate::objects::{ObjectSecret, OpeningReader, SealingWriter, secret_place};
use crate::webhooks::Guard;

/// Limits of a content.
#[derive(Debug, Clone, Copy)]
pub struct DocumentLimits {
    /// Most bytes of a document.
    pub max_bytes: u64,
    /// Longest pause in the middle of a download.
    pub silence: Duration,
    /// Limit for a whole download.
    pub whole: Duration,
}

impl Default for DocumentLimits {
    fn default() -> Self {
        Self { max_bytes: 50 << 20, silence: Duration::from_secs(20), whole: Duration::from_secs(5 * 60) }
    }
}

/// Documents in the object store. They are encrypted in every store: nothing hands their URLs out.
#[derive(Debug)]
pub struct StoredDocuments {
    objects: Arc<dyn ObjectStore>,
    vault: Arc<dyn Vault>,
    ids: Arc<dyn Ids>,
    web: Web,
    parser: ChildParser,
    limits: DocumentLimits,
}

impl StoredDocuments {
    /// A reader that stores into `objects`, with keys that `vault` seals. Fails when TLS cannot be set up.
    pub fn new(
        guard: Guard,
        (objects, vault): (Arc<dyn ObjectStore>, Arc<dyn Vault>),
        ids: Arc<dyn Ids>,
        parser: ChildParser,
        limits: DocumentLimits,
    ) -> Result<Self, reqwest::Error> {
        let web = Web::new(guard, limits.silence)?;
        Ok(Self { objects, vault, ids, web, parser, limits })
    }

    async fn store(&self, order: &ContentOrder) -> Result<(StoredFile, ObjectSecret), ReadError> {
        let object = ObjectKey::of_document(order.client, order.document.0, order.attempt);
        let labels = ObjectLabels { content_type: String::new(), file_name: order.document.to_string() };
        let secret = ObjectSecret::new(self.ids.secret());
        let key = self.vault.seal(order.client, &secret_place(&object), secret.as_bytes()).await;
        let key = key.map_err(|error| ReadError::NotYet(error.to_string()))?;
        let plain = self.objects.begin(&object, &labels).await.map_err(of_store)?;
        let mut writer: Box<dyn ObjectWriter> = Box::new(SealingWriter::new(plain, secret.clone()));
        let copied = match &order.content {
            ContentAt::Object { key, declared } => {
                self.copy_object(key, &mut writer).await.map(|()| declared.clone())
            }
            ContentAt::Url(address) => {
                let copy = tokio::time::timeout(self.limits.whole, self.copy_page(&address.0, &mut writer));
                let late = || Err(ReadError::NotYet("the download took too long".to_owned()));
                copy.await.unwrap_or_else(|_| late())
            }
        };
        let declared = match copied {
            Ok(declared) => declared,
            Err(error) => {
                writer.abort().await;
                return Err(error);
            }
        };
        let written = writer.finish().await.map_err(of_store)?;
        let file = StoredFile {
            object: object.to_string(),
            bytes: written.bytes,
            sha256: written.sha256_hex().into(),
            content_type: declared,
            key: Some(key.into()),
        };
        Ok((file, secret))
    }

    async fn copy_object(
        &self,
        key: &ObjectKey,
        writer: &mut Box<dyn ObjectWriter>,
    ) -> Result<(), ReadError> {
        let mut reader = match self.objects.get(key, None).await {
            Err(ObjectError::Missing) => return Err(ReadError::Never(DocumentFault::UploadGone)),
            found => found.map_err(of_store)?,
        };
        let mut copied = Copied::new(self.limits.max_bytes);
        while let Some(piece) = reader.next().await.map_err(of_store)? {
            copied.write(writer, piece).await?;
        }
        copied.finish()
    }

    async fn copy_page(
        &self,
        address: &str,
        writer: &mut Box<dyn ObjectWriter>,
    ) -> Result<String, ReadError> {
        let (mut response, declared) = self.web.open(address, self.limits.max_bytes).await?;
        let mut copied = Copied::new(self.limits.max_bytes);
        while let Some(piece) = response.chunk().await.map_err(|error| self.web.fault(&error))? {
            copied.write(writer, piece).await?;
        }
        copied.finish()?;
        Ok(declared)
    }

    async fn parse(
        &self,
        object: &ObjectKey,
        secret: ObjectSecret,
        declared: &str,
    ) -> Result<(String, DocumentText), ReadError> {
        let stored = match self.objects.get(object, None).await {
            Err(ObjectError::Missing) => return Err(ReadError::Never(DocumentFault::UploadGone)),
            found => found.map_err(of_store)?,
        };
        let mut content = OpeningReader::new(stored, secret, None).map_err(of_store)?;
        self.parser.read(&mut content as &mut dyn ObjectReader, declared).await
    }
}

/// Counts what is copied.
struct Copied {
    bytes: u64,
    most: u64,
}

impl Copied {
    fn new(most: u64) -> Self {
        Self { bytes: 0, most }
    }

    async fn write(&mut self, writer: &mut Box<dyn ObjectWriter>, piece: Bytes) -> Result<(), ReadError> {
        self.bytes += piece.len() as u64;
        if self.bytes > self.most {
            return Err(ReadError::Never(DocumentFault::TooLarge));
        }
        writer.write(piece).await.map_err(of_store)
    }

    fn finish(&self) -> Result<(), ReadError> {
        if self.bytes == 0 { Err(ReadError::Never(DocumentFault::Empty)) } else { Ok(()) }
    }
}

fn of_store(error: ObjectError) -> ReadError {
    ReadError::NotYet(error.to_string())
}

#[async_trait]
impl DocumentReader for StoredDocuments {
    async fn take(&self, order: &ContentOrder) -> Result<(StoredFile, DocumentText), ReadError> {
        let (mut file, secret) = self.store(order).await?;
        let object: ObjectKey =
            file.object.parse().map_err(|_| ReadError::NotYet("the object has no key".to_owned()))?;
        match self.parse(&object, secret, &file.content_type).await {
            Ok((content_type, text)) => {
                file.content_type = content_type;
                Ok((file, text))
            }
            Err(error) => {
                if let Err(error) = self.objects.delete(&object).await {
                    tracing::warn!(%error, "a file that nobody knows of stays in the object store");
                }
                Err(error)
            }
        }
    }

    async fn read(&self, client: ClientId, file: &StoredFile) -> Result<DocumentText, ReadError> {
        let gone = || ReadError::Never(DocumentFault::UploadGone);
        let object: ObjectKey = file.object.parse().map_err(|_| gone())?;
        let key = file.key.as_ref().and_then(|key| key.reveal()).ok_or_else(gone)?;
        let secret = match self.vault.open(client, &secret_place(&object), key).await {
            Err(VaultError::Destroyed | VaultError::Forged) => return Err(gone()),
            opened => opened.map_err(|error| ReadError::NotYet(error.to_string()))?,
        };
        let secret = ObjectSecret::from_slice(&secret).ok_or_else(gone)?;
        let (_, text) = self.parse(&object, secret, &file.content_type).await?;
        Ok(text)
    }

    async fn remove(&self, object: &ObjectKey) -> Result<(), ObjectError> {
        self.objects.delete(object).await
    }
}
