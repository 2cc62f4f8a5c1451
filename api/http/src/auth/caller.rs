//! Extractor of an authenticated caller.

use std::borrow::Cow;
use std::fmt;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::{Either, LocalBoxFuture};

use super::directory::Authenticator;
use super::external::ExternalIdentities;
use super::plain_key;
use super::principal::Principal;
use super::refused_tokens;
use super::scope::Permission;
use super::tokens::{Fault, TokenProblem};
use super::warrant::{Evidence, Warrant};
use crate::context;
use crate::limits::{Gate, Refusal};
use crate::middleware::method_label;
use crate::problem::{ApiError, Code};

/// `Retry-After` of an exhausted quota, which does not come back by itself.
const UNTIL_RAISED: Duration = Duration::from_secs(3_600);

/// An authenticated caller who has the scope that `P` requires.
pub struct Caller<P> {
    identified: Identified,
    permission: PhantomData<P>,
}

/// A principal and the credential that proved it.
#[derive(Clone)]
pub(crate) struct Identified {
    pub(crate) principal: Principal,
    evidence: Evidence,
    authenticator: web::Data<Authenticator>,
}

impl<P: Permission> Caller<P> {
    /// Answers 403 when the principal lacks the scope of `P`.
    fn admit(identified: Identified) -> Result<Self, ApiError> {
        match P::SCOPE {
            Some(scope) if !identified.principal.scopes.grants(scope) => {
                Err(ApiError::insufficient_scope(scope.as_str()))
            }
            _ => Ok(Self { identified, permission: PhantomData }),
        }
    }

    /// The caller's right, to check again while a long answer runs.
    #[must_use]
    pub fn warrant(&self) -> Warrant {
        let Identified { principal, evidence, authenticator } = self.identified.clone();
        Warrant { authenticator, evidence, principal, scope: P::SCOPE }
    }
}

impl<P> Deref for Caller<P> {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.identified.principal
    }
}

impl<P> fmt::Debug for Caller<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.identified.principal.fmt(f)
    }
}

impl<P: Permission> FromRequest for Caller<P> {
    type Error = ApiError;
    type Future = Either<Ready<Result<Self, ApiError>>, LocalBoxFuture<'static, Result<Self, ApiError>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        match identify(request) {
            Ok(identified) => Either::Left(ready(enter(request, identified))),
            Err(Unidentified { error, look_again: None }) => Either::Left(ready(Err(error))),
            Err(Unidentified { look_again: Some(guests), .. }) => {
                let request = request.clone();
                Either::Right(Box::pin(
                    async move { enter(&request, identify_again(&request, &guests).await?) },
                ))
            }
        }
    }
}

fn enter<P: Permission>(request: &HttpRequest, identified: Identified) -> Result<Caller<P>, ApiError> {
    if !request.extensions().contains::<LetThrough>() {
        enforce_limits(request, &identified.principal)?;
    }
    Caller::admit(identified)
}

pub(crate) struct Unidentified {
    pub(crate) error: ApiError,
    /// The identity provider whose signing keys, fetched again, may still verify the token; `None`
    /// when that cannot help.
    pub(crate) look_again: Option<Arc<ExternalIdentities>>,
}

impl From<ApiError> for Unidentified {
    fn from(error: ApiError) -> Self {
        Self { error, look_again: None }
    }
}

/// Request extension: a middleware has already counted this request against the [limits](enforce_limits).
#[derive(Debug)]
pub(crate) struct LetThrough;

/// Counts the request against its sender's limits and notes their state for the response headers. Answers 429 when
/// a rate limit or a quota is exceeded.
pub(crate) fn enforce_limits(request: &HttpRequest, principal: &Principal) -> Result<(), ApiError> {
    // a test of a single handler has no gate, and so no limits
    let Some(gate) = request.app_data::<web::Data<Gate>>() else { return Ok(()) };
    let route = request.match_pattern();
    let method = method_label(request.method());
    let (standing, refusal) = gate.admit(principal, method, route.as_deref().unwrap_or("unmatched"));
    context::with(|context| context.map(|context| context.set_standing(standing)));
    match refusal {
        None => Ok(()),
        Some(Refusal::RateLimited(wait)) => Err(ApiError::rate_limited(wait)),
        Some(Refusal::Exhausted(quota)) => Err(ApiError::quota_exhausted(quota.to_string(), UNTIL_RAISED)),
    }
}

/// Authenticates a request with the keys known now. Answers 401, with a code for each reason.
pub(crate) fn identify(request: &HttpRequest) -> Result<Identified, Unidentified> {
    let authenticator = request
        .app_data::<web::Data<Authenticator>>()
        .ok_or_else(|| ApiError::internal("the app has no authenticator"))?;
    let evidence = evidence(authenticator, &presented(request.headers())?)?;
    let principal = authenticator.principal(&evidence)?;
    Ok(Identified { principal, evidence, authenticator: authenticator.clone() })
}

/// Fetches the identity provider's keys, then authenticates again. Fails as [`identify`] does.
pub(crate) async fn identify_again(
    request: &HttpRequest,
    guests: &ExternalIdentities,
) -> Result<Identified, ApiError> {
    guests.look_again().await;
    identify(request).map_err(|nobody| nobody.error)
}

fn evidence(authenticator: &Authenticator, credential: &str) -> Result<Evidence, Unidentified> {
    if !is_token(credential) {
        let hash = plain_key::hash_of(credential).map_err(|_| ApiError::api_key_malformed())?;
        return Ok(Evidence::Key(hash));
    }
    let Some(guests) = authenticator.guests.as_ref().filter(|guests| guests.may_be_theirs(credential)) else {
        let read = authenticator.tokens.read(credential).map(Evidence::Token);
        return read.map_err(|problem| closed(problem).into());
    };
    guests.read(credential).map(Evidence::Guest).map_err(|problem| {
        let unknown = matches!(problem, TokenProblem::Invalid(Fault::UnknownKey) | TokenProblem::NoKeys);
        Unidentified { error: closed(problem), look_again: unknown.then(|| guests.clone()) }
    })
}

/// The answer to a refused token. Only the log says why it was refused.
pub(super) fn closed(problem: TokenProblem) -> ApiError {
    refused_tokens::note(problem);
    match problem {
        TokenProblem::Invalid(_) => ApiError::token_invalid(),
        TokenProblem::Expired => ApiError::token_expired(),
        TokenProblem::UnknownTenant => ApiError::new(Code::NotAMember, problem.to_string()),
        TokenProblem::NoKeys => ApiError::unavailable(problem),
    }
}

/// A JWT has three parts (RFC 7519 §3); a key has no dot.
fn is_token(credential: &str) -> bool {
    credential.bytes().filter(|&byte| byte == b'.').count() == 2
}

/// The key or token of a request. `Authorization` takes precedence over `X-Api-Key`.
fn presented(headers: &HeaderMap) -> Result<Cow<'_, str>, ApiError> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        return match text(value)?.split_once(' ') {
            Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => Ok(key.trim().into()),
            Some((scheme, pair)) if scheme.eq_ignore_ascii_case("basic") => basic(pair.trim()),
            _ => Err(ApiError::missing_credentials()),
        };
    }
    headers
        .get("x-api-key")
        .map_or_else(|| Err(ApiError::missing_credentials()), |value| Ok(text(value)?.into()))
}

/// The key as the user of Basic authentication (RFC 7617), as `curl -u KEY:` sends it, or as its password.
fn basic(pair: &str) -> Result<Cow<'static, str>, ApiError> {
    let malformed = ApiError::api_key_malformed;
    let pair =
        STANDARD.decode(pair).ok().and_then(|pair| String::from_utf8(pair).ok()).ok_or_else(malformed)?;
    let (user, password) = pair.split_once(':').ok_or_else(malformed)?;
    Ok(if password.is_empty() { user } else { password }.trim().to_owned().into())
}

fn text(value: &HeaderValue) -> Result<&str, ApiError> {
    value.to_str().map(str::trim).map_err(|_| ApiError::api_key_malformed())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use conformance::fakes::clock::ManualClock;
    use domain::envelope::Time;
    use domain::ids::{ApiKeyId, ClientId};
    use uuid::Uuid;

    use projections::api_keys::KeyHash;

    use super::super::directory::{Bearer, Directory, KeyProblem};
    use super::super::external::Guest;
    use super::super::permissions::{CallsRead, CallsWrite};
    use super::super::plain_key::PlainKey;
    use super::super::principal::{Bounds, Who};
    use super::super::scope::{AnyCredential, Scopes};
    use super::super::tokens::Tokens;
    use super::super::watchers::Watched;
    use super::*;

    #[derive(Debug)]
    struct OneKey(KeyHash);

    impl Directory for OneKey {
        fn key(&self, hash: &KeyHash) -> Result<Principal, KeyProblem> {
            if hash != &self.0 {
                return Err(KeyProblem::Unknown);
            }
            Ok(Principal {
                client: ClientId(Uuid::from_u128(1)),
                who: Who::Key { id: ApiKeyId(Uuid::from_u128(2)), bounds: Bounds::default() },
                scopes: Scopes::parse(&["calls:read"]).unwrap(),
                platform: false,
            })
        }

        fn bearer(&self, _: &Bearer) -> Option<Principal> {
            None
        }

        fn guest(&self, _: &Guest) -> Option<Principal> {
            None
        }

        fn end_of_key(&self, _: &KeyHash) -> Option<Time> {
            None
        }

        fn watch(&self, _: &Principal) -> Option<Watched> {
            None
        }
    }

    fn key() -> PlainKey {
        PlainKey::generate(|| [1; 32])
    }

    async fn call<P: Permission>(header: Option<(&str, &str)>) -> Result<ClientId, Code> {
        let clock = Arc::new(ManualClock::at(Time::UNIX_EPOCH));
        let tokens = Arc::new(Tokens::new([1; 32], clock.clone()));
        let directory = Arc::new(OneKey(key().hash()));
        let authenticator = Authenticator { directory, tokens, guests: None, clock };
        let request = TestRequest::default().app_data(web::Data::new(authenticator));
        let request = match header {
            Some(header) => request.insert_header(header),
            None => request,
        };
        let (request, mut payload) = request.to_http_parts();
        let caller = Caller::<P>::from_request(&request, &mut payload).await;
        caller.map(|caller| caller.client).map_err(|error| error.code())
    }

    #[actix_web::test]
    async fn a_key_opens_what_its_scope_allows_by_either_header() {
        let bearer = format!("bearer {}", key().reveal());
        let client = Ok(ClientId(Uuid::from_u128(1)));
        assert_eq!(call::<CallsRead>(Some(("Authorization", &bearer))).await, client);
        assert_eq!(call::<CallsRead>(Some(("X-API-Key", key().reveal()))).await, client);
        assert_eq!(call::<AnyCredential>(Some(("X-API-Key", key().reveal()))).await, client);
        assert_eq!(
            call::<CallsWrite>(Some(("X-API-Key", key().reveal()))).await,
            Err(Code::InsufficientScope)
        );
    }

    #[actix_web::test]
    async fn every_way_to_be_nobody_has_its_own_code() {
        let stranger = PlainKey::generate(|| [2; 32]);
        let cases = [
            (None, Code::MissingCredentials),
            (Some(("Authorization", "Digest dTpw")), Code::MissingCredentials),
            (Some(("Authorization", "Basic dTpw")), Code::ApiKeyMalformed),
            (Some(("Authorization", "Bearer hello")), Code::ApiKeyMalformed),
            (Some(("X-API-Key", "vx_typo")), Code::ApiKeyMalformed),
            (Some(("X-API-Key", stranger.reveal())), Code::ApiKeyUnknown),
            (Some(("Authorization", "Bearer a.b.c")), Code::TokenInvalid),
        ];
        for (header, code) in cases {
            assert_eq!(call::<AnyCredential>(header).await, Err(code));
        }
    }
}
