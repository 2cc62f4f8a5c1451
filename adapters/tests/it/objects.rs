//! Objects in memory and in a folder; buckets are tested with a real server, in the journeys.

use std::fs;
use std::io;
use std::path::Path as FilePath;
use std::sync::Arc;

use adapters::objects::{Access, Objects, Target};
use async_trait::async_trait;
use bytes::Bytes;
use conformance::objects::Subject;
use domain::ids::ClientId;
use domain::ports::objects::{ObjectError, ObjectKey, ObjectLabels, ObjectStore};
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore as Backend,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use uuid::Uuid;

struct Store {
    objects: Objects,
    _folder: Option<tempfile::TempDir>,
}

impl Subject for Store {
    fn store(&self) -> &dyn ObjectStore {
        &self.objects
    }
}

fn in_folder(folder: &FilePath) -> Objects {
    let access = Access { data_dir: folder.to_owned(), ..Access::default() };
    Target::Folder(None).open(&access).unwrap()
}

fn key(n: u128) -> ObjectKey {
    ObjectKey::of_recording(ClientId(Uuid::from_u128(1)), Uuid::from_u128(2), Uuid::from_u128(n), "mp3")
}

mod memory {
    use super::*;

    async fn fresh() -> Store {
        Store { objects: Objects::in_memory(), _folder: None }
    }

    conformance::objects_suite!(super::fresh);
}

mod folder {
    use super::*;

    async fn fresh() -> Store {
        let folder = tempfile::tempdir().unwrap();
        Store { objects: in_folder(folder.path()), _folder: Some(folder) }
    }

    conformance::objects_suite!(super::fresh);
}

/// What a process that is killed leaves of an object counts as nothing, also after the next start.
#[tokio::test]
async fn what_a_dead_process_leaves_is_no_object() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = in_folder(folder.path()).begin(&key(1), &ObjectLabels::default()).await.unwrap();
    writer.write(Bytes::from(vec![7; 3 << 20])).await.unwrap();
    // nobody drops it: the process is gone
    std::mem::forget(writer);
    let objects = in_folder(folder.path());
    assert!(matches!(objects.head(&key(1)).await, Err(ObjectError::Missing)));
    assert_eq!(objects.list(ClientId(Uuid::from_u128(1)), 10).await.unwrap(), []);
    let again = objects.begin(&key(1), &ObjectLabels::default()).await.unwrap().finish().await.unwrap();
    assert_eq!((again.bytes, objects.head(&key(1)).await.unwrap().bytes), (0, 0));
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_enter_the_folder() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let objects = in_folder(folder.path());
    objects.begin(&key(1), &ObjectLabels::default()).await.unwrap().finish().await.unwrap();
    let mode = fs::metadata(folder.path().join("objects")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
}

/// A disk without room.
#[derive(Debug)]
struct FullDisk(InMemory);

impl std::fmt::Display for FullDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FullDisk")
    }
}

fn full<T>() -> object_store::Result<T> {
    let source = io::Error::from(io::ErrorKind::StorageFull).into();
    Err(object_store::Error::Generic { store: "disk", source })
}

#[async_trait]
impl Backend for FullDisk {
    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> object_store::Result<PutResult> {
        full()
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        full()
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.0.get_opts(path, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.0.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.0.copy_opts(from, to, options).await
    }
}

#[tokio::test]
async fn a_full_disk_is_an_error_of_its_own_and_leaves_nothing() {
    let objects = Objects::on(Arc::new(FullDisk(InMemory::new())));
    let small = objects.begin(&key(1), &ObjectLabels::default()).await.unwrap().finish().await;
    assert!(matches!(small, Err(ObjectError::Full)), "{small:?}");
    let mut writer = objects.begin(&key(1), &ObjectLabels::default()).await.unwrap();
    let large = writer.write(Bytes::from(vec![7; 3 << 20])).await;
    assert!(matches!(large, Err(ObjectError::Full)), "{large:?}");
    writer.abort().await;
    assert!(matches!(objects.head(&key(1)).await, Err(ObjectError::Missing)));
}
