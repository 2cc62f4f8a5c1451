//! Files that clients upload, for the resources that take them.

use std::sync::Arc;
use std::time::Duration;

use domain::envelope::Time;
use domain::ids::{ClientId, UploadId};
use domain::media;
use domain::object_url::{Grant, TokenSigner};
use domain::ports::objects::{ObjectError, ObjectKey, ObjectStore, SignedUrl, Written};
use domain::ports::outbox::Cause;
use domain::upload::{Upload, UploadCommand, UploadPresigned, UploadReceived, UploadRefusal};
use sha2::{Digest as _, Sha256};

use crate::context::CommandContext;
use crate::runtime::Runtime;
use crate::session::{CommandError, Session};

/// How long a presigned URL works.
pub const URL_LIFE: Duration = Duration::from_secs(15 * 60);

/// Presigns uploads, takes files for resources, and removes what nobody used.
#[derive(Debug, Clone)]
pub struct Uploads {
    pub runtime: Runtime,
    pub objects: Arc<dyn ObjectStore>,
    /// Signs the node's own URLs, where the object store signs none.
    pub signer: TokenSigner,
}

/// Where to put a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presigned {
    pub id: UploadId,
    pub url: PutUrl,
    pub max_bytes: u64,
    pub expires_at: Time,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutUrl {
    /// A URL of the bucket.
    Bucket(SignedUrl),
    /// The token of the node's own `PUT /api/v1/objects/{token}`.
    Node(SignedUrl),
}

/// Why an upload cannot be presigned, received or taken.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    #[error(transparent)]
    Command(#[from] CommandError<UploadRefusal>),
    #[error(transparent)]
    Store(#[from] ObjectError),
    /// The content is of another type than was declared.
    #[error("the file is not {declared}, whatever its name says")]
    OtherType { declared: String },
}

impl From<UploadRefusal> for UploadError {
    fn from(refusal: UploadRefusal) -> Self {
        CommandError::Refused(refusal).into()
    }
}

impl Uploads {
    /// Promises a URL for a file of this type and of at most so many bytes. `id` is new.
    pub async fn presign(
        &self,
        context: &CommandContext,
        id: UploadId,
        content_type: &str,
        max_bytes: u64,
    ) -> Result<Presigned, UploadError> {
        let now = self.runtime.clock.now();
        let expires_at = now + URL_LIFE;
        let content_type = content_type.to_owned();
        let command = UploadCommand::Presign { content_type, max_bytes, expires_at, now };
        self.session(id).execute(&command, context, None).await?;
        let key = bucket_key(context.client, id);
        let url = match self.objects.upload_url(&key, URL_LIFE).await? {
            Some(url) => PutUrl::Bucket(url),
            None => {
                let grant = Grant::Upload { client: context.client, upload: id };
                PutUrl::Node(SignedUrl(self.signer.sign(grant, expires_at)))
            }
        };
        Ok(Presigned { id, url, max_bytes, expires_at })
    }

    /// What was promised, if the file may be put now.
    pub async fn promised(&self, client: ClientId, id: UploadId) -> Result<UploadPresigned, UploadError> {
        let session = self.of(client, id).await?;
        Ok(session.state().may_receive(self.runtime.clock.now())?.clone())
    }

    /// Records that the file is stored under `object`. Of two requests that put it at once, one is refused.
    pub async fn received(
        &self,
        context: &CommandContext,
        id: UploadId,
        object: &ObjectKey,
        written: Written,
    ) -> Result<(), UploadError> {
        let now = self.runtime.clock.now();
        let (object, sha256) = (object.to_string(), written.sha256_hex());
        let command = UploadCommand::Receive { object, bytes: written.bytes, sha256, now };
        self.session(id).execute(&command, context, None).await?;
        Ok(())
    }

    /// Takes the file for the resource `by`: from now on it stays. Size and type are checked again, and a file that was
    /// put into a bucket directly is hashed. Another client's upload does not exist.
    pub async fn take(
        &self,
        context: &CommandContext,
        id: UploadId,
        by: &str,
    ) -> Result<UploadReceived, UploadError> {
        let session = self.of(context.client, id).await?;
        if session.state().file().is_none() && self.objects.signs() {
            let promised = session.state().presigned().ok_or(UploadRefusal::Unknown)?.clone();
            self.receive_from_bucket(context, id, &promised).await?;
        }
        let mut session = self.session(id);
        let command = UploadCommand::Use { by: by.to_owned(), now: self.runtime.clock.now() };
        session.execute(&command, context, None).await?;
        let file = session.state().file().cloned();
        file.ok_or_else(|| UploadRefusal::NotReceived.into())
    }

    /// What was promised of a file that is there and that no resource took yet. Another client's upload does not exist.
    pub async fn waiting(&self, client: ClientId, id: UploadId) -> Result<UploadPresigned, UploadError> {
        let session = self.of(client, id).await?;
        let promised = session.state().may_be_used()?.clone();
        if session.state().file().is_some() {
            return Ok(promised);
        }
        if !self.objects.signs() {
            return Err(UploadRefusal::NotReceived.into());
        }
        match self.objects.head(&bucket_key(client, id)).await {
            Ok(found) if found.bytes > promised.max_bytes => {
                Err(UploadRefusal::TooLarge { max: promised.max_bytes }.into())
            }
            Ok(_) => Ok(promised),
            Err(ObjectError::Missing) => Err(UploadRefusal::NotReceived.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// What was promised of a file that the resource `by` took; `None` if nobody took it, or another did. Another client's
    /// upload does not exist.
    pub async fn used_by(
        &self,
        client: ClientId,
        id: UploadId,
        by: &str,
    ) -> Result<Option<UploadPresigned>, UploadError> {
        let session = self.of(client, id).await?;
        Ok(session.state().presigned().filter(|_| session.state().is_used_by(by)).cloned())
    }

    /// Removes the file of an upload from the object store, once the resource `by` that took it has a copy of its own. The
    /// file of another resource stays.
    pub async fn discard(&self, client: ClientId, id: UploadId, by: &str) -> Result<(), UploadError> {
        let session = self.of(client, id).await?;
        let file = session.state().file().filter(|_| session.state().is_used_by(by));
        match file.and_then(|file| file.object.parse().ok()) {
            Some(object) => Ok(self.objects.delete(&object).await?),
            None => Ok(()),
        }
    }

    /// Removes the file if nobody used it. Fails while the object store or the log cannot be reached.
    pub(crate) async fn expire(
        &self,
        client: ClientId,
        id: UploadId,
        cause: &Cause,
    ) -> Result<(), UploadError> {
        let context = CommandContext::following("timer", client, cause);
        let mut session = self.of(client, id).await?;
        let object = session.state().file().map(|file| file.object.clone());
        match session.execute(&UploadCommand::Remove { now: self.runtime.clock.now() }, &context, None).await
        {
            Ok(_) => {}
            Err(CommandError::Refused(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        // removed after the event: a file that is used never loses its content
        if let Some(object) = object.and_then(|object| object.parse().ok()) {
            self.objects.delete(&object).await?;
        }
        Ok(self.objects.delete(&bucket_key(client, id)).await?)
    }

    fn session(&self, id: UploadId) -> Session<Upload> {
        Session::new(self.runtime.clone(), id.stream())
    }

    async fn of(&self, client: ClientId, id: UploadId) -> Result<Session<Upload>, UploadError> {
        let mut session = self.session(id);
        session.ensure_loaded().await?;
        match session.client() {
            Some(owner) if owner == client => Ok(session),
            Some(_) => Err(CommandError::OtherClient.into()),
            None => Err(UploadRefusal::Unknown.into()),
        }
    }

    async fn receive_from_bucket(
        &self,
        context: &CommandContext,
        id: UploadId,
        promised: &UploadPresigned,
    ) -> Result<(), UploadError> {
        let key = bucket_key(context.client, id);
        let mut reader = match self.objects.get(&key, None).await {
            Err(ObjectError::Missing) => return Err(UploadRefusal::NotReceived.into()),
            found => found?,
        };
        let size = reader.size();
        if size > promised.max_bytes {
            return Err(UploadRefusal::TooLarge { max: promised.max_bytes }.into());
        }
        let (mut hash, mut head) = (Sha256::new(), Vec::new());
        while let Some(piece) = reader.next().await? {
            let more = media::HEAD.saturating_sub(head.len()).min(piece.len());
            head.extend_from_slice(&piece[..more]);
            hash.update(&piece);
        }
        if size > 0 && !media::may_be(&promised.content_type, &head) {
            return Err(UploadError::OtherType { declared: promised.content_type.clone() });
        }
        self.received(context, id, &key, Written { bytes: size, sha256: hash.finalize().into() }).await
    }
}

/// Where a file is put that goes into a bucket directly.
fn bucket_key(client: ClientId, id: UploadId) -> ObjectKey {
    ObjectKey::of_upload(client, id.0, id.0)
}
