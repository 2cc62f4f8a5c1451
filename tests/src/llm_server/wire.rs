//! Just enough HTTP/1.1.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::{Asked, Reply, Shared, Then, lock};

/// Answers request after request on a connection.
pub(super) async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut buffer = Vec::new();
    while let Some(asked) = read(&mut stream, &mut buffer).await {
        shared.count.fetch_add(1, Ordering::SeqCst);
        let reply = shared.reply(&asked);
        lock(&shared.asked).push(asked);
        match reply {
            Some(reply) => {
                if write(&mut stream, reply, &shared).await.is_none() {
                    return;
                }
            }
            None => return until_gone(&mut stream).await,
        }
    }
}

async fn until_gone(stream: &mut TcpStream) {
    let mut byte = [0; 64];
    while stream.read(&mut byte).await.is_ok_and(|read| read > 0) {}
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Asked> {
    let mut chunk = vec![0; 16 << 10];
    let head_end = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        buffer.extend_from_slice(&chunk[..read]);
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
    let mut lines = head.split("\r\n");
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let header =
        |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let headers: Vec<_> = lines.filter_map(header).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.and_then(|(_, length)| length.parse().ok()).unwrap_or(0);
    while buffer.len() < head_end + 4 + length {
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        buffer.extend_from_slice(&chunk[..read]);
    }
    let body: Vec<u8> = buffer.drain(..head_end + 4 + length).skip(head_end + 4).collect();
    Some(Asked { path, headers, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
}

/// Nothing when the connection is of no more use.
async fn write(stream: &mut TcpStream, reply: Reply, shared: &Shared) -> Option<()> {
    let more: String = reply.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "HTTP/1.1 {} whatever\r\ncontent-type: {}\r\ntransfer-encoding: chunked\r\n{more}\r\n",
        reply.status, reply.content_type
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    let mut due = Instant::now() + shared.pace.first;
    let streamed = reply.content_type == "text/event-stream";
    for piece in &reply.pieces {
        if let (true, Some(held)) = (streamed, &shared.pieces) {
            held.acquire().await.ok()?.forget();
        }
        if streamed && !shared.pace.next.is_zero() {
            tokio::time::sleep_until(due).await;
            due += shared.pace.next;
        }
        let witness = lock(&shared.witness).clone();
        if let (true, Some(witness)) = (streamed, witness) {
            witness(piece);
        }
        let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
        chunk.extend_from_slice(piece);
        chunk.extend_from_slice(b"\r\n");
        stream.write_all(&chunk).await.ok()?;
        stream.flush().await.ok()?;
    }
    match reply.then {
        Then::Ends => stream.write_all(b"0\r\n\r\n").await.ok(),
        Then::BreaksOff => None,
        Then::Hangs => {
            until_gone(stream).await;
            None
        }
    }
}
