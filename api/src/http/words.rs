//! The closed sets of words that the edge itself knows; those of the domain are in [`projections::words`].

use domain::ports::llm::BreakerWord;
use projections::closed_sets;
use projections::words::each;

use super::auth::Scope as Granted;

closed_sets! {
    /// Whether a model is asked: `closed`, it is; `open`, it is left alone for a while; `half_open`, one request decides.
    BreakerState = each(&BreakerWord::ALL, BreakerWord::as_str);
    /// Whose credentials are used.
    CredentialsFrom = ["client", "node"];
    /// What somebody signs in with.
    Principal = ["user", "api_key"];
    /// What may be done; `*` is everything.
    Scope = [&["*"][..], &each(Granted::ALL, Granted::as_str)[..]].concat();
    /// `sealing` until a checkpoint covers all of it, within about a second; then `ready`; `expired` after a day.
    ExportStatus = ["sealing", "ready", "expired"];
    /// `draining`: it still serves and is about to stop.
    ReadinessStatus = ["ready", "not_ready", "draining"];
    /// What an event of an answer tells.
    TurnEventType = ["delta", "tool_call", "message", "error", "done"];
    /// What an event of the stream of all calls tells.
    CallStreamEventType = ["ready", "reset", "call"];
    /// How access tokens are sent.
    TokenType = ["Bearer"];
}
