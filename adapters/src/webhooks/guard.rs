//! What an endpoint's URL may be, and which addresses its name may lead to.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::addresses::is_public;

/// The longest it may take to look a name up when an endpoint is set up.
const LOOK_UP_LIMIT: Duration = Duration::from_secs(3);

/// Why an endpoint cannot be at a URL. The texts are for whoever gave it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlFault {
    /// Not a URL.
    #[error("give an absolute URL, such as https://example.com/hooks")]
    NotAUrl,
    /// Neither `https` nor, where allowed, `http`.
    #[error("the URL must begin with https://")]
    Scheme,
    /// A user or a password in it: everybody who sees the URL would have them.
    #[error("the URL must not contain a user or a password; send a header instead")]
    Credentials,
    /// An address that may not be delivered to.
    #[error("{0} is a private, local or reserved address, which may not be delivered to")]
    Private(IpAddr),
}

/// Looks names up.
#[async_trait]
pub trait Lookup: fmt::Debug + Send + Sync {
    /// The addresses of a host.
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// As the system does.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// Says where to may be delivered. It is asked when an endpoint is set up, and again by every connection, of the
/// address that is then connected to: a name that leads elsewhere meanwhile is refused.
#[derive(Debug, Clone)]
pub struct Guard {
    allow_private: bool,
    lookup: Arc<dyn Lookup>,
}

/// A name without an address.
#[derive(Debug, thiserror::Error)]
#[error("the name has no address")]
pub(super) struct NoAddress(#[source] Option<io::Error>);

/// A name, all of whose addresses are refused.
#[derive(Debug, thiserror::Error)]
#[error("{0} is a private, local or reserved address")]
pub(super) struct BlockedAddress(pub(super) IpAddr);

impl Guard {
    /// A guard; with `allow_private` one that lets everything pass, `http` as well.
    #[must_use]
    pub fn new(allow_private: bool, lookup: Arc<dyn Lookup>) -> Self {
        Self { allow_private, lookup }
    }

    fn allows(&self, address: IpAddr) -> bool {
        self.allow_private || is_public(address)
    }

    /// The URL, if it may be delivered to as far as can be seen by itself.
    ///
    /// # Errors
    /// See [`UrlFault`].
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

    /// The same, having looked its name up as well. A name that is unknown for now is let pass: the endpoint may
    /// be set up before its address is.
    ///
    /// # Errors
    /// See [`UrlFault`].
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

    /// The address in a URL that names one, if it is refused: names are judged when they are looked up.
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
