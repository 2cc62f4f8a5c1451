//! Optimistic concurrency over HTTP: `ETag` is the stream version, `If-Match` names the expected version.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderValue, IF_MATCH};
use actix_web::{FromRequest, HttpRequest};
use domain::envelope::Version;

use crate::problem::ApiError;

/// The stream version in quotes.
#[must_use]
pub fn etag(version: Version) -> HeaderValue {
    // digits and quotes are always a valid header value
    HeaderValue::try_from(format!("\"{version}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// The client's condition on the version it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// The request has no `If-Match`.
    Nothing,
    /// `*`: the resource must exist.
    Exists,
    /// The resource must be at one of these versions.
    OneOf(Vec<Version>),
}

impl IfMatch {
    /// The expected version, for an append; `None` when there is not exactly one.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        match self {
            Self::OneOf(versions) if versions.len() == 1 => versions.first().copied(),
            _ => None,
        }
    }

    /// Checks the condition against the `current` version. Answers 412 when it does not hold.
    pub fn check(&self, current: Version) -> Result<(), ApiError> {
        match self {
            Self::OneOf(versions) if !versions.contains(&current) => {
                Err(ApiError::precondition_failed(current.0))
            }
            _ => Ok(()),
        }
    }

    /// Reads the header's value. A tag that is no version of this API, such as a weak one, matches nothing.
    fn parse(value: &str) -> Self {
        if value.trim() == "*" {
            return Self::Exists;
        }
        let version = |tag: &str| {
            let tag = tag.trim().strip_prefix('"')?.strip_suffix('"')?;
            // a mark of the content may follow: it tells states of one version apart, which no command depends on
            let (version, _) = tag.split_once('-').unwrap_or((tag, ""));
            version.parse().ok().map(Version)
        };
        Self::OneOf(value.split(',').filter_map(version).collect())
    }
}

impl FromRequest for IfMatch {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(match request.headers().get(IF_MATCH).map(HeaderValue::to_str) {
            None => Ok(Self::Nothing),
            Some(Ok(value)) => Ok(Self::parse(value)),
            Some(Err(_)) => Err(ApiError::malformed_request("the header `If-Match` is not ASCII")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_goes_on_only_at_the_version_that_was_read() {
        let seven = IfMatch::parse("\"7\"");
        assert_eq!(seven.version(), Some(Version(7)));
        assert!(seven.check(Version(7)).is_ok());
        assert!(seven.check(Version(8)).is_err());
        assert!(IfMatch::parse("\"6\", \"7\"").check(Version(7)).is_ok());
        assert!(IfMatch::parse("\"7-0a1b2c\"").check(Version(7)).is_ok());
        assert!(IfMatch::parse("*").check(Version(7)).is_ok());
        assert!(IfMatch::parse("\"7-ready-3\"").check(Version(7)).is_ok());
        assert!(IfMatch::Nothing.check(Version(7)).is_ok());
    }

    #[test]
    fn a_tag_that_is_not_ours_matches_nothing() {
        for foreign in ["W/\"7\"", "7", "\"x\"", ""] {
            assert!(IfMatch::parse(foreign).check(Version(7)).is_err(), "{foreign}");
        }
    }
}
