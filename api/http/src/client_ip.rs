//! Address that a request came from.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::IpAddr;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use domain::origin::Origin;

/// Number of trusted proxies in front of the node that append to `X-Forwarded-For`, as app data.
#[derive(Debug, Clone, Copy, Default)]
pub struct TrustedProxies(pub usize);

/// Address of the client: the peer's, or the one that the outermost trusted proxy saw. Entries that the client
/// itself writes into `X-Forwarded-For` stand further left and are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientIp(pub Option<IpAddr>);

impl ClientIp {
    #[must_use]
    pub fn of(request: &HttpRequest) -> Self {
        let trusted = request.app_data::<web::Data<TrustedProxies>>().map_or(0, |trusted| trusted.0);
        Self(address(request, trusted))
    }

    /// The address as events record it.
    #[must_use]
    pub fn origin(self) -> Origin {
        Origin::at(self.0.map(|ip| ip.to_string()))
    }
}

impl FromRequest for ClientIp {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}

/// Address of the client behind `trusted` proxies.
pub(crate) fn address(request: &HttpRequest, trusted: usize) -> Option<IpAddr> {
    let peer = request.peer_addr().map(|address| address.ip());
    if trusted == 0 {
        return peer;
    }
    let headers = request.headers().get_all("x-forwarded-for").filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = headers.flat_map(|value| value.split(',')).map(str::trim).collect();
    // the nearest proxy wrote the last entry
    let seen = hops.len().checked_sub(trusted).and_then(|at| hops.get(at)).and_then(|hop| hop.parse().ok());
    seen.or(peer)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn seen(trusted: usize, forwarded: &[&str]) -> String {
        let mut request = TestRequest::default().peer_addr("192.0.2.1:9".parse().unwrap());
        for value in forwarded {
            request = request.append_header(("X-Forwarded-For", *value));
        }
        address(&request.to_http_request(), trusted).unwrap().to_string()
    }

    #[test]
    fn only_what_a_trusted_proxy_saw_is_believed() {
        assert_eq!(seen(0, &["203.0.113.9"]), "192.0.2.1");
        assert_eq!(seen(1, &["6.6.6.6, 203.0.113.9"]), "203.0.113.9");
        assert_eq!(seen(1, &["6.6.6.6", "203.0.113.9"]), "203.0.113.9");
        assert_eq!(seen(2, &["6.6.6.6, 203.0.113.9, 198.51.100.2"]), "203.0.113.9");
        assert_eq!(seen(1, &[]), "192.0.2.1");
        assert_eq!(seen(1, &["nonsense"]), "192.0.2.1");
        assert_eq!(seen(3, &["203.0.113.9"]), "192.0.2.1");
    }
}
