//! A receiver of webhooks on this machine: just enough HTTP to take what is sent, and to answer as it is told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

#[derive(Debug, Clone)]
pub struct Received {
    /// The path it was sent to.
    pub path: String,
    /// Headers, with their names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Received {
    /// A header; empty when it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    #[must_use]
    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).context("the body is no JSON")
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answers {
    /// With this status, and these headers as they go over the wire.
    Status(u16, &'static str),
    /// With 200 and what was sent.
    Echo,
    Never,
}

type Decide = Box<dyn Fn(&Received) -> Answers + Send + Sync>;

struct Shared {
    decide: Decide,
    kept: Option<Mutex<Vec<Received>>>,
    count: AtomicU64,
}

/// A receiver. It stops when dropped.
pub struct Receiver {
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Receiver {
    /// A receiver that keeps what it gets and answers as `decide` says.
    pub async fn start(decide: impl Fn(&Received) -> Answers + Send + Sync + 'static) -> Result<Self> {
        Self::with(Box::new(decide), Some(Mutex::default())).await
    }

    /// A receiver that only counts: for measuring.
    pub async fn counting(decide: impl Fn(&Received) -> Answers + Send + Sync + 'static) -> Result<Self> {
        Self::with(Box::new(decide), None).await
    }

    async fn with(decide: Decide, kept: Option<Mutex<Vec<Received>>>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared { decide, kept, count: AtomicU64::new(0) });
        let all = shared.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                tokio::spawn(serve(stream, all.clone()));
            }
        });
        Ok(Self { url, shared, task })
    }

    /// Everything received so far.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        let kept = self.shared.kept.as_ref();
        kept.map(|kept| kept.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap_or_default()
    }

    /// What was sent to a path.
    #[must_use]
    pub fn at(&self, path: &str) -> Vec<Received> {
        self.received().into_iter().filter(|received| received.path == path).collect()
    }

    /// How many requests there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.shared.count.load(Ordering::Relaxed)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut buffer = Vec::with_capacity(8 << 10);
    loop {
        let Some(received) = next(&mut stream, &mut buffer).await else { return };
        shared.count.fetch_add(1, Ordering::Relaxed);
        let answer = (shared.decide)(&received);
        let body = if answer == Answers::Echo { received.body.clone() } else { Vec::new() };
        if let Some(kept) = &shared.kept {
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(received);
        }
        match answer {
            Answers::Status(status, headers) => {
                let text = format!("HTTP/1.1 {status} x\r\n{headers}content-length: 2\r\n\r\nok");
                if stream.write_all(text.as_bytes()).await.is_err() {
                    return;
                }
            }
            Answers::Echo => {
                let head = format!("HTTP/1.1 200 x\r\ncontent-length: {}\r\n\r\n", body.len());
                if stream.write_all(&[head.as_bytes(), &body].concat()).await.is_err() {
                    return;
                }
            }
            // until the other side has had enough
            Answers::Never => while stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {},
        }
    }
}

/// The next request of a connection.
async fn next(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Received> {
    loop {
        if let Some((received, used)) = parse(buffer) {
            buffer.drain(..used);
            return Some(received);
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

fn parse(buffer: &[u8]) -> Option<(Received, usize)> {
    let head = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let text = std::str::from_utf8(&buffer[..head]).ok()?;
    let mut lines = text.split("\r\n");
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let end = head + 4 + length;
    let body = buffer.get(head + 4..end)?.to_vec();
    Some((Received { path, headers, body }, end))
}
