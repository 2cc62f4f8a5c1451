//! Fetches recordings from where the carrier keeps them, over HTTP, into the object store.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::call::StoredFile;
use domain::call::terms::LostBecause;
use domain::media;
use domain::ports::ids::Ids;
use domain::ports::objects::{ObjectError, ObjectKey, ObjectLabels, ObjectStore, ObjectWriter};
use domain::ports::recordings::{KeepError, RecordingKeeper, RecordingOrder};
use domain::ports::vault::Vault;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_LENGTH};
use reqwest::{Client, Response, StatusCode, Url};

use crate::objects::{ObjectSecret, SealingWriter, secret_place};
use crate::trace::{Peer, send};
use crate::webhooks::Guard;

/// Limits of a download.
#[derive(Debug, Clone, Copy)]
pub struct FetchLimits {
    /// Most bytes of a recording.
    pub max_bytes: u64,
    /// Longest pause in the middle of a download.
    pub silence: Duration,
    /// Limit for a whole download.
    pub whole: Duration,
}

impl Default for FetchLimits {
    fn default() -> Self {
        Self { max_bytes: 512 << 20, silence: Duration::from_secs(30), whole: Duration::from_secs(30 * 60) }
    }
}

/// Fetches without any credentials: the address is the secret. It connects, also after redirects, only to addresses
/// that the guard allows, and to the carrier that the operator configured.
#[derive(Debug)]
pub struct HttpRecordings {
    http: Client,
    guard: Guard,
    /// Scheme, host and port of the carrier's API, where the operator set one.
    carrier: Option<Url>,
    objects: Arc<dyn ObjectStore>,
    vault: Arc<dyn Vault>,
    ids: Arc<dyn Ids>,
    limits: FetchLimits,
}

impl HttpRecordings {
    /// A keeper that stores into `objects`, with keys that `vault` seals. `carrier` is the base URL of the carrier's API. Fails when TLS cannot be
    /// set up.
    pub fn new(
        guard: Guard,
        carrier: &str,
        (objects, vault): (Arc<dyn ObjectStore>, Arc<dyn Vault>),
        ids: Arc<dyn Ids>,
        limits: FetchLimits,
    ) -> Result<Self, reqwest::Error> {
        let carrier = Url::parse(carrier).ok();
        let (hops, known) = (guard.clone(), carrier.clone());
        let http = crate::http::guarded(guard.clone(), limits.silence, move |url| {
            may_reach(&hops, known.as_ref(), url)
        })?;
        Ok(Self { http, guard, carrier, objects, vault, ids, limits })
    }

    async fn fetch(&self, order: &RecordingOrder) -> Result<StoredFile, KeepError> {
        let never = |because| Err(KeepError::Never(because));
        let Some(address) = order.found.url.reveal() else { return never(LostBecause::NotRetained) };
        let Ok(url) = Url::parse(address) else { return never(LostBecause::Unreachable) };
        if !may_reach(&self.guard, self.carrier.as_ref(), &url) {
            return never(LostBecause::Unreachable);
        }
        // a compressed body would have another length than it says
        let request = self.http.get(url).header(ACCEPT_ENCODING, "identity");
        let sent = send(request, Peer { name: "recording", template: None }).await;
        let mut response = sent.map_err(|error| not_yet(&error))?;
        judge(response.status())?;
        let length =
            response.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if length.is_some_and(|length: u64| length > self.limits.max_bytes) {
            return never(LostBecause::TooLarge);
        }
        let head = first(&mut response).await?;
        let Some(content_type) = media::sniff(&head).filter(|kind| media::is_sound(kind)) else {
            return match head.is_empty() {
                true => Err(KeepError::NotYet("the recording is still empty".to_owned())),
                false => never(LostBecause::NotSound),
            };
        };
        self.store(order, response, head, content_type).await
    }

    async fn store(
        &self,
        order: &RecordingOrder,
        mut response: Response,
        head: Bytes,
        content_type: &str,
    ) -> Result<StoredFile, KeepError> {
        let extension =
            if content_type == "audio/mpeg" { "mp3" } else { content_type.trim_start_matches("audio/") };
        let object = ObjectKey::of_recording(order.client, order.call.0, order.effect_id, extension);
        let file_name = format!("{}.{extension}", order.call);
        let labels = ObjectLabels { content_type: content_type.to_owned(), file_name };
        let plain = self.objects.begin(&object, &labels).await.map_err(of_store)?;
        // what a bucket's own URL leads to must be readable; all else is encrypted
        let secret = (!self.objects.signs()).then(|| ObjectSecret::new(self.ids.secret()));
        let mut writer: Box<dyn ObjectWriter> = match &secret {
            Some(secret) => Box::new(SealingWriter::new(plain, secret.clone())),
            None => plain,
        };
        match self.copy(&mut response, head, &mut writer).await {
            Ok(()) => {}
            Err(error) => {
                writer.abort().await;
                return Err(error);
            }
        }
        let key = match &secret {
            Some(secret) => {
                let sealed = self.vault.seal(order.client, &secret_place(&object), secret.as_bytes()).await;
                Some(sealed.map_err(|error| KeepError::NotYet(error.to_string()))?.into())
            }
            None => None,
        };
        let written = writer.finish().await.map_err(of_store)?;
        Ok(StoredFile {
            object: object.to_string(),
            bytes: written.bytes,
            sha256: written.sha256_hex().into(),
            content_type: content_type.to_owned(),
            key,
        })
    }

    async fn copy(
        &self,
        response: &mut Response,
        head: Bytes,
        writer: &mut Box<dyn ObjectWriter>,
    ) -> Result<(), KeepError> {
        let mut bytes = 0;
        let mut next = Some(head);
        while let Some(piece) = next {
            bytes += piece.len() as u64;
            if bytes > self.limits.max_bytes {
                return Err(KeepError::Never(LostBecause::TooLarge));
            }
            writer.write(piece).await.map_err(of_store)?;
            next = response.chunk().await.map_err(|error| not_yet(&error))?;
        }
        Ok(())
    }
}

/// Whether a download may go there.
fn may_reach(guard: &Guard, carrier: Option<&Url>, url: &Url) -> bool {
    let carriers = carrier.is_some_and(|carrier| carrier.origin() == url.origin());
    carriers || guard.url(url.as_str()).is_ok()
}

/// The bytes that tell what it is; fewer when the content is shorter.
async fn first(response: &mut Response) -> Result<Bytes, KeepError> {
    let mut head = Bytes::new();
    while head.len() < media::HEAD {
        let Some(piece) = response.chunk().await.map_err(|error| not_yet(&error))? else { break };
        head = if head.is_empty() { piece } else { [&head[..], &piece[..]].concat().into() };
    }
    Ok(head)
}

/// What an answer's status means for the recording.
fn judge(status: StatusCode) -> Result<(), KeepError> {
    match status.as_u16() {
        200 => Ok(()),
        // a redirect that was not followed leads where nothing may be fetched from
        300..=399 => Err(KeepError::Never(LostBecause::Unreachable)),
        // not there yet, too early, an address that has expired, or a server in trouble
        code @ (401 | 403 | 404 | 408 | 409 | 410 | 425 | 429 | 500..) => {
            Err(KeepError::NotYet(format!("the carrier's storage answered {code}")))
        }
        _ => Err(KeepError::Never(LostBecause::Refused)),
    }
}

/// In words that do not repeat the address, which is a secret.
fn not_yet(error: &reqwest::Error) -> KeepError {
    let what = if error.is_timeout() {
        "the carrier's storage did not answer in time"
    } else if error.is_connect() {
        "the carrier's storage cannot be reached"
    } else {
        "the download broke off"
    };
    KeepError::NotYet(what.to_owned())
}

fn of_store(error: ObjectError) -> KeepError {
    KeepError::NotYet(error.to_string())
}

#[async_trait]
impl RecordingKeeper for HttpRecordings {
    async fn keep(&self, order: &RecordingOrder) -> Result<StoredFile, KeepError> {
        let fetched = tokio::time::timeout(self.limits.whole, self.fetch(order)).await;
        fetched.unwrap_or_else(|_| Err(KeepError::NotYet("the download took too long".to_owned())))
    }

    async fn remove(&self, object: &ObjectKey) -> Result<(), ObjectError> {
        self.objects.delete(object).await
    }
}
