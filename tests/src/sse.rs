//! Server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>), as far as needed.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::contract;

/// An event of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub id: String,
    pub name: String,
    pub data: Value,
}

/// A stream being read.
#[derive(Debug)]
pub struct Stream {
    response: reqwest::Response,
    /// Where the stream is.
    path: String,
    buffer: String,
}

impl Stream {
    /// Reads the body of an answer.
    #[must_use]
    pub fn of(response: reqwest::Response) -> Self {
        let path = response.url().path().to_owned();
        Self { response, path, buffer: String::new() }
    }

    /// The next event, comments left out; `None` at the end of the stream. It is held against the OpenAPI document.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(end) = self.buffer.find("\n\n") {
                let block: String = self.buffer.drain(..end + 2).collect();
                if let Some(event) = read(&block)? {
                    contract::hold_event(&self.path, &event);
                    return Ok(Some(event));
                }
                continue;
            }
            let chunk = tokio::time::timeout(Duration::from_secs(20), self.response.chunk()).await;
            match chunk.context("the stream is silent")?? {
                Some(chunk) => self.buffer.push_str(std::str::from_utf8(&chunk)?),
                None => return Ok(None),
            }
        }
    }
}

fn read(block: &str) -> Result<Option<Event>> {
    let field = |name: &str| {
        let found = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        found.map(str::to_owned)
    };
    let Some(data) = field("data") else { return Ok(None) };
    Ok(Some(Event {
        id: field("id").context("an event without an id")?,
        name: field("event").context("an event without a name")?,
        data: serde_json::from_str(&data)?,
    }))
}
