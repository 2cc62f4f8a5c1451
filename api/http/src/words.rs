//! The closed sets of values that only the HTTP layer knows; those of the domain are in [`projections::words`].

use domain::ports::llm::BreakerWord;
use projections::closed_sets;
use projections::words::each;

use super::auth::Scope as Granted;
use crate::problem::Code;

closed_sets! {
    /// Code of a problem; the guide at /docs/errors explains each.
    ProblemCode = each(Code::ALL, Code::as_str);
    /// State of a model's circuit breaker. `closed`: requests are sent; `open`: none are sent for a while;
    /// `half_open`: one trial request decides.
    BreakerState = each(&BreakerWord::ALL, BreakerWord::as_str);
    /// Owner of the credentials that are used.
    CredentialsFrom = ["client", "node"];
    /// Kind of principal behind a request: a user or an API key.
    Principal = ["user", "api_key"];
    /// Scope of a credential: what it may do; `*` is everything.
    Scope = [&["*"][..], &each(Granted::ALL, Granted::as_str)[..]].concat();
    /// Status of an export: `sealing` until a checkpoint covers all of it, within about a second; then `ready`;
    /// `expired` after a day.
    ExportStatus = ["sealing", "ready", "expired"];
    /// Readiness of a node; `draining`: it still serves and is about to stop.
    ReadinessStatus = ["ready", "not_ready", "draining"];
    /// Type of an event in the stream of an answer.
    TurnEventType = ["delta", "tool_call", "message", "error", "done"];
    /// Type of an event in the stream of all calls.
    CallStreamEventType = ["ready", "reset", "call"];
    /// Scheme by which access tokens are sent.
    TokenType = ["Bearer"];
}
