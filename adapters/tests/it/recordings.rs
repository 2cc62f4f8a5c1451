//! Fetching recordings from servers that are not there yet, lie, break off or lead elsewhere.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use adapters::ids::RandomIds;
use adapters::objects::{ObjectSecret, Objects, OpeningReader, secret_place};
use adapters::recordings::{FetchLimits, HttpRecordings};
use adapters::webhooks::{Guard, SystemLookup};
use async_trait::async_trait;
use domain::call::StoredFile;
use domain::call::report::FoundRecording;
use domain::call::terms::LostBecause;
use domain::ids::{CallId, ClientId};
use domain::ports::objects::{ObjectKey, ObjectReader as _, ObjectStore};
use domain::ports::recordings::{KeepError, RecordingKeeper as _, RecordingOrder};
use domain::ports::vault::{Sealed, Vault, VaultError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use uuid::Uuid;

const CLIENT: ClientId = ClientId(Uuid::from_u128(1));

/// A vault that seals nothing, and holds every value to its place.
#[derive(Debug)]
pub(crate) struct OpenVault;

#[async_trait]
impl Vault for OpenVault {
    async fn seal(&self, _: ClientId, place: &str, plain: &[u8]) -> Result<Sealed, VaultError> {
        Ok(Sealed { key: Uuid::nil(), bytes: [plain, place.as_bytes()].concat().into() })
    }

    async fn open(&self, _: ClientId, place: &str, sealed: &Sealed) -> Result<Vec<u8>, VaultError> {
        sealed.bytes.strip_suffix(place.as_bytes()).map(<[u8]>::to_vec).ok_or(VaultError::Forged)
    }

    async fn secret(&self, _: &str) -> Result<[u8; 32], VaultError> {
        Ok([0; 32])
    }
}

/// A server that answers each connection with the next of these bytes, and closes it.
pub(crate) struct Storage {
    address: String,
    /// The requests it got, each with its head.
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
}

impl Storage {
    pub(crate) async fn with(answers: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let told = asked.clone();
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                told.lock().unwrap().push(String::from_utf8(head).unwrap());
                // whoever has read enough may be gone
                let _ = stream.write_all(&answer).await;
            }
        });
        Self { address, asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/rec.mp3?sig=x", self.address)
    }
}

pub(crate) fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n").as_bytes(), body].concat()
}

pub(crate) fn whole(body: &[u8]) -> Vec<u8> {
    answer("200 OK", &format!("Content-Length: {}\r\n", body.len()), body)
}

/// A sound file of so many bytes.
fn sound(bytes: usize) -> Vec<u8> {
    let mut file = vec![0xff, 0xfb, 0x10, 0xc4];
    file.resize(bytes.max(4), 0x55);
    file
}

struct Keeper {
    objects: Arc<Objects>,
    keeper: HttpRecordings,
}

impl Keeper {
    fn new(allow_private: bool, carrier: &str) -> Self {
        let objects = Arc::new(Objects::in_memory());
        let guard = Guard::new(allow_private, Arc::new(SystemLookup));
        let limits = FetchLimits {
            max_bytes: 300_000,
            silence: Duration::from_secs(5),
            whole: Duration::from_secs(30),
        };
        let stores = (objects.clone() as Arc<dyn ObjectStore>, Arc::new(OpenVault) as Arc<dyn Vault>);
        let keeper = HttpRecordings::new(guard, carrier, stores, Arc::new(RandomIds), limits).unwrap();
        Self { objects, keeper }
    }

    async fn keep(&self, url: &str) -> Result<StoredFile, KeepError> {
        let found = FoundRecording { url: url.to_owned().into() };
        let (call, effect_id) = (CallId(Uuid::from_u128(2)), Uuid::from_u128(3));
        self.keeper.keep(&RecordingOrder { client: CLIENT, call, effect_id, found }).await
    }

    async fn is_empty(&self) -> bool {
        self.objects.list(CLIENT, 10).await.unwrap().is_empty()
    }
}

fn never(because: LostBecause) -> Result<StoredFile, KeepError> {
    Err(KeepError::Never(because))
}

#[tokio::test]
async fn a_recording_that_takes_its_time_is_stored_encrypted_with_its_size_and_hash() {
    let body = sound(200_000);
    let storage = Storage::with(vec![
        answer("404 Not Found", "Content-Length: 0\r\n", b""),
        answer("425 Too Early", "Content-Length: 0\r\n", b""),
        answer("503 Service Unavailable", "Content-Length: 0\r\n", b""),
        whole(&[]),
        whole(&body),
    ])
    .await;
    let keeper = Keeper::new(true, "https://api.example.test");
    for _ in 0..4 {
        let early = keeper.keep(&storage.url()).await;
        assert!(matches!(early, Err(KeepError::NotYet(_))), "{early:?}");
        assert!(keeper.is_empty().await);
    }
    let file = keeper.keep(&storage.url()).await.unwrap();
    assert_eq!((file.bytes, &*file.content_type), (200_000, "audio/mpeg"));
    let key: ObjectKey = file.object.parse().unwrap();
    assert!(key.is_of(CLIENT) && key.as_str().ends_with(".mp3"));
    let sealed = file.key.unwrap().into_inner().unwrap();
    let secret = OpenVault.open(CLIENT, &secret_place(&key), &sealed).await.unwrap();
    let inner = keeper.objects.get(&key, None).await.unwrap();
    let mut reader = OpeningReader::new(inner, ObjectSecret::from_slice(&secret).unwrap(), None).unwrap();
    let mut read = Vec::new();
    while let Some(piece) = reader.next().await.unwrap() {
        read.extend_from_slice(&piece);
    }
    assert!(read == body);
    use sha2::{Digest as _, Sha256};
    let hash: String = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(file.sha256.reveal(), Some(&hash));
}

#[tokio::test]
async fn half_a_recording_is_none() {
    let cut = answer("200 OK", "Content-Length: 200000\r\n", &sound(100_000));
    let chunked =
        answer("200 OK", "Transfer-Encoding: chunked\r\n", &[&b"10000\r\n"[..], &sound(0x8000)].concat());
    let storage = Storage::with(vec![cut, chunked]).await;
    let keeper = Keeper::new(true, "https://api.example.test");
    for _ in 0..2 {
        let half = keeper.keep(&storage.url()).await;
        assert!(matches!(&half, Err(KeepError::NotYet(why)) if !why.contains("sig")), "{half:?}");
        assert!(keeper.is_empty().await);
    }
}

#[tokio::test]
async fn what_is_too_large_or_no_sound_is_given_up() {
    let declared = answer("200 OK", "Content-Length: 300001\r\n", &sound(10));
    let endless = answer("200 OK", "", &sound(400_000));
    let page = answer("200 OK", "Content-Type: audio/mpeg\r\n", b"<html>sign in to listen</html>");
    let storage = Storage::with(vec![declared, endless, page, answer("402 Payment Required", "", b"")]).await;
    let keeper = Keeper::new(true, "https://api.example.test");
    assert_eq!(keeper.keep(&storage.url()).await, never(LostBecause::TooLarge));
    assert_eq!(keeper.keep(&storage.url()).await, never(LostBecause::TooLarge));
    assert_eq!(keeper.keep(&storage.url()).await, never(LostBecause::NotSound));
    assert_eq!(keeper.keep(&storage.url()).await, never(LostBecause::Refused));
    assert!(keeper.is_empty().await);
}

#[tokio::test]
async fn a_redirect_is_followed_without_credentials_and_not_to_a_private_address() {
    let storage = Storage::with(vec![whole(&sound(100))]).await;
    let door =
        Storage::with(vec![answer("302 Found", &format!("Location: {}\r\n", storage.url()), b"")]).await;
    Keeper::new(true, "https://api.example.test").keep(&door.url()).await.unwrap();
    for request in storage.asked.lock().unwrap().iter().chain(door.asked.lock().unwrap().iter()) {
        assert!(!request.to_lowercase().contains("authorization"), "{request}");
    }
    // the carrier is on this machine, and what it leads to must not be
    let hidden = Storage::with(vec![whole(&sound(100))]).await;
    let door =
        Storage::with(vec![answer("302 Found", &format!("Location: {}\r\n", hidden.url()), b"")]).await;
    let keeper = Keeper::new(false, &format!("http://{}/v2", door.address));
    assert_eq!(keeper.keep(&door.url()).await, never(LostBecause::Unreachable));
    assert_eq!(hidden.asked.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn an_address_that_may_not_be_reached_is_not_asked() {
    let storage = Storage::with(vec![whole(&sound(100))]).await;
    let keeper = Keeper::new(false, "https://api.example.test");
    for url in [
        &*storage.url(),
        "https://169.254.169.254/x",
        "file:///etc/passwd",
        "s3://bucket/rec",
        "",
        "http://u:p@8.8.8.8/",
    ] {
        assert_eq!(keeper.keep(url).await, never(LostBecause::Unreachable), "{url}");
    }
    assert_eq!(storage.asked.lock().unwrap().len(), 0);
    // the carrier that the operator configured may be anywhere
    let known = Keeper::new(false, &format!("http://{}/v2", storage.address));
    known.keep(&storage.url()).await.unwrap();
}
