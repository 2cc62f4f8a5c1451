//! A file that somebody may upload: promised by a signed URL, received once, used by a resource or removed.

use chrono::TimeDelta;
use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};

use crate::aggregate::Aggregate;
use crate::envelope::Time;
use crate::wire::events;

/// How long a file waits for somebody to use it.
pub const UNUSED_FOR: TimeDelta = TimeDelta::hours(24);
/// Most characters of a declared MIME type.
const LONGEST_TYPE: usize = 100;

events! {
    pub enum UploadEvent {
        /// Somebody got a URL to put the file at.
        Presigned(UploadPresigned) = "upload.presigned" v 1,
        /// The file is in the object store.
        Received(UploadReceived) = "upload.received" v 1,
        /// A resource took the file.
        Used(UploadUsed) = "upload.used" v 1,
        /// Nobody used it in time, and its file is gone.
        Removed(UploadRemoved) = "upload.removed" v 1,
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadPresigned {
    /// MIME type of the file, as declared.
    pub content_type: String,
    /// Most bytes that are taken.
    pub max_bytes: u64,
    /// When the URL ceases to work.
    #[serde(with = "micros")]
    pub expires_at: Time,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadReceived {
    /// Key of the object.
    pub object: String,
    pub bytes: u64,
    /// SHA-256 of the content in hexadecimal.
    pub sha256: String,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadUsed {
    /// The resource that took it, as its TypeID; after a space what of it.
    pub by: String,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadRemoved {
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone)]
pub enum UploadCommand {
    /// Promise a URL for one file.
    Presign { content_type: String, max_bytes: u64, expires_at: Time, now: Time },
    /// The file was stored.
    Receive { object: String, bytes: u64, sha256: String, now: Time },
    /// A resource takes the file.
    Use { by: String, now: Time },
    /// The time of an unused file is over.
    Remove { now: Time },
}

/// Why an upload refuses a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UploadRefusal {
    #[error("there is no such upload")]
    Unknown,
    #[error("the upload exists already")]
    Exists,
    #[error("the type must be like audio/mpeg, in at most 100 characters")]
    BadType,
    #[error("a file has at least one byte")]
    Empty,
    #[error("the file has more than {max} bytes")]
    TooLarge { max: u64 },
    #[error("the URL has expired; ask for a new one")]
    Expired,
    #[error("the file was uploaded already; ask for a new URL")]
    Received,
    #[error("the file was not uploaded yet")]
    NotReceived,
    #[error("the file is used already")]
    Used,
    #[error("the file was removed, because nobody used it in time")]
    Removed,
}

/// State of an upload, folded from its events.
#[derive(Debug, Clone, Default)]
pub struct Upload {
    presigned: Option<UploadPresigned>,
    received: Option<UploadReceived>,
    used: Option<UploadUsed>,
    removed: bool,
}

impl Upload {
    /// What was promised; `None` when there is no such upload.
    #[must_use]
    pub fn presigned(&self) -> Option<&UploadPresigned> {
        self.presigned.as_ref()
    }

    /// The file; `None` until it was uploaded, and after it was removed.
    #[must_use]
    pub fn file(&self) -> Option<&UploadReceived> {
        self.received.as_ref().filter(|_| !self.removed)
    }

    /// Whether a resource took the file.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.used.is_some()
    }

    /// Whether this resource took the file, for whatever of it. `by` is its TypeID.
    #[must_use]
    pub fn is_used_by(&self, by: &str) -> bool {
        self.used.as_ref().is_some_and(|used| used.by.split(' ').next() == Some(by))
    }

    /// Whether a resource may take the file once it is uploaded. Fails with the rule that forbids it.
    pub fn may_be_used(&self) -> Result<&UploadPresigned, UploadRefusal> {
        let presigned = self.live()?;
        if self.is_used() { Err(UploadRefusal::Used) } else { Ok(presigned) }
    }

    /// Whether the file may be put at `now`. Fails with the rule that forbids it.
    pub fn may_receive(&self, now: Time) -> Result<&UploadPresigned, UploadRefusal> {
        let presigned = self.live()?;
        if self.received.is_some() {
            return Err(UploadRefusal::Received);
        }
        if now >= presigned.expires_at { Err(UploadRefusal::Expired) } else { Ok(presigned) }
    }

    fn live(&self) -> Result<&UploadPresigned, UploadRefusal> {
        let presigned = self.presigned.as_ref().ok_or(UploadRefusal::Unknown)?;
        if self.removed { Err(UploadRefusal::Removed) } else { Ok(presigned) }
    }
}

fn is_type(text: &str) -> bool {
    let word = |word: &str| {
        let known = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'+' | b'.' | b'_');
        !word.is_empty() && word.bytes().all(known)
    };
    text.len() <= LONGEST_TYPE && text.split_once('/').is_some_and(|(kind, of)| word(kind) && word(of))
}

impl Aggregate for Upload {
    const CATEGORY: &'static str = crate::ids::UploadId::CATEGORY;
    type Command = UploadCommand;
    type Event = UploadEvent;
    type Refusal = UploadRefusal;

    fn decide(&self, command: &UploadCommand) -> Result<Vec<UploadEvent>, UploadRefusal> {
        match command {
            UploadCommand::Presign { .. } if self.presigned.is_some() => Err(UploadRefusal::Exists),
            UploadCommand::Presign { content_type, .. } if !is_type(content_type) => {
                Err(UploadRefusal::BadType)
            }
            UploadCommand::Presign { max_bytes: 0, .. } => Err(UploadRefusal::Empty),
            UploadCommand::Presign { content_type, max_bytes, expires_at, now } => Ok(vec![
                UploadPresigned {
                    content_type: content_type.clone(),
                    max_bytes: *max_bytes,
                    expires_at: *expires_at,
                    at: *now,
                }
                .into(),
            ]),
            UploadCommand::Receive { object, bytes, sha256, now } => {
                // a file whose URL expired while its bytes came is taken
                let presigned = self.live()?;
                if self.received.is_some() {
                    return Err(UploadRefusal::Received);
                }
                if *bytes == 0 {
                    return Err(UploadRefusal::Empty);
                }
                if *bytes > presigned.max_bytes {
                    return Err(UploadRefusal::TooLarge { max: presigned.max_bytes });
                }
                let (object, sha256) = (object.clone(), sha256.clone());
                Ok(vec![UploadReceived { object, bytes: *bytes, sha256, at: *now }.into()])
            }
            UploadCommand::Use { by, now } => {
                self.live()?;
                match &self.used {
                    _ if self.received.is_none() => Err(UploadRefusal::NotReceived),
                    Some(used) if used.by == *by => Ok(vec![]),
                    Some(_) => Err(UploadRefusal::Used),
                    None => Ok(vec![UploadUsed { by: by.clone(), at: *now }.into()]),
                }
            }
            UploadCommand::Remove { now } => match self.live() {
                Err(UploadRefusal::Removed) => Ok(vec![]),
                Err(refusal) => Err(refusal),
                Ok(_) if self.used.is_some() => Err(UploadRefusal::Used),
                Ok(_) => Ok(vec![UploadRemoved { at: *now }.into()]),
            },
        }
    }

    fn evolve(&mut self, event: &UploadEvent) {
        match event {
            UploadEvent::Presigned(presigned) => self.presigned = Some(presigned.clone()),
            UploadEvent::Received(received) => self.received = Some(received.clone()),
            UploadEvent::Used(used) => self.used = Some(used.clone()),
            UploadEvent::Removed(_) => self.removed = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::calls::at;
    use crate::testing::scenario::{Scenario, scenario};

    fn presign(content_type: &str, max_bytes: u64) -> UploadCommand {
        UploadCommand::Presign {
            content_type: content_type.to_owned(),
            max_bytes,
            expires_at: at(900),
            now: at(0),
        }
    }

    fn receive(bytes: u64) -> UploadCommand {
        UploadCommand::Receive { object: "a".to_owned(), bytes, sha256: "0".repeat(64), now: at(5) }
    }

    fn used_by(by: &str) -> UploadCommand {
        UploadCommand::Use { by: by.to_owned(), now: at(9) }
    }

    fn promised() -> Scenario<Upload> {
        scenario::<Upload>().after([presign("audio/mpeg", 100)])
    }

    #[test]
    fn an_upload_is_promised_with_a_type_and_a_size() {
        for bad in ["", "audio", "audio/", "a/b/c", "audio/mp eg", &format!("a/{}", "x".repeat(100))] {
            scenario::<Upload>().when(presign(bad, 1)).then_refused(UploadRefusal::BadType);
        }
        scenario::<Upload>().when(presign("audio/mpeg", 0)).then_refused(UploadRefusal::Empty);
        promised().when(presign("audio/mpeg", 1)).then_refused(UploadRefusal::Exists);
    }

    #[test]
    fn a_file_is_received_once_and_within_its_size() {
        promised().when(receive(0)).then_refused(UploadRefusal::Empty);
        promised().when(receive(101)).then_refused(UploadRefusal::TooLarge { max: 100 });
        promised().after([receive(100)]).when(receive(100)).then_refused(UploadRefusal::Received);
        scenario::<Upload>().when(receive(1)).then_refused(UploadRefusal::Unknown);
        assert_eq!(promised().state().may_receive(at(900)), Err(UploadRefusal::Expired));
        assert!(promised().state().may_receive(at(899)).is_ok());
    }

    #[test]
    fn a_file_is_used_by_one_resource() {
        promised().when(used_by("voice_1")).then_refused(UploadRefusal::NotReceived);
        let used = promised().after([receive(5), used_by("voice_1")]);
        used.clone().when(used_by("voice_1")).then([]);
        assert!(used.state().is_used_by("voice_1") && !used.state().is_used_by("voice"));
        let content = promised().after([receive(5), used_by("doc_1 2")]);
        assert!(content.state().is_used_by("doc_1") && !content.state().is_used_by("doc_12"));
        used.clone().when(used_by("voice_2")).then_refused(UploadRefusal::Used);
        used.when(UploadCommand::Remove { now: at(90_000) }).then_refused(UploadRefusal::Used);
    }

    #[test]
    fn a_file_that_nobody_used_is_removed_and_stays_so() {
        let remove = UploadCommand::Remove { now: at(90_000) };
        let gone = promised().after([receive(5), remove.clone()]);
        assert!(gone.state().file().is_none());
        gone.clone().when(remove).then([]);
        gone.clone().when(used_by("voice_1")).then_refused(UploadRefusal::Removed);
        gone.when(receive(5)).then_refused(UploadRefusal::Removed);
    }
}
