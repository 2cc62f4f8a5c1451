//! Settings of the HTTP server.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use super::setting::section;
use super::value::{HttpUrl, Origins};

section! {
    /// The HTTP server of the node.
    pub struct HttpConfig {
        /// Address of the API; port 0 picks a free one, printed on start.
        bind: SocketAddr = "bind", "127.0.0.1:9011";
        /// How carriers and browsers reach this node; from the bind address when not set.
        public_url: Option<HttpUrl> = "public_url", "";
        /// Other web origins whose pages may call the API, such as `https://app.example.com`, with
        /// commas between; `*`: all.
        cors_origins: Option<Origins> = "http.cors_origins", "";
        /// Threads that serve requests; one a core when not set.
        workers: Option<NonZeroUsize> = "http.workers", "";
        /// Proxies in front of the node that write `X-Forwarded-For`; 0 believes nobody but the connection.
        trusted_proxies: usize = "http.trusted_proxies", "0";
        /// Largest request body, in bytes.
        body_limit: NonZeroUsize = "http.body_limit_bytes", "1048576";
        /// Most bytes that the bodies of all requests in progress may hold together; 16 KiB of each are free.
        /// More is answered 503.
        body_budget: NonZeroUsize = "http.body_budget_bytes", "67108864";
        /// How long a client may be silent in the middle of a body before it is answered 408.
        body_silence: Duration = "http.body_silence_ms", "10000";
        /// How long a client may take to send a body.
        body_timeout: Duration = "http.body_timeout_ms", "30000";
        /// How long a client may read nothing of what is sent to it before its connection is closed (on Linux).
        write_timeout: Duration = "http.write_timeout_ms", "30000";
        /// Connections a worker takes before others must wait.
        max_connections: NonZeroUsize = "http.max_connections", "25000";
        /// Most API requests carried out at once; fewer while the node's threads are late with their work.
        concurrency: NonZeroUsize = "http.concurrency", "1024";
        /// Most API requests that wait for their turn; beyond it, the newest of the client with most waiting get 503.
        queue: NonZeroUsize = "http.queue", "10000";
        /// How long an API request waits for its turn before it gets 503.
        queue_wait: Duration = "http.queue_wait_ms", "1000";
        /// How long an idle connection is kept.
        keep_alive: Duration = "http.keep_alive_ms", "75000";
        /// How long a client may take to send a request's head.
        request_timeout: Duration = "http.request_timeout_ms", "5000";
        /// How long a write waits for the views to show it before it answers all the same.
        read_your_writes: Duration = "http.read_your_writes_ms", "2000";
        /// How long a node that is told to stop by SIGTERM goes on serving, not ready, until balancers have noticed.
        drain: Duration = "http.drain_ms", "5000";
        /// How long requests under way may take to finish once the node is told to stop.
        shutdown_grace: Duration = "http.shutdown_grace_ms", "10000";
    }
}

impl HttpConfig {
    /// The address by which others reach the node; `bound` is the address it listens on.
    #[must_use]
    pub fn public_url(&self, bound: SocketAddr) -> String {
        self.public_url.as_ref().map_or_else(|| format!("http://{bound}"), |url| url.as_str().to_owned())
    }
}
