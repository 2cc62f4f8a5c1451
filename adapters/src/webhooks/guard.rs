//! The SSRF guard: checks endpoint URLs, and the addresses that their host names resolve to.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::addresses::is_public;

/// Time limit for resolving a name when an endpoint is created.
const LOOK_UP_LIMIT: Duration = Duration::from_secs(3);

/// Why a URL is refused for an endpoint. The texts are for the client who gave it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlFault {
    #[error("give an absolute URL, such as https://example.com/hooks")]
    NotAUrl,
    /// The scheme is neither `https` nor, where allowed, `http`.
    #[error("the URL must begin with https://")]
    Scheme,
    /// The URL has a user or a password, which everybody who sees the URL would learn.
    #[error("the URL must not contain a user or a password; send a header instead")]
    Credentials,
    /// The address may not be delivered to.
    #[error("{0} is a private, local or reserved address, which may not be delivered to")]
    Private(IpAddr),
}

#[async_trait]
pub trait Lookup: fmt::Debug + Send + Sync {
    /// Resolves the addresses of a host.
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// Resolves names as the operating system does.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// Decides where webhooks may be delivered. It checks the URL when an endpoint is created, and every connection
/// checks the resolved address again: a name that was changed to a private address is refused.
#[derive(Debug, Clone)]
pub struct Guard {
    allow_private: bool,
    lookup: Arc<dyn Lookup>,
}

/// A host name without an address.
#[derive(Debug, thiserror::Error)]
#[error("the name has no address")]
pub(super) struct NoAddress(#[source] Option<io::Error>);

/// A host name whose addresses are all refused.
#[derive(Debug, thiserror::Error)]
#[error("{0} is a private, local or reserved address")]
pub(super) struct BlockedAddress(pub(super) IpAddr);

/// Whether a request failed because the guard refuses all addresses of its host.
pub(crate) fn is_blocked(error: &reqwest::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(at) = cause {
        if at.downcast_ref::<BlockedAddress>().is_some() {
            return true;
        }
        cause = at.source();
    }
    false
}

impl Guard {
    /// A guard; with `allow_private` it allows every address, and `http` as well.
    #[must_use]
    pub fn new(allow_private: bool, lookup: Arc<dyn Lookup>) -> Self {
        Self { allow_private, lookup }
    }

    fn allows(&self, address: IpAddr) -> bool {
        self.allow_private || is_public(address)
    }

    /// Parses the URL and checks everything that needs no name resolution.
    pub fn url(&self, text: &str) -> Result<Url, UrlFault> {
        let url = Url::parse(text.trim()).map_err(|_| UrlFault::NotAUrl)?;
        match url.scheme() {
            "https" => {}
            "http" if self.allow_private => {}
            "http" => return Err(UrlFault::Scheme),
            _ if url.has_host() => return Err(UrlFault::Scheme),
            _ => return Err(UrlFault::NotAUrl),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlFault::Credentials);
        }
        match literal(&url) {
            Some(address) if !self.allows(address) => Err(UrlFault::Private(address)),
            _ if url.host_str().is_none_or(str::is_empty) => Err(UrlFault::NotAUrl),
            _ => Ok(url),
        }
    }

    /// Checks the URL and the addresses of its host name. An unknown name passes, because an endpoint may be
    /// created before its address exists.
    pub async fn reachable(&self, text: &str) -> Result<Url, UrlFault> {
        let url = self.url(text)?;
        let Some(host) = url.domain() else { return Ok(url) };
        let found = tokio::time::timeout(LOOK_UP_LIMIT, self.lookup.lookup(host)).await;
        let Ok(Ok(addresses)) = found else { return Ok(url) };
        match addresses.iter().find(|address| !self.allows(**address)) {
            Some(address) => Err(UrlFault::Private(*address)),
            None => Ok(url),
        }
    }

    /// The IP address in the URL if it has one and it is refused; names are checked when they are resolved.
    pub(super) fn refused_literal(&self, url: &Url) -> Option<IpAddr> {
        literal(url).filter(|address| !self.allows(*address))
    }

    /// The addresses of a host that may be connected to.
    async fn resolve_host(self, host: String) -> Result<Addrs, Box<dyn std::error::Error + Send + Sync>> {
        let found = self.lookup.lookup(&host).await.map_err(|error| NoAddress(Some(error)))?;
        let first = *found.first().ok_or(NoAddress(None))?;
        let allowed: Vec<_> = found.into_iter().filter(|address| self.allows(*address)).collect();
        if allowed.is_empty() {
            return Err(BlockedAddress(first).into());
        }
        Ok(Box::new(allowed.into_iter().map(|address| SocketAddr::new(address, 0))))
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(self.clone().resolve_host(name.as_str().to_owned()))
    }
}

fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Says(Vec<IpAddr>);

    #[async_trait]
    impl Lookup for Says {
        async fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            Ok(self.0.clone())
        }
    }

    fn guard(allow_private: bool, addresses: &[&str]) -> Guard {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        Guard::new(allow_private, Arc::new(Says(addresses)))
    }

    #[test]
    fn a_url_is_https_without_credentials_and_names_no_private_address() {
        let strict = guard(false, &[]);
        for (bad, fault) in [
            ("", UrlFault::NotAUrl),
            ("example.com/hooks", UrlFault::NotAUrl),
            ("/hooks", UrlFault::NotAUrl),
            ("https://", UrlFault::NotAUrl),
            ("mailto:a@example.com", UrlFault::NotAUrl),
            ("javascript:alert(1)", UrlFault::NotAUrl),
            ("http://example.com", UrlFault::Scheme),
            ("ftp://example.com", UrlFault::Scheme),
            ("https://user@example.com", UrlFault::Credentials),
            ("https://user:pw@example.com", UrlFault::Credentials),
            ("https://:pw@example.com", UrlFault::Credentials),
        ] {
            assert_eq!(strict.url(bad).unwrap_err(), fault, "{bad}");
        }
        for private in [
            "https://127.0.0.1/x",
            "https://10.0.0.1",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://0177.0.0.1/",
            "https://127.1/",
            "https://169.254.169.254/latest/meta-data",
            "https://[fd00:ec2::254]/",
            "https://１２７.0.0.1/",
        ] {
            assert!(matches!(strict.url(private), Err(UrlFault::Private(_))), "{private}");
        }
        for good in [
            "https://example.com",
            "https://example.com:8443/a?b=c",
            "https://8.8.8.8/",
            "https://[2606:4700::1111]/",
        ] {
            assert!(strict.url(good).is_ok(), "{good}");
        }
        let lenient = guard(true, &[]);
        assert!(lenient.url("http://127.0.0.1:1/").is_ok() && lenient.url("http://u:p@127.0.0.1/").is_err());
    }

    #[tokio::test]
    async fn a_name_that_leads_to_a_private_address_is_refused() {
        let url = "https://example.com";
        let mixed = guard(false, &["8.8.8.8", "10.0.0.1"]);
        assert_eq!(mixed.reachable(url).await, Err(UrlFault::Private("10.0.0.1".parse().unwrap())));
        assert!(guard(false, &["8.8.8.8"]).reachable(url).await.is_ok());
        assert!(guard(false, &[]).reachable(url).await.is_ok(), "not known yet");
        assert!(guard(true, &["10.0.0.1"]).reachable(url).await.is_ok());
    }

    #[tokio::test]
    async fn of_mixed_addresses_only_the_public_ones_are_connected_to() {
        let resolved = |guard: Guard| guard.resolve_host("example.com".to_owned());
        let mixed = resolved(guard(false, &["10.0.0.1", "8.8.8.8", "::ffff:127.0.0.1"])).await.unwrap();
        assert_eq!(mixed.map(|address| address.ip().to_string()).collect::<Vec<_>>(), ["8.8.8.8"]);
        let blocked = resolved(guard(false, &["10.0.0.1", "::1"])).await.err().unwrap();
        assert!(blocked.downcast_ref::<BlockedAddress>().is_some());
        let unknown = resolved(guard(false, &[])).await.err().unwrap();
        assert!(unknown.downcast_ref::<NoAddress>().is_some());
    }
}
