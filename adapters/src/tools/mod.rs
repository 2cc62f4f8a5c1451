//! Tools: a client's own systems, called over HTTP.

mod http;
mod schema;

pub use http::HttpTools;
