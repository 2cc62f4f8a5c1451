//! A client's own system that agents use as a tool: it answers by the path it is asked at.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request as it came: the head, and the body.
pub type Used = (String, String);

/// A server of tools. It stops when dropped.
#[derive(Debug)]
pub struct ToolServer {
    /// `http://127.0.0.1:PORT`.
    pub base: String,
    used: Arc<Mutex<Vec<Used>>>,
    task: JoinHandle<()>,
}

impl ToolServer {
    /// `/json` answers JSON, `/html` a page, `/broken` JSON that is none, `/long` 100 KB, `/error` 500,
    /// `/moved` leads elsewhere, `/never` nothing.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}", listener.local_addr()?);
        let used: Arc<Mutex<Vec<Used>>> = Arc::default();
        let all = used.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, all.clone()));
            }
        });
        Ok(Self { base, used, task })
    }

    /// What it was asked.
    #[must_use]
    pub fn used(&self) -> Vec<Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for ToolServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, used: Arc<Mutex<Vec<Used>>>) -> Option<()> {
    let (mut buffer, mut chunk) = (Vec::new(), vec![0; 16 << 10]);
    let (head, body) = loop {
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        buffer.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&buffer).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            break (head.to_owned(), body.to_owned());
        }
    };
    let path = head.split(' ').nth(1)?.split('?').next()?.to_owned();
    used.lock().unwrap_or_else(PoisonError::into_inner).push((head, body));
    let (status, kind, answer) = match path.as_str() {
        "/html" => ("200 OK", "text/html", "<!doctype html><title>Welcome</title>".to_owned()),
        "/broken" => ("200 OK", "application/json", "{\"when\": ".to_owned()),
        "/long" => ("200 OK", "text/plain", "x".repeat(100_000)),
        "/error" => ("500 Oops", "text/plain", "out of order".to_owned()),
        "/moved" => ("302 Found\r\nlocation: /json", "text/plain", String::new()),
        "/never" => {
            while stream.read(&mut chunk).await.is_ok_and(|read| read > 0) {}
            return None;
        }
        _ => ("200 OK", "application/json", "{\"when\":\"tomorrow at ten\"}".to_owned()),
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}",
        answer.len()
    );
    stream.write_all(answer.as_bytes()).await.ok()
}
