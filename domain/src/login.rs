//! A login: the family of refresh tokens that one sign-in begins.
//!
//! Every use of a refresh token replaces it. When a replaced token is used again, either that use or the one
//! before was a thief's; nobody can tell which, so the whole family is revoked (RFC 9700 §4.14.2).

use std::collections::BTreeSet;

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::aggregate::Aggregate;
use crate::envelope::Time;
use crate::ids::UserId;
use crate::origin::Origin;
use crate::wire::events;

events! {
    pub enum LoginEvent {
        /// A user signed in.
        Started(LoginStarted) = "login.started" v 1,
        /// A new refresh token replaced the old one.
        Refreshed(LoginRefreshed) = "login.refreshed" v 1,
        /// All tokens of this login are refused from now on.
        Revoked(LoginRevoked) = "login.revoked" v 1,
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoginStarted {
    pub user: UserId,
    /// SHA-256 of the refresh token, 32 bytes.
    pub token_hash: ByteBuf,
    /// Until when the refresh token may be used.
    #[serde(with = "micros")]
    pub expires_at: Time,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoginRefreshed {
    /// SHA-256 of the new refresh token, 32 bytes.
    pub token_hash: ByteBuf,
    /// Until when the new refresh token may be used.
    #[serde(with = "micros")]
    pub expires_at: Time,
    #[serde(with = "micros")]
    pub at: Time,
}

/// Why a login ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevokedFor {
    /// The user signed out.
    SignOut,
    /// A token was used again after it was replaced.
    Reuse,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoginRevoked {
    pub reason: RevokedFor,
    pub user: UserId,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone)]
pub enum LoginCommand {
    Start(LoginStarted),
    /// Replaces the refresh token by another.
    Refresh {
        /// SHA-256 of the token that the client presents.
        shown: ByteBuf,
        /// SHA-256 of the token that replaces it.
        next: ByteBuf,
        /// Until when the next token may be used.
        expires_at: Time,
        origin: Origin,
        now: Time,
    },
    /// Ends the login; any token it ever had will do.
    Revoke {
        /// SHA-256 of the token that the client presents.
        shown: ByteBuf,
        origin: Origin,
        now: Time,
    },
}

/// Why the login refuses a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginRefusal {
    /// The login does not exist, or never had this token.
    #[error("the refresh token is unknown")]
    Unknown,
    /// The token was not used in time.
    #[error("the refresh token has expired; sign in again")]
    Expired,
    /// The login ended earlier, for this reason.
    #[error("the login was ended; sign in again")]
    Revoked(RevokedFor),
    #[error("the login exists already")]
    Exists,
}

/// State of a login, folded from its events.
#[derive(Debug, Clone, Default)]
pub struct Login {
    started: Option<(UserId, Time)>,
    current: Option<(ByteBuf, Time)>,
    replaced: BTreeSet<Vec<u8>>,
    revoked: Option<RevokedFor>,
}

impl Login {
    /// The user who signed in, and when.
    #[must_use]
    pub fn started(&self) -> Option<(UserId, Time)> {
        self.started
    }

    /// Why the login was revoked; `None` while it is valid.
    #[must_use]
    pub fn revoked(&self) -> Option<RevokedFor> {
        self.revoked
    }

    fn refresh(
        &self,
        shown: &ByteBuf,
        next: &ByteBuf,
        expires_at: Time,
        origin: &Origin,
        now: Time,
    ) -> Result<Vec<LoginEvent>, LoginRefusal> {
        let (Some((user, _)), Some((current, until))) = (self.started, &self.current) else {
            return Err(LoginRefusal::Unknown);
        };
        let was_replaced = self.replaced.contains(shown.as_slice());
        if current != shown && !was_replaced {
            return Err(LoginRefusal::Unknown);
        }
        if let Some(reason) = self.revoked {
            return Err(LoginRefusal::Revoked(reason));
        }
        if was_replaced {
            let reason = RevokedFor::Reuse;
            return Ok(vec![LoginRevoked { reason, user, origin: origin.clone(), at: now }.into()]);
        }
        if *until <= now {
            return Err(LoginRefusal::Expired);
        }
        Ok(vec![LoginRefreshed { token_hash: next.clone(), expires_at, at: now }.into()])
    }
}

impl Aggregate for Login {
    const CATEGORY: &'static str = crate::ids::LoginId::CATEGORY;
    type Command = LoginCommand;
    type Event = LoginEvent;
    type Refusal = LoginRefusal;

    fn decide(&self, command: &LoginCommand) -> Result<Vec<LoginEvent>, LoginRefusal> {
        match command {
            LoginCommand::Start(_) if self.started.is_some() => Err(LoginRefusal::Exists),
            LoginCommand::Start(started) => Ok(vec![started.clone().into()]),
            LoginCommand::Refresh { shown, next, expires_at, origin, now } => {
                self.refresh(shown, next, *expires_at, origin, *now)
            }
            LoginCommand::Revoke { shown, origin, now } => {
                let known = self.current.as_ref().is_some_and(|(current, _)| current == shown)
                    || self.replaced.contains(shown.as_slice());
                match (self.started, known, self.revoked) {
                    (Some(_), true, Some(_)) => Ok(vec![]),
                    (Some((user, _)), true, None) => {
                        let reason = RevokedFor::SignOut;
                        Ok(vec![LoginRevoked { reason, user, origin: origin.clone(), at: *now }.into()])
                    }
                    _ => Err(LoginRefusal::Unknown),
                }
            }
        }
    }

    fn evolve(&mut self, event: &LoginEvent) {
        match event {
            LoginEvent::Started(started) => {
                self.started = Some((started.user, started.at));
                self.current = Some((started.token_hash.clone(), started.expires_at));
            }
            LoginEvent::Refreshed(refreshed) => {
                let next = (refreshed.token_hash.clone(), refreshed.expires_at);
                if let Some((before, _)) = self.current.replace(next) {
                    self.replaced.insert(before.into_vec());
                }
            }
            LoginEvent::Revoked(revoked) => self.revoked = Some(revoked.reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::testing::calls::at;
    use crate::testing::scenario::{Scenario, scenario};

    const ANN: UserId = UserId(Uuid::from_u128(7));

    fn hash(n: u8) -> ByteBuf {
        ByteBuf::from([n; 32])
    }

    fn begun() -> LoginStarted {
        let origin = Origin::default();
        LoginStarted { user: ANN, token_hash: hash(1), expires_at: at(100), origin, at: at(0) }
    }

    fn refresh(shown: u8, next: u8, seconds: i64) -> LoginCommand {
        LoginCommand::Refresh {
            shown: hash(shown),
            next: hash(next),
            expires_at: at(seconds + 100),
            origin: Origin::default(),
            now: at(seconds),
        }
    }

    fn revoke(shown: u8) -> LoginCommand {
        LoginCommand::Revoke { shown: hash(shown), origin: Origin::default(), now: at(50) }
    }

    fn there() -> Scenario<Login> {
        scenario::<Login>().after([LoginCommand::Start(begun())])
    }

    #[test]
    fn a_token_is_replaced_by_every_use() {
        let once = there().when(refresh(1, 2, 10));
        let event = LoginRefreshed { token_hash: hash(2), expires_at: at(110), at: at(10) };
        let once = once.then([event.into()]).and();
        once.when(refresh(2, 3, 20)).then_types(["login.refreshed"]);
    }

    #[test]
    fn a_token_that_comes_again_ends_the_whole_family() {
        let twice = there().after([refresh(1, 2, 10), refresh(2, 3, 20)]);
        for replaced in [1, 2] {
            let ended = twice.clone().when(refresh(replaced, 9, 30)).then_types(["login.revoked"]).and();
            assert_eq!(ended.state().revoked(), Some(RevokedFor::Reuse));
            for any in [1, 2, 3] {
                let refusal = LoginRefusal::Revoked(RevokedFor::Reuse);
                ended.clone().when(refresh(any, 9, 31)).then_refused(refusal);
            }
        }
    }

    #[test]
    fn a_token_that_nobody_gave_out_does_no_harm() {
        there().when(refresh(8, 9, 10)).then_refused(LoginRefusal::Unknown);
        there().when(revoke(8)).then_refused(LoginRefusal::Unknown);
        scenario::<Login>().when(refresh(1, 2, 10)).then_refused(LoginRefusal::Unknown);
    }

    #[test]
    fn a_token_ends_in_time_and_the_next_one_later() {
        there().when(refresh(1, 2, 100)).then_refused(LoginRefusal::Expired);
        there().after([refresh(1, 2, 99)]).when(refresh(2, 3, 150)).then_types(["login.refreshed"]);
    }

    #[test]
    fn signing_out_ends_it_with_any_of_its_tokens() {
        let refreshed = there().after([refresh(1, 2, 10)]);
        for token in [1, 2] {
            let ended = refreshed.clone().when(revoke(token)).then_types(["login.revoked"]).and();
            ended.clone().when(revoke(token)).then_nothing();
            let refusal = LoginRefusal::Revoked(RevokedFor::SignOut);
            ended.when(refresh(2, 3, 60)).then_refused(refusal);
        }
        there().when(LoginCommand::Start(begun())).then_refused(LoginRefusal::Exists);
    }
}
