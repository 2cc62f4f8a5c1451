//! Fetches documents of the web, from where the guard allows.

use std::time::Duration;

use domain::knowledge::DocumentFault;
use domain::ports::documents::ReadError;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Client, Response, StatusCode};

use crate::trace::{Peer, send};
use crate::webhooks::Guard;

/// What the node asks for.
const ACCEPTED: &str = "text/html, application/pdf, text/markdown, text/plain, text/csv, \
    application/vnd.openxmlformats-officedocument.wordprocessingml.document;q=0.9, */*;q=0.1";

/// Fetches without credentials, and connects, also after redirects, only to addresses that the guard allows.
#[derive(Debug)]
pub(super) struct Web {
    http: Client,
    guard: Guard,
}

impl Web {
    /// `silence` is the longest pause in the middle of a document. Fails when TLS cannot be set up.
    pub(super) fn new(guard: Guard, silence: Duration) -> Result<Self, reqwest::Error> {
        let hops = guard.clone();
        let may_reach = move |url: &reqwest::Url| hops.url(url.as_str()).is_ok();
        let http = crate::http::guarded(guard.clone(), silence, may_reach)?;
        Ok(Self { http, guard })
    }

    /// Begins to fetch a document of at most so many bytes. Answers also the type that the server declares.
    pub(super) async fn open(&self, address: &str, max_bytes: u64) -> Result<(Response, String), ReadError> {
        let url = self.guard.url(address).map_err(|_| ReadError::Never(DocumentFault::Unreachable))?;
        // a compressed body would have another length than it says, and could unpack to any
        let request = self.http.get(url).header(ACCEPT, ACCEPTED).header(ACCEPT_ENCODING, "identity");
        let sent = send(request, Peer { name: "document", template: None }).await;
        let response = sent.map_err(|error| self.fault(&error))?;
        judge(response.status())?;
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let length = header(CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
        if length.is_some_and(|length| length > max_bytes) {
            return Err(ReadError::Never(DocumentFault::TooLarge));
        }
        let declared = header(CONTENT_TYPE).unwrap_or_default().to_owned();
        Ok((response, declared))
    }

    /// In words that do not repeat the address, which may hold a secret.
    pub(super) fn fault(&self, error: &reqwest::Error) -> ReadError {
        if crate::webhooks::is_blocked(error) {
            return ReadError::Never(DocumentFault::Unreachable);
        }
        let what = if error.is_timeout() {
            "the server did not answer in time"
        } else if error.is_connect() {
            "the server cannot be reached"
        } else {
            "the download broke off"
        };
        ReadError::NotYet(what.to_owned())
    }
}

/// What an answer's status means for the document.
fn judge(status: StatusCode) -> Result<(), ReadError> {
    match status.as_u16() {
        200 | 203 => Ok(()),
        // a redirect that was not followed leads where nothing may be fetched from
        300..=399 => Err(ReadError::Never(DocumentFault::Unreachable)),
        code @ (408 | 425 | 429 | 500..) => Err(ReadError::NotYet(format!("the server answered {code}"))),
        _ => Err(ReadError::Never(DocumentFault::NotServed)),
    }
}
