//! Settings of the object store and of the recordings in it.

use std::num::NonZeroUsize;

use adapters::objects::Target;

use super::Secret;
use super::setting::section;
use super::value::{HttpUrl, Value};

section! {
    /// Where files are kept.
    pub struct ObjectsConfig {
        /// The object store: `file:` in the data folder, `file:PATH`, `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`.
        target: Target = "object_store", "file:";
        /// Base URL of the bucket's service, for those compatible with S3 and for emulators; the vendor's own when not set.
        endpoint: Option<HttpUrl> = "objects.endpoint", "";
        /// Region of an S3 bucket; `us-east-1` when not set.
        region: Option<String> = "objects.region", "";
        /// Access key id of S3, or name of the Azure storage account; without it the machine's own identity is used.
        key_id: Option<String> = "objects.key_id", "";
        /// Secret access key of S3, key of the Azure account, or JSON of a Google service account.
        secret_key: Option<Secret> = "objects.secret_key", "";
    }
}

section! {
    /// How recordings of calls are fetched.
    pub struct RecordingsConfig {
        /// Whether recordings are fetched from the carrier into the object store.
        store: bool = "recordings.store", "true";
        /// Most bytes of a recording; a larger one stays with the carrier.
        max_bytes: NonZeroUsize = "recordings.max_bytes", "536870912";
        /// Recordings fetched at the same time.
        concurrency: NonZeroUsize = "recordings.concurrency", "8";
    }
}

impl Value for Target {
    const ACCEPTS: &'static str =
        "`file:`, `file:PATH`, `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`";
    // an address with credentials in it is refused, and must not be shown then
    const SECRET: bool = true;

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}
