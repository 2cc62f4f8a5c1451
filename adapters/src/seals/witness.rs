//! Witnesses, which keep signed checkpoints outside of the node.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::seals::Witness;

/// How long a witness may take to accept a checkpoint.
const PATIENCE: Duration = Duration::from_secs(5);

/// A service that receives every checkpoint by POST, as `text/plain`. The operator configures it, so
/// any address is allowed.
#[derive(Debug, Clone)]
pub struct HttpWitness {
    http: reqwest::Client,
    url: String,
}

impl HttpWitness {
    /// A witness at `url`. Fails when TLS cannot be set up.
    pub fn new(url: &str) -> Result<Self, reqwest::Error> {
        let client = crate::http::client().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none());
        Ok(Self { http: client.build()?, url: url.to_owned() })
    }
}

#[async_trait]
impl Witness for HttpWitness {
    fn name(&self) -> &'static str {
        "http"
    }

    async fn tell(&self, note: &str) -> Result<(), String> {
        let request = self.http.post(&self.url).header("content-type", "text/plain; charset=utf-8");
        // the address may contain a token
        let sent = request.body(note.to_owned()).send().await;
        let status = sent.map_err(|error| error.without_url().to_string())?.status();
        if status.is_success() { Ok(()) } else { Err(format!("it answered {}", status.as_u16())) }
    }
}

/// A file that always holds the newest checkpoint, complete: to be fetched, or kept on write-once storage.
#[derive(Debug, Clone)]
pub struct FileWitness(PathBuf);

impl FileWitness {
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }
}

#[async_trait]
impl Witness for FileWitness {
    fn name(&self) -> &'static str {
        "file"
    }

    async fn tell(&self, note: &str) -> Result<(), String> {
        let (path, note) = (self.0.clone(), note.to_owned());
        let written = tokio::task::spawn_blocking(move || replace(&path, note.as_bytes())).await;
        written.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }
}

/// Replaces the file atomically: a reader sees the old text or the new one, never a part.
fn replace(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut file = std::fs::File::create(&beside)?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}
