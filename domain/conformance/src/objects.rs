//! What every store of objects must do.
//!
//! `objects_suite!(fresh)` makes a test of each; `fresh` is an `async fn() -> impl Subject`, with an empty store.

#![expect(clippy::unwrap_used, reason = "a case that does not hold panics, as a test does")]

use std::ops::Range;

use bytes::Bytes;
use domain::ids::ClientId;
use domain::ports::objects::{
    ObjectError, ObjectKey, ObjectLabels, ObjectMeta, ObjectReader, ObjectStore, Written,
};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// A store under test.
pub trait Subject: Send + Sync {
    fn store(&self) -> &dyn ObjectStore;

    /// Bytes after which the store begins to write in parts.
    fn part(&self) -> usize {
        1 << 20
    }
}

const CLIENT: ClientId = ClientId(Uuid::from_u128(0x51));
const OTHER: ClientId = ClientId(Uuid::from_u128(0x52));

fn key(client: ClientId, n: u128) -> ObjectKey {
    ObjectKey::of_recording(client, Uuid::from_u128(7), Uuid::from_u128(n), "mp3")
}

fn labels() -> ObjectLabels {
    ObjectLabels { content_type: "audio/mpeg".to_owned(), file_name: "recording.mp3".to_owned() }
}

fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at * 131 % 251) as u8).collect()
}

async fn put(subject: &impl Subject, key: &ObjectKey, content: &[u8], piece: usize) -> Written {
    let mut writer = subject.store().begin(key, &labels()).await.unwrap();
    for piece in content.chunks(piece) {
        writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    writer.finish().await.unwrap()
}

async fn all(mut reader: Box<dyn ObjectReader>) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(piece) = reader.next().await.unwrap() {
        bytes.extend_from_slice(&piece);
    }
    bytes
}

async fn get(
    subject: &impl Subject,
    key: &ObjectKey,
    range: Option<Range<u64>>,
) -> Result<Vec<u8>, ObjectError> {
    Ok(all(subject.store().get(key, range).await?).await)
}

async fn is_missing(subject: &impl Subject, key: &ObjectKey) -> bool {
    let got = matches!(subject.store().get(key, None).await, Err(ObjectError::Missing));
    let head = matches!(subject.store().head(key).await, Err(ObjectError::Missing));
    assert_eq!(got, head, "reading and looking agree");
    got
}

/// What is written is read back, with its length and hash, whatever its size and the pieces it comes in.
pub async fn content_comes_back(subject: &impl Subject) {
    let part = subject.part();
    for (n, bytes) in [0, 1, 4_097, part - 1, part, part + 1, 2 * part + 5].into_iter().enumerate() {
        let (key, content) = (key(CLIENT, n as u128), content(bytes));
        let written = put(subject, &key, &content, 70_000).await;
        assert_eq!(written, Written { bytes: bytes as u64, sha256: Sha256::digest(&content).into() });
        assert_eq!(
            subject.store().head(&key).await.unwrap(),
            ObjectMeta { key: key.clone(), bytes: bytes as u64 }
        );
        assert!(get(subject, &key, None).await.unwrap() == content, "{bytes} bytes");
    }
}

/// A range is cut to the object's end; one that begins behind it is an error that tells the size.
pub async fn ranges(subject: &impl Subject) {
    let (key, content) = (key(CLIENT, 1), content(10_000));
    put(subject, &key, &content, 10_000).await;
    for range in [0..1, 0..10_000, 9_999..10_000, 5_000..5_100, 9_000..20_000] {
        let reader = subject.store().get(&key, Some(range.clone())).await.unwrap();
        let end = range.end.min(10_000);
        assert_eq!((reader.size(), reader.range()), (10_000, range.start..end), "{range:?}");
        assert_eq!(all(reader).await, content[range.start as usize..end as usize], "{range:?}");
    }
    let behind = get(subject, &key, Some(10_000..10_001)).await;
    assert!(matches!(behind, Err(ObjectError::Range { size: 10_000 })), "{behind:?}");
    let missing = get(subject, &self::key(CLIENT, 2), Some(0..1)).await;
    assert!(matches!(missing, Err(ObjectError::Missing)), "{missing:?}");
}

/// Nothing is there before the end, after an abort, and after a writer was dropped.
pub async fn half_an_object_is_none(subject: &impl Subject) {
    let big = content(subject.part() + 10);
    for (n, ending) in ["abort", "drop"].into_iter().enumerate() {
        let key = key(CLIENT, n as u128);
        let mut writer = subject.store().begin(&key, &labels()).await.unwrap();
        writer.write(Bytes::copy_from_slice(&big)).await.unwrap();
        assert!(is_missing(subject, &key).await, "before its end");
        match ending {
            "abort" => writer.abort().await,
            _ => drop(writer),
        }
        assert!(is_missing(subject, &key).await, "after {ending}");
    }
    assert_eq!(subject.store().list(CLIENT, 10).await.unwrap(), []);
}

/// A finished object takes the place of the one before; until then that one is read.
pub async fn a_finished_object_replaces_the_one_before(subject: &impl Subject) {
    let key = key(CLIENT, 1);
    put(subject, &key, b"first", 5).await;
    let mut writer = subject.store().begin(&key, &labels()).await.unwrap();
    writer.write(Bytes::from_static(b"second")).await.unwrap();
    assert_eq!(get(subject, &key, None).await.unwrap(), b"first");
    writer.finish().await.unwrap();
    assert_eq!(get(subject, &key, None).await.unwrap(), b"second");
}

/// What is deleted is gone; deleting it again, or what never was, is no error.
pub async fn deleted_is_gone(subject: &impl Subject) {
    let key = key(CLIENT, 1);
    put(subject, &key, b"content", 7).await;
    subject.store().delete(&key).await.unwrap();
    assert!(is_missing(subject, &key).await);
    subject.store().delete(&key).await.unwrap();
    subject.store().delete(&self::key(CLIENT, 2)).await.unwrap();
}

/// A list holds the objects of one client, and no more than were asked for.
pub async fn a_list_is_of_one_client(subject: &impl Subject) {
    for n in 1..=3 {
        put(subject, &key(CLIENT, n), &content(n as usize), 5).await;
    }
    put(subject, &key(OTHER, 1), b"other", 5).await;
    let mut listed = subject.store().list(CLIENT, 10).await.unwrap();
    listed.sort_by(|one, other| one.key.cmp(&other.key));
    let expected: Vec<_> = (1..=3).map(|n| ObjectMeta { key: key(CLIENT, n), bytes: n as u64 }).collect();
    assert_eq!(listed, expected);
    assert_eq!(subject.store().list(CLIENT, 2).await.unwrap().len(), 2);
    assert_eq!(subject.store().list(ClientId(Uuid::from_u128(0x53)), 10).await.unwrap(), []);
}

/// Makes a test of every case, in a module of the caller.
#[macro_export]
macro_rules! objects_suite {
    ($fresh:path) => {
        $crate::port_cases! { $fresh, objects:
            content_comes_back,
            ranges,
            half_an_object_is_none,
            a_finished_object_replaces_the_one_before,
            deleted_is_gone,
            a_list_is_of_one_client,
        }
    };
}
