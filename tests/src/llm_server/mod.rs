//! Servers of language models that speak their providers' protocols to the byte and do as they are told: they cut
//! bytes anywhere, break off, hang, turn away. Just enough HTTP/1.1, written by hand, so that every byte is ours.

mod anthropic;
mod google;
mod openai;
mod wire;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use conformance::llm::{Ending, Scene};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Whose protocol is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// OpenAI, and who else speaks its protocol.
    OpenAi,
    Groq,
    Anthropic,
    Google,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    pub path: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    pub body: Value,
}

impl Asked {
    /// A header; empty when it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// An answer to the byte, in the pieces it is sent in.
#[derive(Debug, Clone)]
pub struct Raw {
    pub status: u16,
    pub content_type: &'static str,
    pub headers: Vec<(String, String)>,
    /// The body, in the pieces it is written in.
    pub pieces: Vec<Vec<u8>>,
    /// Whether the connection stays open without the body's end.
    pub hangs: bool,
}

impl Raw {
    /// A stream of events.
    #[must_use]
    pub fn stream(pieces: &[&str]) -> Self {
        Self::of("text/event-stream", pieces)
    }

    /// A 200 of any content type.
    #[must_use]
    pub fn of(content_type: &'static str, pieces: &[&str]) -> Self {
        let pieces = pieces.iter().map(|piece| piece.as_bytes().to_vec()).collect();
        Self { status: 200, content_type, headers: vec![], pieces, hangs: false }
    }

    /// The same, cut every so many bytes.
    #[must_use]
    pub fn cut_every(mut self, size: usize) -> Self {
        self.pieces = self.pieces.concat().chunks(size).map(<[u8]>::to_vec).collect();
        self
    }
}

/// What is sent back.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    content_type: &'static str,
    pieces: Vec<Vec<u8>>,
    /// Pieces before the last so many wait until the test lets them go.
    then: Then,
}

/// How the body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Ends,
    BreaksOff,
    Hangs,
}

type Script = Box<dyn Fn(&Asked) -> Scene + Send + Sync>;
type Witness = Arc<dyn Fn(&[u8]) + Send + Sync>;

struct Shared {
    family: Family,
    scenes: Mutex<VecDeque<Scene>>,
    raw: Mutex<VecDeque<Raw>>,
    script: Mutex<Option<Script>>,
    witness: Mutex<Option<Witness>>,
    asked: Mutex<Vec<Asked>>,
    count: AtomicUsize,
    /// A permit a piece, while pieces are held.
    pieces: Option<Semaphore>,
    pace: Pace,
}

/// How fast a model thinks and speaks; at once, unless told otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    /// Until its first token.
    pub first: Duration,
    /// From one token to the next.
    pub next: Duration,
}

/// A server. It stops when dropped.
pub struct LlmServer {
    /// The base of its API: `http://127.0.0.1:PORT`.
    pub base: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl std::fmt::Debug for LlmServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LlmServer").field("base", &self.base).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LlmServer {
    /// A server that answers what it is told to, and `Sure.` when it is told nothing.
    pub async fn start(family: Family) -> Result<Self> {
        Self::with(family, None, Pace::default()).await
    }

    /// One that takes its time, as models do.
    pub async fn paced(family: Family, pace: Pace) -> Result<Self> {
        Self::with(family, None, pace).await
    }

    /// One that sends a piece of an answer only when [`LlmServer::let_go`] says so.
    pub async fn held(family: Family) -> Result<Self> {
        Self::with(family, Some(Semaphore::new(0)), Pace::default()).await
    }

    async fn with(family: Family, pieces: Option<Semaphore>, pace: Pace) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}", listener.local_addr()?);
        let (scenes, script, witness, asked) = Default::default();
        let shared = Arc::new(Shared {
            family,
            scenes,
            raw: Mutex::default(),
            script,
            witness,
            asked,
            count: AtomicUsize::new(0),
            pieces,
            pace,
        });
        let all = shared.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                tokio::spawn(wire::serve(stream, all.clone()));
            }
        });
        Ok(Self { base, shared, task })
    }

    /// Does this with the next requests, in place of whatever was to be done.
    pub fn play(&self, scenes: Vec<Scene>) {
        *lock(&self.shared.scenes) = scenes.into();
    }

    /// Sends these bytes to the next requests, before whatever else is to be done.
    pub fn send(&self, replies: Vec<Raw>) {
        *lock(&self.shared.raw) = replies.into();
    }

    /// Does what `script` makes of each request that no scene is left for, before its answer begins.
    pub fn answer_by(&self, script: impl Fn(&Asked) -> Scene + Send + Sync + 'static) {
        *lock(&self.shared.script) = Some(Box::new(script));
    }

    /// Tells `witness` of each piece of a streamed answer, just before it is sent.
    pub fn watch(&self, witness: impl Fn(&[u8]) + Send + Sync + 'static) {
        *lock(&self.shared.witness) = Some(Arc::new(witness));
    }

    /// Lets so many pieces go.
    pub fn let_go(&self, pieces: usize) {
        if let Some(held) = &self.shared.pieces {
            held.add_permits(pieces);
        }
    }

    /// How many requests came.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shared.count.load(Ordering::SeqCst)
    }

    /// The requests that came.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.shared.asked).clone()
    }
}

impl Drop for LlmServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn scene(&self, asked: &Asked) -> Scene {
        let next = lock(&self.scenes).pop_front();
        let scripted = || lock(&self.script).as_ref().map(|script| script(asked));
        next.or_else(scripted).unwrap_or_else(|| Scene::says(&["Sure."]))
    }

    /// What is sent back; nothing: nothing ever.
    fn reply(&self, asked: &Asked) -> Option<Reply> {
        if asked.path.split('?').next() == Some("/models") {
            return Some(json_reply(200, &self.models()));
        }
        if let Some(Raw { status, content_type, headers, pieces, hangs }) = lock(&self.raw).pop_front() {
            let then = if hangs { Then::Hangs } else { Then::Ends };
            return Some(Reply { status, headers, content_type, pieces, then });
        }
        let streamed = asked.body["stream"] == true || asked.path.contains(":streamGenerateContent");
        let scene = self.scene(asked);
        match &scene {
            Scene::Silent => None,
            Scene::Nonsense => {
                let kind = if streamed { "text/event-stream" } else { "application/json" };
                let pieces = vec![b"data: <html>what?</html>\n\n".to_vec()];
                Some(Reply { status: 200, headers: vec![], content_type: kind, pieces, then: Then::Ends })
            }
            Scene::Away(away) => Some(match self.family {
                Family::OpenAi | Family::Groq => openai::away(*away),
                Family::Anthropic => anthropic::away(*away),
                Family::Google => google::away(*away),
            }),
            Scene::Answers { text, calls, ending, cut_every } => {
                let groq = self.family == Family::Groq;
                if !streamed {
                    let whole = match self.family {
                        Family::OpenAi | Family::Groq => openai::whole(text, calls, *ending, groq),
                        Family::Anthropic => anthropic::whole(text, calls, *ending),
                        Family::Google => google::whole(text, calls, *ending),
                    };
                    return Some(json_reply(200, &whole));
                }
                let pieces: Vec<Vec<u8>> = match self.family {
                    Family::OpenAi | Family::Groq => openai::events(text, calls, *ending, groq),
                    Family::Anthropic => anthropic::events(text, calls, *ending),
                    Family::Google => google::events(text, calls, *ending),
                }
                .into_iter()
                .map(String::into_bytes)
                .collect();
                Some(streamed_reply(pieces, *ending, *cut_every))
            }
        }
    }

    fn models(&self) -> Value {
        use conformance::llm::MODEL;
        match self.family {
            Family::Google => serde_json::json!({"models": [{"name": format!("models/{MODEL}")}]}),
            _ => serde_json::json!({"object": "list", "data": [{"id": MODEL, "object": "model"}]}),
        }
    }
}

fn json_reply(status: u16, body: &Value) -> Reply {
    let pieces = vec![body.to_string().into_bytes()];
    Reply { status, headers: vec![], content_type: "application/json", pieces, then: Then::Ends }
}

fn streamed_reply(pieces: Vec<Vec<u8>>, ending: Ending, cut_every: usize) -> Reply {
    let mut pieces = pieces;
    let then = match ending {
        Ending::Hangs => Then::Hangs,
        Ending::BreaksOff => {
            // the first half of a character
            pieces.push(b"data: \xf0\x9f".to_vec());
            Then::BreaksOff
        }
        _ => Then::Ends,
    };
    if cut_every > 0 {
        pieces = pieces.concat().chunks(cut_every).map(<[u8]>::to_vec).collect();
    }
    Reply { status: 200, headers: vec![], content_type: "text/event-stream", pieces, then }
}

/// Whether the ending leaves out everything after the words.
fn stops_short(ending: Ending) -> bool {
    matches!(ending, Ending::Unfinished | Ending::BreaksOff | Ending::Hangs)
}
