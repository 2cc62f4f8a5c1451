//! A client's own headers on what is delivered to it.

use std::collections::BTreeMap;

/// The most headers an endpoint has.
pub const MAX_HEADERS: usize = 20;
/// The longest name, in bytes.
pub const MAX_NAME: usize = 100;
/// The longest value, in bytes.
pub const MAX_VALUE: usize = 1_000;
/// Shown in place of a value that is a credential.
pub const HIDDEN: &str = "***";

/// Headers that only the node or the connection sets.
const RESERVED: &[&str] = &[
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// Prefixes of the node's own headers: signatures, and on whose behalf a tool runs.
const OURS: [&str; 2] = ["webhook-", "x-voxledger-"];

/// Parts of names of headers whose values are usually credentials.
const SENSITIVE: &[&str] =
    &["auth", "cookie", "credential", "key", "password", "secret", "session", "signature", "token"];

/// Why a header is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    #[error("there are at most {MAX_HEADERS} headers")]
    TooMany,
    /// Not a token of RFC 9110 §5.6.2, or too long.
    #[error("a header's name is 1 to {MAX_NAME} letters, digits and any of !#$%&'*+-.^_`|~")]
    Name,
    /// The header would change what is signed, or how it is sent.
    #[error("this header is set by the sender")]
    Reserved,
    /// The value would begin another header, or end the headers.
    #[error("a header's value is at most {MAX_VALUE} visible ASCII characters, blanks inside")]
    Value,
}

fn is_token(c: u8) -> bool {
    c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c)
}

/// Whether only the node sets headers of this name, given in lower case. A client's header of such a name, given
/// before the name was reserved, is not sent.
#[must_use]
pub fn is_ours(name: &str) -> bool {
    OURS.iter().any(|prefix| name.starts_with(prefix))
}

/// Checks headers and answers them with their names in lower case. Fails with the name at fault.
pub fn check(headers: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, (String, BadHeader)> {
    if headers.len() > MAX_HEADERS {
        return Err((String::new(), BadHeader::TooMany));
    }
    let mut checked = BTreeMap::new();
    for (name, value) in headers {
        let fault = |fault| Err((name.clone(), fault));
        if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(is_token) {
            return fault(BadHeader::Name);
        }
        let lower = name.to_ascii_lowercase();
        if RESERVED.contains(&lower.as_str()) || is_ours(&lower) {
            return fault(BadHeader::Reserved);
        }
        let visible = value.bytes().all(|c| (b' '..=b'~').contains(&c));
        if !visible || value.len() > MAX_VALUE || value.trim() != value {
            return fault(BadHeader::Value);
        }
        if checked.insert(lower, value.clone()).is_some() {
            return fault(BadHeader::Name);
        }
    }
    Ok(checked)
}

/// The headers as they may be shown: what looks like a credential is hidden.
#[must_use]
pub fn shown(headers: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let show = |(name, value): (&String, &String)| {
        let hide = SENSITIVE.iter().any(|part| name.contains(part));
        (name.clone(), if hide { HIDDEN.to_owned() } else { value.clone() })
    };
    headers.iter().map(show).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, value: &str) -> Result<BTreeMap<String, String>, BadHeader> {
        check(&[(name.to_owned(), value.to_owned())].into()).map_err(|(_, fault)| fault)
    }

    #[test]
    fn a_header_cannot_begin_another_one_nor_take_the_place_of_ours() {
        for value in ["a\r\nx: y", "a\nb", "a\0", "\u{e9}", " a", "a\t", &"x".repeat(1_001)] {
            assert_eq!(one("x-a", value), Err(BadHeader::Value), "{value:?}");
        }
        for name in ["", "a b", "a:", "a\r\nb", "é", &"x".repeat(101)] {
            assert_eq!(one(name, "v"), Err(BadHeader::Name), "{name:?}");
        }
        for name in [
            "webhook-signature",
            "Webhook-Id",
            "WEBHOOK-anything",
            "X-Voxledger-Call-Id",
            "Host",
            "content-type",
            "Transfer-Encoding",
        ] {
            assert_eq!(one(name, "v"), Err(BadHeader::Reserved), "{name}");
        }
        assert_eq!(one("X-Tenant", "a b"), Ok([("x-tenant".to_owned(), "a b".to_owned())].into()));
        let twice = [("X-A".to_owned(), "1".to_owned()), ("x-a".to_owned(), "2".to_owned())].into();
        assert!(check(&twice).is_err());
        let many = (0..21).map(|n| (format!("x-{n}"), String::new())).collect();
        assert_eq!(check(&many).unwrap_err().1, BadHeader::TooMany);
    }

    #[test]
    fn what_looks_like_a_credential_is_not_shown() {
        let headers = [("authorization", "Bearer x"), ("x-api-key", "k"), ("x-tenant", "t")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let shown = shown(&headers);
        assert_eq!(
            (&*shown["authorization"], &*shown["x-api-key"], &*shown["x-tenant"]),
            (HIDDEN, HIDDEN, "t")
        );
    }
}
