//! Tools: a client's own systems, asked over HTTP.

mod http;
mod schema;

pub use http::HttpTools;
