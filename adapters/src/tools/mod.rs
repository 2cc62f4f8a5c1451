//! Tools: a client's own systems, asked over HTTP.

mod http;
mod schemas;

pub use http::HttpTools;
