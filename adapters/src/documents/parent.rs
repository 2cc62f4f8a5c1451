//! Starts the child process, gives it the document, and reads its answer, within limits of its own.

use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use domain::knowledge::DocumentFault;
use domain::ports::documents::{DocumentText, ReadError};
use domain::ports::objects::ObjectReader;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

use super::child::{COMMAND, Line};
use super::parse::MAX_TEXT;

/// Most bytes of a child's answer: escaped text, and a frame around each block.
const MAX_ANSWER: u64 = 4 * MAX_TEXT as u64;

/// A child gets so many times its limit of work by the clock: it comes last on a busy node, and a store may be slow.
const CLOCK: u32 = 4;

/// Limits of a child.
#[derive(Debug, Clone, Copy)]
pub struct ParserLimits {
    /// Most bytes of address space, the program's own included.
    pub memory: u64,
    /// Most processor time for a document.
    pub time: Duration,
}

impl Default for ParserLimits {
    fn default() -> Self {
        Self { memory: 1 << 30, time: Duration::from_secs(60) }
    }
}

/// Reads documents in child processes of a program that knows the [`COMMAND`].
#[derive(Debug, Clone)]
pub struct ChildParser {
    program: OsString,
    limits: ParserLimits,
}

impl ChildParser {
    /// A parser that starts `program`.
    pub fn new(program: impl Into<OsString>, limits: ParserLimits) -> Self {
        Self { program: program.into(), limits }
    }

    /// The running program itself, also after its file was replaced by a newer version.
    #[must_use]
    pub fn this_program() -> OsString {
        let own = "/proc/self/exe";
        if std::path::Path::new(own).exists() {
            return own.into();
        }
        std::env::current_exe().map_or_else(|_| "voxledger".into(), Into::into)
    }

    /// Reads a document, and says its MIME type by the content.
    pub(super) async fn read(
        &self,
        content: &mut dyn ObjectReader,
        declared: &str,
    ) -> Result<(String, DocumentText), ReadError> {
        let mut child = self.start(declared)?;
        let within = self.limits.time.saturating_mul(CLOCK);
        let spoken = tokio::time::timeout(within, talk(&mut child, content)).await;
        let answer = match spoken {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                let _ = child.start_kill();
                return Err(error);
            }
            Err(_) => {
                let _ = child.start_kill();
                // it did not work as long as it may: the node is busy, or the store is slow
                return Err(ReadError::NotYet("the document was not read in time".to_owned()));
            }
        };
        if let Some(done) = answer {
            return done;
        }
        let ended = tokio::time::timeout(within, child.wait()).await;
        let ended = ended.map_err(|error| not_yet("wait for", &error))?;
        Err(why_ended(ended.map_err(|error| not_yet("wait for", &error))?))
    }

    fn start(&self, declared: &str) -> Result<Child, ReadError> {
        let seconds = self.limits.time.as_secs().max(1).to_string();
        let started = Command::new(&self.program)
            .arg(COMMAND)
            .arg(format!("--declared={declared}"))
            .arg(format!("--memory={}", self.limits.memory))
            .arg(format!("--seconds={seconds}"))
            .env_clear()
            // mimalloc would reserve 1 GiB before the child can set its limit, and serve it memory from there beyond any limit
            .env("MIMALLOC_ARENA_RESERVE", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        started.map_err(|error| not_yet("start", &error))
    }
}

/// Why a child said nothing to the end.
fn why_ended(ended: ExitStatus) -> ReadError {
    match (ended.code(), signal(ended)) {
        (Some(code), _) => ReadError::NotYet(format!("the reader of documents ended with code {code}")),
        // the document did not do that: the node has no memory left, or somebody ended it
        (None, Some(KILLED | TOLD)) => ReadError::NotYet("the reader of documents was killed".to_owned()),
        // too much work, or more memory than it may have
        (None, _) => ReadError::Never(DocumentFault::TooMuchWork),
    }
}

/// The signal SIGKILL, which nobody can catch.
const KILLED: i32 = 9;
/// The signal SIGTERM, by which a process is told to end.
const TOLD: i32 = 15;

#[cfg(unix)]
fn signal(ended: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&ended)
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<i32> {
    None
}

type Answer = Result<(String, DocumentText), ReadError>;

fn not_yet(what: &str, error: &dyn std::fmt::Display) -> ReadError {
    ReadError::NotYet(format!("cannot {what} the reader of documents: {error}"))
}

/// Gives the child the content and reads its lines; `None` when it ended without a last one.
async fn talk(child: &mut Child, content: &mut dyn ObjectReader) -> Result<Option<Answer>, ReadError> {
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(ReadError::NotYet("the reader of documents has no pipes".to_owned()));
    };
    let give = async {
        while let Some(piece) = content.next().await.map_err(|error| ReadError::NotYet(error.to_string()))? {
            // a child that has ended says why, or its end does
            if input.write_all(&piece).await.is_err() {
                break;
            }
        }
        drop(input);
        Ok::<(), ReadError>(())
    };
    let take = async {
        let mut lines = BufReader::new(output.take(MAX_ANSWER)).lines();
        let mut blocks = Vec::new();
        // a line that cannot be read is one that a library printed
        while let Ok(Some(line)) = lines.next_line().await {
            match serde_json::from_str(&line) {
                Ok(Line::Block(block)) => blocks.push(block),
                Ok(Line::Done { content_type, pages }) => {
                    return Some(Ok((content_type, DocumentText { blocks, pages })));
                }
                Ok(Line::Fault(fault)) => return Some(Err(ReadError::Never(fault))),
                Err(_) => {}
            }
        }
        None
    };
    let (given, taken) = tokio::join!(give, take);
    given?;
    Ok(taken)
}

#[cfg(all(test, unix))]
mod tests {
    use std::ops::Range;
    use std::os::unix::process::ExitStatusExt as _;

    use async_trait::async_trait;
    use bytes::Bytes;
    use domain::ports::objects::ObjectError;

    use super::*;

    #[test]
    fn only_what_the_document_did_is_final() {
        let never = ReadError::Never(DocumentFault::TooMuchWork);
        // SIGXCPU, SIGABRT after an allocation that failed, SIGSEGV
        for signal in [24, 6, 11] {
            assert_eq!(why_ended(ExitStatus::from_raw(signal)), never, "{signal}");
        }
        for outside in [KILLED, TOLD, 1 << 8] {
            assert!(matches!(why_ended(ExitStatus::from_raw(outside)), ReadError::NotYet(_)), "{outside}");
        }
    }

    /// A store that never answers.
    #[derive(Debug)]
    struct Silent;

    #[async_trait]
    impl ObjectReader for Silent {
        fn size(&self) -> u64 {
            1
        }

        fn range(&self) -> Range<u64> {
            0..1
        }

        async fn next(&mut self) -> Result<Option<Bytes>, ObjectError> {
            std::future::pending().await
        }
    }

    #[tokio::test]
    async fn a_store_that_is_slow_is_asked_again() {
        let limits = ParserLimits { time: Duration::from_millis(1), ..ParserLimits::default() };
        // says something that is no answer, for ever
        let read = ChildParser::new("yes", limits).read(&mut Silent, "text/plain").await;
        assert!(matches!(read, Err(ReadError::NotYet(_))), "{read:?}");
    }
}
