//! Compares the servers that URLs lead to: a secret is only sent to the server it was given for.
//!
//! A secret (a header, a tool's credential, an account's key) is given for one web origin: scheme, host and
//! port. When its URL changes to another origin, the secret is dropped unless the same request gives it again;
//! where nothing works without it, it is required. A person who may change a URL need not know the secret and
//! must not learn it.

/// Scheme, host and port of a URL; `None` when it does not plainly name them.
fn web_origin(url: &str) -> Option<(String, String, u16)> {
    let (scheme, rest) = url.trim().split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let usual = match scheme.as_str() {
        "https" => 443,
        "http" => 80,
        _ => return None,
    };
    // browsers and URL libraries take a backslash for a slash
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    if authority.contains('@') || !authority.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let (host, port) = match authority.rsplit_once(':') {
        // a colon within the brackets of an IPv6 address is none before a port
        Some((host, port)) if !port.ends_with(']') => {
            (host, if port.is_empty() { usual } else { port.parse().ok()? })
        }
        _ => (authority, usual),
    };
    (!host.is_empty()).then(|| (scheme, host.trim_end_matches('.').to_ascii_lowercase(), port))
}

/// Whether two URLs surely lead to the same server. A URL that cannot be read equals only itself.
#[must_use]
pub fn same_web_origin(one: &str, other: &str) -> bool {
    one == other || matches!((web_origin(one), web_origin(other)), (Some(one), Some(other)) if one == other)
}

#[cfg(test)]
mod tests {
    use super::same_web_origin;

    #[test]
    fn scheme_host_and_port_make_an_origin() {
        for (one, other, same) in [
            ("https://a.com/x", "https://a.com/y?z#w", true),
            ("https://a.com", "HTTPS://A.com:443/", true),
            ("https://a.com./", "https://a.com/", true),
            ("http://a.com", "http://a.com:80", true),
            ("https://a.com", "http://a.com", false),
            ("https://a.com", "https://a.com:8443", false),
            ("https://a.com", "https://b.com", false),
            ("https://a.com", "https://a.com.evil.net", false),
            ("https://a.com", "https://a.com\\@evil.net", true),
            ("https://a.com", "https://a.com@evil.net", false),
            ("https://u@a.com", "https://v@a.com", false),
            ("https://a.com", "https://a.com\t.evil.net", false),
            ("https://[::1]:8/", "https://[::1]:8/a", true),
            ("https://[::1]/", "https://[::2]/", false),
            ("https://a.com:x", "https://a.com:y", false),
            ("a.com", "b.com", false),
        ] {
            assert_eq!(same_web_origin(one, other), same, "{one} {other}");
        }
    }
}
