//! The one way to an HTTP client: TLS by *ring*, which the database driver brings anyway.

use std::sync::Once;

/// A client still to be given its timeouts. Proxies of the environment apply unless it says `no_proxy`.
pub fn client() -> reqwest::ClientBuilder {
    use_ring();
    reqwest::Client::builder()
}

/// Makes *ring* the process's provider of TLS. Clients that others build, such as the exporter of traces, need it
/// before they are built.
pub fn use_ring() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // an error means that somebody chose one before, which is just as well
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
