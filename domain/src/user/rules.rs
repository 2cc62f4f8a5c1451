//! Commands and rules of a user.

use super::event::{
    LoginFailed, PasswordChanged, SignedOut, UserCreated, UserDeleted, UserEvent, UserTerms, UserUpdated,
};
use super::role::Role;
use crate::aggregate::Aggregate;
use crate::envelope::Time;
use crate::origin::Origin;
use crate::ports::vault::Sealed;

/// An e-mail address in the form it is compared in: trimmed, lower case. `None` unless it has exactly one `@` with
/// something on both sides, at most 254 bytes (RFC 5321 §4.5.3.1.3), and no blanks or control characters.
#[must_use]
pub fn normal_email(text: &str) -> Option<String> {
    let email = text.trim().to_lowercase();
    let (name, host) = email.split_once('@')?;
    let clean = !email.contains(|c: char| c.is_whitespace() || c.is_control()) && !host.contains('@');
    (clean && !name.is_empty() && host.contains('.') && email.len() <= 254).then_some(email)
}

#[derive(Debug, Clone)]
pub enum UserCommand {
    Create(Box<UserCreated>),
    /// Changes the user; `None` leaves a field as it is.
    Update {
        role: Option<Role>,
        /// Whether they may sign in.
        enabled: Option<bool>,
        /// The Argon2id hash in PHC form, sealed.
        password: Option<Sealed>,
        origin: Origin,
        now: Time,
    },
    /// Signs the user out everywhere.
    SignOut {
        origin: Origin,
        now: Time,
    },
    /// Records a failed attempt to sign in.
    NoteFailedLogin {
        origin: Origin,
        now: Time,
    },
    Delete {
        origin: Origin,
        now: Time,
    },
}

/// Why a command on a user is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserRefusal {
    /// The user was never created, or is deleted.
    #[error("the user does not exist")]
    Unknown,
    #[error("the user exists already")]
    Exists,
}

/// State of a user, folded from their events.
#[derive(Debug, Clone, Default)]
pub struct User {
    email: Option<String>,
    terms: Option<UserTerms>,
    password: Option<Sealed>,
    deleted: bool,
}

impl User {
    /// The sealed hash of the password; `None` if the user may not sign in.
    #[must_use]
    pub fn password(&self) -> Option<&Sealed> {
        let enabled = self.terms.is_some_and(|terms| terms.enabled) && !self.deleted;
        self.password.as_ref().filter(|_| enabled)
    }

    /// The role; `None` if the user does not exist.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        self.live().ok().map(|terms| terms.role)
    }

    fn live(&self) -> Result<UserTerms, UserRefusal> {
        self.terms.filter(|_| !self.deleted).ok_or(UserRefusal::Unknown)
    }
}

impl Aggregate for User {
    const CATEGORY: &'static str = crate::ids::UserId::CATEGORY;
    type Command = UserCommand;
    type Event = UserEvent;
    type Refusal = UserRefusal;

    fn decide(&self, command: &UserCommand) -> Result<Vec<UserEvent>, UserRefusal> {
        match command {
            UserCommand::Create(user) => match (self.terms, &self.email) {
                (None, _) => Ok(vec![UserCreated::clone(user).into()]),
                // the same request once more
                (Some(_), email) if !self.deleted && email.as_ref() == user.email.reveal() => Ok(vec![]),
                (Some(_), _) => Err(UserRefusal::Exists),
            },
            UserCommand::Update { role, enabled, password, origin, now } => {
                let before = self.live()?;
                let after = UserTerms {
                    role: role.unwrap_or(before.role),
                    enabled: enabled.unwrap_or(before.enabled),
                };
                let mut facts = Vec::new();
                if after != before {
                    facts.push(UserUpdated { before, after, origin: origin.clone(), at: *now }.into());
                }
                if let Some(password) = password {
                    let password = password.clone();
                    facts.push(PasswordChanged { password, origin: origin.clone(), at: *now }.into());
                }
                Ok(facts)
            }
            UserCommand::SignOut { origin, now } => {
                self.live()?;
                Ok(vec![SignedOut { origin: origin.clone(), at: *now }.into()])
            }
            UserCommand::NoteFailedLogin { origin, now } => {
                self.live()?;
                Ok(vec![LoginFailed { origin: origin.clone(), at: *now }.into()])
            }
            UserCommand::Delete { origin, now } => {
                self.live()?;
                Ok(vec![UserDeleted { origin: origin.clone(), at: *now }.into()])
            }
        }
    }

    fn evolve(&mut self, event: &UserEvent) {
        match event {
            UserEvent::Created(created) => {
                self.email = created.email.reveal().cloned();
                self.terms = Some(UserTerms { role: created.role, enabled: true });
                self.password = Some(created.password.clone());
            }
            UserEvent::Updated(updated) => self.terms = Some(updated.after),
            UserEvent::PasswordChanged(changed) => self.password = Some(changed.password.clone()),
            UserEvent::Deleted(_) => self.deleted = true,
            UserEvent::SignedOut(_) | UserEvent::LoginFailed(_) => {}
        }
    }
}
