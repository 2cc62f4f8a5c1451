//! The address of an object store, and the access to it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::{ClientOptions, RetryConfig};

use super::store::Objects;
use crate::files::create_private_folder;

/// Limit for a request to a bucket; a part of an object has at most 5 MiB.
const TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A request to a bucket is repeated within this time; after it, whoever asked decides.
const RETRIES: Duration = Duration::from_secs(20);

/// Address of an object store. It never holds credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A folder; `None` for `objects` in the data folder.
    Folder(Option<PathBuf>),
    S3 {
        bucket: String,
        prefix: String,
    },
    GoogleCloud {
        bucket: String,
        prefix: String,
    },
    /// The account is part of the [`Access`].
    Azure {
        container: String,
        prefix: String,
    },
}

/// The text is no address of an object store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("give `file:`, `file:PATH`, `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`")]
pub struct BadTarget;

impl FromStr for Target {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        if let Some(path) = text.strip_prefix("file:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return Ok(Self::Folder((!path.is_empty()).then(|| path.into())));
        }
        let (scheme, rest) = text.split_once("://").ok_or(BadTarget)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let (bucket, prefix) = (bucket.to_owned(), prefix.trim_matches('/').to_owned());
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
        let clean = !bucket.is_empty() && bucket.chars().chain(prefix.chars()).all(fine);
        if !clean || prefix.split('/').any(|word| word == ".." || word == ".") || prefix.contains("//") {
            return Err(BadTarget);
        }
        match scheme {
            "s3" => Ok(Self::S3 { bucket, prefix }),
            "gs" => Ok(Self::GoogleCloud { bucket, prefix }),
            "az" => Ok(Self::Azure { container: bucket, prefix }),
            _ => Err(BadTarget),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slash = |prefix: &str| if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
        match self {
            Self::Folder(None) => f.write_str("file:"),
            Self::Folder(Some(path)) => write!(f, "file:{}", path.display()),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}{}", slash(prefix)),
            Self::GoogleCloud { bucket, prefix } => write!(f, "gs://{bucket}{}", slash(prefix)),
            Self::Azure { container, prefix } => write!(f, "az://{container}{}", slash(prefix)),
        }
    }
}

/// How a bucket is reached. Without credentials the machine's own identity is used, where the cloud gives it one.
/// `Debug` hides the secrets.
#[derive(Clone, Default)]
pub struct Access {
    /// Base URL of the service, for those compatible with S3 and for emulators; `None` is the vendor's own.
    pub endpoint: Option<String>,
    /// Region of an S3 bucket.
    pub region: Option<String>,
    /// S3: access key id. Azure: name of the storage account.
    pub key_id: Option<String>,
    /// S3: secret access key. Azure: key of the account. Google: the JSON of a service account.
    pub secret: Option<String>,
    /// Folder of the node's data, for a folder without a path.
    pub data_dir: PathBuf,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("region", &self.region).finish_non_exhaustive()
    }
}

impl Target {
    /// Opens the store; nothing is asked of a bucket yet. Fails when the folder cannot be made, or a setting cannot be
    /// used. No error repeats a credential.
    pub fn open(&self, access: &Access) -> Result<Objects, object_store::Error> {
        match self {
            Self::Folder(path) => folder(path.clone().unwrap_or_else(|| access.data_dir.join("objects"))),
            Self::S3 { bucket, prefix } => s3(bucket, prefix, access),
            Self::GoogleCloud { bucket, prefix } => google(bucket, prefix, access),
            Self::Azure { container, prefix } => azure(container, prefix, access),
        }
    }
}

fn folder(path: PathBuf) -> Result<Objects, object_store::Error> {
    let generic =
        |error: std::io::Error| object_store::Error::Generic { store: "folder", source: error.into() };
    create_private_folder(&path).map_err(generic)?;
    let folder = LocalFileSystem::new_with_prefix(path)?.with_fsync(true).with_automatic_cleanup(true);
    Ok(Objects::in_folder(Arc::new(folder)))
}

/// Options of the HTTP client, for which *ring* must be the process's TLS provider.
fn client(access: &Access) -> ClientOptions {
    crate::http::use_ring();
    let plain = access.endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://"));
    ClientOptions::new().with_timeout(TIMEOUT).with_connect_timeout(CONNECT_TIMEOUT).with_allow_http(plain)
}

fn retries() -> RetryConfig {
    RetryConfig { max_retries: 3, retry_timeout: RETRIES, ..RetryConfig::default() }
}

fn s3(bucket: &str, prefix: &str, access: &Access) -> Result<Objects, object_store::Error> {
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(access.region.as_deref().unwrap_or("us-east-1"))
        .with_client_options(client(access))
        .with_retry(retries());
    if let Some(endpoint) = &access.endpoint {
        let plain = endpoint.starts_with("http://");
        builder = builder.with_endpoint(endpoint).with_allow_http(plain);
    }
    if let (Some(id), Some(secret)) = (&access.key_id, &access.secret) {
        builder = builder.with_access_key_id(id).with_secret_access_key(secret);
    }
    let store = Arc::new(builder.build()?);
    Ok(Objects::in_bucket(store.clone(), store, prefix))
}

fn google(bucket: &str, prefix: &str, access: &Access) -> Result<Objects, object_store::Error> {
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(bucket)
        .with_client_options(client(access))
        .with_retry(retries());
    if let Some(endpoint) = &access.endpoint {
        builder = builder.with_base_url(endpoint);
    }
    if let Some(secret) = &access.secret {
        builder = builder.with_service_account_key(secret);
    }
    let store = Arc::new(builder.build()?);
    Ok(Objects::in_bucket(store.clone(), store, prefix))
}

fn azure(container: &str, prefix: &str, access: &Access) -> Result<Objects, object_store::Error> {
    let mut builder = MicrosoftAzureBuilder::new()
        .with_container_name(container)
        .with_client_options(client(access))
        .with_retry(retries());
    if let Some(endpoint) = &access.endpoint {
        builder = builder.with_endpoint(endpoint.clone()).with_allow_http(endpoint.starts_with("http://"));
    }
    if let Some(account) = &access.key_id {
        builder = builder.with_account(account);
    }
    if let Some(secret) = &access.secret {
        builder = builder.with_access_key(secret);
    }
    let store = Arc::new(builder.build()?);
    Ok(Objects::in_bucket(store.clone(), store, prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_folder_or_a_bucket_and_nothing_else() {
        assert_eq!("file:".parse(), Ok(Target::Folder(None)));
        assert_eq!("file:///srv/objects".parse(), Ok(Target::Folder(Some("/srv/objects".into()))));
        let bucket = Target::S3 { bucket: "b".to_owned(), prefix: "a/c".to_owned() };
        assert_eq!("s3://b/a/c/".parse(), Ok(bucket.clone()));
        for shown in ["file:", "file:/x", "s3://b/a/c", "gs://b", "az://c/p"] {
            assert_eq!(shown.parse::<Target>().unwrap().to_string(), shown);
        }
        let bad = [
            "",
            "s3://",
            "s3:b",
            "ftp://b",
            "s3://key:secret@b/p",
            "s3://b/../c",
            "s3://b/a//c",
            "s3://b?x=1",
        ];
        for bad in bad {
            assert_eq!(bad.parse::<Target>(), Err(BadTarget), "{bad}");
        }
    }

    #[test]
    fn access_shows_no_secret() {
        let access = Access {
            key_id: Some("AKIAHUNTER2".to_owned()),
            secret: Some("hunter2".to_owned()),
            endpoint: Some("https://hunter2.example".to_owned()),
            ..Access::default()
        };
        assert!(!format!("{access:?}").to_lowercase().contains("hunter2"));
        let store = "s3://b".parse::<Target>().unwrap().open(&access).unwrap();
        assert!(!format!("{store:?}").to_lowercase().contains("hunter2"));
    }
}
