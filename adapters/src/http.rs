//! Builds HTTP clients: TLS by *ring*, which the database driver brings anyway.

use std::sync::Once;

/// A client builder without timeouts. The environment's proxies apply unless the caller says `no_proxy`.
pub fn client() -> reqwest::ClientBuilder {
    use_ring();
    reqwest::Client::builder()
}

/// Makes *ring* the process's TLS provider. Clients built by other crates, such as the trace exporter, need it first.
pub fn use_ring() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // an error means that a provider was installed before, which is just as well
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
