//! Having tools used: a client's own systems, asked over HTTP.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use uuid::Uuid;

use crate::conversation::ToolOutcome;
use crate::tool::ToolMethod;

/// The longest answer of a tool's that a model is told, in bytes.
pub const MAX_RESULT: usize = 32 << 10;
/// The longest arguments a model may give, in bytes of JSON.
pub const MAX_ARGUMENTS: usize = 64 << 10;

/// Why a schema cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaFault {
    /// What is wrong with it.
    #[error("{0}")]
    Invalid(String),
    /// Too many schemas are being looked at: it can be asked again soon.
    #[error("too many schemas are being looked at, try again soon")]
    Busy,
}

/// A tool to be used.
#[derive(Clone)]
pub struct ToolUse {
    /// The same on every attempt: `Idempotency-Key`.
    pub id: Uuid,
    /// Where.
    pub url: String,
    /// How.
    pub method: ToolMethod,
    /// Names in lower case, and values; credentials among them.
    pub headers: Vec<(String, String)>,
    /// At most so long.
    pub timeout: Duration,
    /// JSON Schema of the arguments.
    pub parameters: Value,
    /// JSON, as the model wrote it.
    pub arguments: String,
}

impl fmt::Debug for ToolUse {
    // headers hold credentials, arguments what was said
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolUse").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What came of it.
#[derive(Clone, PartialEq, Eq)]
pub struct ToolAnswer {
    /// How it ended.
    pub outcome: ToolOutcome,
    /// The HTTP status.
    pub status: Option<u16>,
    /// What the model is told: the answer, or what was wrong. At most [`MAX_RESULT`] bytes.
    pub content: String,
}

impl fmt::Debug for ToolAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolAnswer").field("outcome", &self.outcome).finish_non_exhaustive()
    }
}

/// Has tools used. An address that may not be reached is refused, judged by the address that is really connected
/// to; no redirect is followed; everything takes bounded time and memory.
#[async_trait]
pub trait ToolRunner: fmt::Debug + Send + Sync {
    /// Whether this is a JSON Schema that arguments can be checked against in bounded time and memory. What it
    /// refers to elsewhere is never fetched.
    ///
    /// # Errors
    /// What is wrong with it, or [`SchemaFault::Busy`].
    async fn check_schema(&self, schema: &Value) -> Result<(), SchemaFault>;

    /// Uses a tool, if the arguments fit. There is always an outcome.
    async fn run(&self, tool: &ToolUse) -> ToolAnswer;
}
