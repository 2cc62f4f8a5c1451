//! The REST API over HTTP: endpoints, authentication, limits, problems, the OpenAPI document, and the console's files.
//!
//! Handlers consist of these parts: [`auth::Caller`] authenticates and authorises, [`PathId`], [`Query`] and
//! [`JsonBody`] read the request and name what is at fault, [`NewIds`] makes ids, [`Answer`] builds the envelope,
//! and [`middleware::Edge`] adds id, span, metrics and a log line to every request.

pub mod accepts;
pub mod auth;
pub mod backend;
pub mod bodies;
pub mod body_shapes;
pub mod client_ip;
pub mod console;
pub mod context;
pub mod cors;
pub mod cursor;
pub mod docs;
pub mod edge_id;
pub mod envelope;
pub mod envelope_schema;
pub mod etag;
pub mod json_body;
pub mod limits;
pub mod meters;
pub mod middleware;
pub mod new_ids;
pub mod nullable;
pub mod optional_json;
pub mod problem;
pub mod query;
pub mod raw_body;
mod secret;
pub mod streams;
pub mod system;
pub mod v1;
pub mod words;

pub(crate) use accepts::Accepts;
pub use bodies::Bodies;
pub use body_shapes::BodyShapes;
pub use context::RequestContext;
pub use cursor::Cursor;
pub use edge_id::{EdgeId, PathId};
pub use envelope::Answer;
pub use envelope_schema::{Enveloped, Listed};
pub use etag::IfMatch;
pub use json_body::{JsonBody, json_fault};
pub use new_ids::NewIds;
pub use optional_json::OptionalJson;
pub use query::{Order, Paging, Query};
pub use raw_body::{BodyLimit, RawBody};
pub use secret::Secret;
pub use streams::{LAST_EVENT_ID, Streams};
