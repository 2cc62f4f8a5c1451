//! Rights that must last: a long answer ends when the right it began with ends.

use std::fmt;
use std::future::{Future, pending};
use std::pin::{Pin, pin};

use actix_web::web;
use domain::envelope::Time;
use futures::{Stream, StreamExt as _};
use projections::api_keys::KeyHash;

use super::caller::closed;
use super::directory::{Authenticator, Bearer, KeyProblem};
use super::external::Guest;
use super::principal::Principal;
use super::scope::Scope;
use super::tokens::TokenProblem;
use crate::problem::ApiError;

/// A verified credential of a request.
#[derive(Debug, Clone)]
pub(crate) enum Evidence {
    /// Hash of an API key.
    Key(KeyHash),
    /// An access token of this node.
    Token(Bearer),
    /// A token of the identity provider.
    Guest(Guest),
}

impl Authenticator {
    /// The principal of a credential now. Answers 401, with a code for each reason, when it is no longer valid.
    pub(crate) fn principal(&self, evidence: &Evidence) -> Result<Principal, ApiError> {
        let expired = |until: Time| until <= self.clock.now();
        match evidence {
            Evidence::Key(hash) => self.directory.key(hash).map_err(|problem| match problem {
                KeyProblem::Unknown => ApiError::api_key_unknown(),
                KeyProblem::Expired => ApiError::api_key_expired(),
                KeyProblem::Revoked => ApiError::api_key_revoked(),
                KeyProblem::Disabled => ApiError::api_key_disabled(),
            }),
            Evidence::Token(bearer) if expired(bearer.expires_at) => Err(closed(TokenProblem::Expired)),
            Evidence::Token(bearer) => self.directory.bearer(bearer).ok_or_else(ApiError::token_revoked),
            Evidence::Guest(guest) if expired(guest.expires_at) => Err(closed(TokenProblem::Expired)),
            Evidence::Guest(guest) => {
                let signs = self.guests.as_ref().is_some_and(|guests| guests.know(&guest.key));
                if !signs {
                    return Err(ApiError::token_revoked());
                }
                self.directory.guest(guest).ok_or_else(|| closed(TokenProblem::UnknownTenant))
            }
        }
    }

    /// When the credential expires; `None` if it never does.
    fn end_of(&self, evidence: &Evidence) -> Option<Time> {
        match evidence {
            Evidence::Key(hash) => self.directory.end_of_key(hash),
            Evidence::Token(bearer) => Some(bearer.expires_at),
            Evidence::Guest(guest) => Some(guest.expires_at),
        }
    }
}

/// The caller's right to what the handler requires, for as long as an answer runs.
#[derive(Clone)]
pub struct Warrant {
    pub(super) authenticator: web::Data<Authenticator>,
    pub(super) evidence: Evidence,
    pub(super) principal: Principal,
    pub(super) scope: Option<Scope>,
}

impl Warrant {
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Resolves once the right is gone, with the error that a new request would get.
    pub async fn ended(self) -> ApiError {
        // subscribes before it checks, so that it misses no change
        let mut rights = self.authenticator.directory.watch(&self.principal);
        let guests =
            self.authenticator.guests.clone().filter(|_| matches!(self.evidence, Evidence::Guest(_)));
        let mut keys = guests.map(|guests| guests.replaced());
        loop {
            if let Err(error) = self.check() {
                metrics::counter!(domain::metrics::ANSWERS_CUT, "code" => error.code().as_str()).increment(1);
                return error;
            }
            let end = self.authenticator.end_of(&self.evidence);
            let changed = async {
                match &mut rights {
                    Some(rights) => rights.changed().await,
                    None => pending().await,
                }
            };
            let replaced = async {
                let heard = match &mut keys {
                    Some(keys) => keys.changed().await.is_ok(),
                    None => false,
                };
                if !heard {
                    pending().await
                }
            };
            let over = async {
                match end {
                    Some(end) => self.authenticator.clock.sleep_until(end).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = changed => {}
                () = replaced => {}
                () = over => {}
            }
        }
    }

    fn check(&self) -> Result<(), ApiError> {
        let now = self.authenticator.principal(&self.evidence)?;
        match self.scope {
            Some(scope) if !now.scopes.grants(scope) => Err(ApiError::insufficient_scope(scope.as_str())),
            _ if now.client != self.principal.client => Err(ApiError::token_revoked()),
            _ => Ok(()),
        }
    }

    /// Runs `work` while the right lasts. Once the right is gone, fails as a new request would.
    pub async fn during<T>(self, work: impl Future<Output = T>) -> Result<T, ApiError> {
        let mut ended = pin!(self.ended());
        tokio::select! {
            biased;
            error = &mut ended => Err(error),
            done = work => Ok(done),
        }
    }

    /// Ends the stream normally when the right ends: the client reconnects and then learns the reason.
    pub fn ends<S: Stream>(self, stream: S) -> impl Stream<Item = S::Item> {
        stream.take_until(Box::pin(self.ended()))
    }

    /// Cuts the stream off when the right ends, because an incomplete body must not look complete.
    pub fn cuts<T, S>(self, stream: S) -> impl Stream<Item = Result<T, ApiError>>
    where
        S: Stream<Item = Result<T, ApiError>>,
    {
        struct Cut<S> {
            stream: Pin<Box<S>>,
            ended: Option<Pin<Box<dyn Future<Output = ApiError>>>>,
        }
        let cut = Cut { stream: Box::pin(stream), ended: Some(Box::pin(self.ended())) };
        futures::stream::unfold(cut, |mut cut| async move {
            let ended = cut.ended.as_mut()?;
            let item = tokio::select! {
                biased;
                error = ended => {
                    cut.ended = None;
                    Err(error)
                }
                item = cut.stream.next() => item?,
            };
            Some((item, cut))
        })
    }
}

impl fmt::Debug for Warrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Warrant").field("principal", &self.principal).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use conformance::fakes::clock::ManualClock;
    use domain::ids::{ApiKeyId, ClientId, LoginId, UserId};
    use domain::ports::clock::Clock as _;
    use domain::user::Role;
    use futures::FutureExt as _;
    use uuid::Uuid;

    use super::super::Directory;
    use super::super::principal::{Bounds, Who};
    use super::super::scope::Scopes;
    use super::super::tokens::{LIFETIME, Tokens};
    use super::super::watchers::{Watched, Watchers};
    use super::*;
    use crate::problem::Code;

    /// A directory of one key and one user, whose scopes a test can change or remove.
    #[derive(Debug)]
    struct Two {
        scopes: Mutex<Option<Scopes>>,
        key_ends: Option<Time>,
        watchers: Arc<Watchers>,
    }

    impl Two {
        fn principal(&self, who: Who) -> Option<Principal> {
            let scopes = (*self.scopes.lock().unwrap())?;
            Some(Principal { client: ClientId(Uuid::nil()), who, scopes, platform: false })
        }

        fn change(&self, scopes: Option<Scopes>) {
            *self.scopes.lock().unwrap() = scopes;
            self.watchers.tell(Uuid::from_u128(7));
        }
    }

    impl Directory for Two {
        fn key(&self, _: &KeyHash) -> Result<Principal, KeyProblem> {
            let key = Who::Key { id: ApiKeyId(Uuid::from_u128(7)), bounds: Bounds::default() };
            self.principal(key).ok_or(KeyProblem::Revoked)
        }

        fn bearer(&self, bearer: &Bearer) -> Option<Principal> {
            self.principal(Who::User { id: bearer.user, role: Role::Viewer, login: Some(bearer.login) })
        }

        fn guest(&self, _: &Guest) -> Option<Principal> {
            None
        }

        fn end_of_key(&self, _: &KeyHash) -> Option<Time> {
            self.key_ends
        }

        fn watch(&self, principal: &Principal) -> Option<Watched> {
            Some(self.watchers.watch(principal))
        }
    }

    fn world(key_ends: Option<Time>) -> (Arc<ManualClock>, Arc<Two>, web::Data<Authenticator>) {
        let clock = Arc::new(ManualClock::default());
        let scopes = Mutex::new(Some(Scopes::EVERYTHING));
        let directory = Arc::new(Two { scopes, key_ends, watchers: Arc::default() });
        let tokens = Arc::new(Tokens::new([1; 32], clock.clone()));
        let authenticator =
            Authenticator { directory: directory.clone(), tokens, guests: None, clock: clock.clone() };
        (clock, directory, web::Data::new(authenticator))
    }

    fn warrant(authenticator: &web::Data<Authenticator>, evidence: Evidence) -> Warrant {
        let principal = authenticator.principal(&evidence).unwrap();
        Warrant { authenticator: authenticator.clone(), evidence, principal, scope: Some(Scope::CallsRead) }
    }

    #[tokio::test]
    async fn a_right_ends_when_the_key_may_no_longer_do_what_it_was_for_and_not_before() {
        let (_, directory, authenticator) = world(None);
        let mut ended = Box::pin(warrant(&authenticator, Evidence::Key(KeyHash([1; 32]))).ended());
        assert!(ended.as_mut().now_or_never().is_none());
        directory.change(Some(Scopes::parse(&["calls:read"]).unwrap()));
        assert!(ended.as_mut().now_or_never().is_none(), "less, and enough");
        directory.change(Some(Scopes::parse(&["calls:write"]).unwrap()));
        assert_eq!(ended.await.code(), Code::InsufficientScope);
        directory.change(Some(Scopes::EVERYTHING));
        let ended = warrant(&authenticator, Evidence::Key(KeyHash([1; 32]))).ended();
        directory.change(None);
        assert_eq!(ended.await.code(), Code::ApiKeyRevoked);
    }

    #[tokio::test]
    async fn a_right_ends_with_the_time_of_its_token() {
        let (clock, directory, authenticator) = world(None);
        let (user, login) = (UserId(Uuid::from_u128(7)), LoginId(Uuid::nil()));
        let token = authenticator.tokens.issue(user, ClientId(Uuid::nil()), Role::Viewer, login).unwrap();
        let evidence = Evidence::Token(authenticator.tokens.read(&token).unwrap());
        let mut ended = Box::pin(warrant(&authenticator, evidence).ended());
        directory.change(Some(Scopes::EVERYTHING));
        clock.advance(LIFETIME - Duration::from_secs(1));
        assert!(ended.as_mut().now_or_never().is_none());
        clock.advance(Duration::from_secs(1));
        assert_eq!(ended.await.code(), Code::TokenExpired);
    }

    #[tokio::test]
    async fn a_right_is_looked_at_again_when_its_key_ends() {
        let ends = ManualClock::default().now() + Duration::from_secs(60);
        let (clock, directory, authenticator) = world(Some(ends));
        let mut ended = Box::pin(warrant(&authenticator, Evidence::Key(KeyHash([1; 32]))).ended());
        assert!(ended.as_mut().now_or_never().is_none());
        // no change is announced when a key reaches its known expiry
        *directory.scopes.lock().unwrap() = None;
        assert!(ended.as_mut().now_or_never().is_none());
        clock.advance(Duration::from_secs(60));
        assert_eq!(ended.await.code(), Code::ApiKeyRevoked);
    }

    #[tokio::test]
    async fn what_must_be_whole_is_cut_and_the_rest_ends() {
        let (_, directory, authenticator) = world(None);
        let right = || warrant(&authenticator, Evidence::Key(KeyHash([1; 32])));
        let endless =
            || futures::stream::repeat(0).map(Ok::<_, ApiError>).take(3).chain(futures::stream::pending());
        let (mut cut, mut ending) = (Box::pin(right().cuts(endless())), Box::pin(right().ends(endless())));
        for _ in 0..3 {
            assert!(cut.next().await.unwrap().is_ok() && ending.next().await.unwrap().is_ok());
        }
        let work = right().during(pending::<()>());
        directory.change(None);
        assert!(cut.next().await.unwrap().is_err() && cut.next().await.is_none());
        assert!(ending.next().await.is_none());
        assert_eq!(work.await.unwrap_err().code(), Code::ApiKeyRevoked);
    }
}
