//! Builds HTTP clients: TLS by *ring*, which the database driver brings anyway.

use std::sync::{Arc, Once};
use std::time::Duration;

use reqwest::{Url, redirect};

use crate::webhooks::Guard;

/// Most redirects followed: storages hand out addresses of others.
const REDIRECTS: usize = 5;

/// A client builder without timeouts. The environment's proxies apply unless the caller says `no_proxy`.
pub fn client() -> reqwest::ClientBuilder {
    use_ring();
    reqwest::Client::builder()
}

/// A client for downloads: it connects to addresses that the guard allows, follows redirects as far as `may_reach` allows,
/// and waits `silence` at most in the middle of an answer. Fails when TLS cannot be set up.
pub(crate) fn guarded(
    guard: Guard,
    silence: Duration,
    may_reach: impl Fn(&Url) -> bool + Send + Sync + 'static,
) -> Result<reqwest::Client, reqwest::Error> {
    let redirects = redirect::Policy::custom(move |attempt| match may_reach(attempt.url()) {
        _ if attempt.previous().len() > REDIRECTS => attempt.error("too many redirects"),
        true => attempt.follow(),
        false => attempt.stop(),
    });
    client()
        .no_proxy()
        .redirect(redirects)
        .dns_resolver(Arc::new(guard))
        .connect_timeout(Duration::from_secs(5))
        .read_timeout(silence)
        .pool_idle_timeout(Duration::from_secs(4))
        .user_agent(concat!("voxledger/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Makes *ring* the process's TLS provider. Clients built by other crates, such as the trace exporter, need it first.
pub fn use_ring() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // an error means that a provider was installed before, which is just as well
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
