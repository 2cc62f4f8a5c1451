//! The object store in a bucket: a real server that speaks S3, and Amazon's own SDK as the second client.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use adapters::objects::{Access, Objects};
use anyhow::{Context as _, Result};
use bytes::Bytes;
use conformance::objects::{self, Subject};
use domain::ids::ClientId;
use domain::ports::objects::{ObjectKey, ObjectLabels, ObjectStore};
use tests::python;
use uuid::Uuid;

const BUCKET: &str = "voxledger";

struct Bucket(Objects);

impl Subject for Bucket {
    fn store(&self) -> &dyn ObjectStore {
        &self.0
    }

    fn part(&self) -> usize {
        5 << 20
    }
}

/// A store under a prefix of its own.
fn fresh(endpoint: &str) -> Result<Bucket> {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let prefix = format!("suite/{}", NEXT.fetch_add(1, Ordering::Relaxed));
    Ok(Bucket(store(endpoint, &prefix)?))
}

fn store(endpoint: &str, prefix: &str) -> Result<Objects> {
    let access = Access {
        endpoint: Some(endpoint.to_owned()),
        region: Some("eu-central-1".to_owned()),
        key_id: Some("key".to_owned()),
        secret: Some("secret".to_owned()),
        ..Access::default()
    };
    Ok(format!("s3://{BUCKET}/{prefix}").parse::<adapters::objects::Target>()?.open(&access)?)
}

async fn server() -> Result<python::Running> {
    tokio::task::spawn_blocking(|| python::Running::start("s3_server.py", &[BUCKET])).await?
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_does_what_every_object_store_does() -> Result<()> {
    let server = server().await?;
    let bucket = || fresh(&server.told);
    objects::content_comes_back(&bucket()?).await;
    objects::ranges(&bucket()?).await;
    objects::half_an_object_is_none(&bucket()?).await;
    objects::a_finished_object_replaces_the_one_before(&bucket()?).await;
    objects::deleted_is_gone(&bucket()?).await;
    objects::a_list_is_of_one_client(&bucket()?).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn amazons_sdk_reads_what_we_wrote_and_writes_what_we_read() -> Result<()> {
    let server = server().await?;
    let store = store(&server.told, "objects/of/ours")?;
    let (client, call) = (ClientId(Uuid::from_u128(1)), Uuid::from_u128(2));
    let key = |n: u128| ObjectKey::of_recording(client, call, Uuid::from_u128(n), "mp3");
    // more than one part
    let content: Vec<u8> = (0..(9_u32 << 20)).map(|at| (at % 251) as u8).collect();
    let labels = ObjectLabels { content_type: "audio/mpeg".to_owned(), file_name: "call.mp3".to_owned() };
    let mut writer = store.begin(&key(1), &labels).await?;
    for piece in content.chunks(100_000) {
        writer.write(Bytes::copy_from_slice(piece)).await?;
    }
    let written = writer.finish().await?;
    let download = store.download_url(&key(1), Duration::from_secs(300)).await?.context("a signed URL")?.0;
    let upload = store.upload_url(&key(2), Duration::from_secs(300)).await?.context("a signed URL")?.0;
    let place = |n: u128| format!("objects/of/ours/{}", key(n));
    let (endpoint, ours, theirs) = (server.told.clone(), place(1), place(3));
    let sha256 = written.sha256_hex();
    let told = tokio::task::spawn_blocking(move || {
        let arguments = [&*endpoint, BUCKET, &ours, &sha256, &download, &upload, &theirs];
        python::run("s3_objects.py", &arguments)
    });
    assert_eq!(told.await??.trim(), "ok");
    for (n, content) in [(2, &b"uploaded by a signed URL"[..]), (3, b"written by boto3")] {
        let mut reader = store.get(&key(n), None).await?;
        let mut read = Vec::new();
        while let Some(piece) = reader.next().await? {
            read.extend_from_slice(&piece);
        }
        assert_eq!(read, content);
    }
    Ok(())
}
