//! The view of users, the people who sign in.

use std::time::Duration;

use async_trait::async_trait;
use domain::aggregate::Aggregate;
use domain::envelope::{Position, Recorded, Time, Version};
use domain::ids::{ClientId, LoginId, UserId};
use domain::login::{Login, LoginEvent};
use domain::ports::StoreUnavailable;
use domain::user::{Role, User, UserEvent};
use domain::wire::{DecodeError, DomainEvent};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::document::DocumentTable;
use crate::numbers::knows;
use crate::view::{At, Row, Shown, View};

/// A user who can sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = User)]
pub struct UserView {
    /// Id of the user: TypeID `usr_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub id: UserId,
    /// Email address the user signs in with; `null` once erased.
    #[schema(example = "ann@example.com", format = Email)]
    pub email: Option<String>,
    /// Role, which decides what the user may do.
    #[schema(value_type = crate::words::UserRole)]
    pub role: Role,
    /// Whether the user may sign in.
    pub enabled: bool,
    /// When the user was added.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When the user was last changed.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
    /// Version of the user's stream, which is also the `ETag`.
    #[schema(minimum = 1)]
    pub version: u64,
}

/// A login that was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedLogin {
    pub login: LoginId,
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub at: Time,
}

/// How long an ended login is remembered: longer than an access token is valid.
const REMEMBERED: Duration = Duration::from_secs(20 * 60);

/// What an event means to a user.
#[derive(Debug)]
pub enum UserFact {
    /// The user was created, changed or deleted, or signed in or out.
    Life(UserEvent),
    /// One of the user's logins was ended.
    LoginEnded(EndedLogin),
}

#[derive(Debug, Clone, PartialEq)]
pub struct UserRow {
    pub client: ClientId,
    /// Position of the last event in the row.
    pub position: Position,
    /// Whether the user was deleted: the row stays, without the email address, and no query shows it.
    pub removed: bool,
    /// Tokens issued before this time are invalid.
    pub valid_from: Time,
    /// Logins ended lately, whose last access tokens may still be unexpired.
    pub ended_logins: Vec<EndedLogin>,
    pub view: UserView,
}

impl Row for UserRow {
    type Key = Uuid;

    fn key(&self) -> Uuid {
        self.view.id.0
    }
}

impl Shown for UserRow {
    const TABLE: DocumentTable = DocumentTable { name: "users", keeps_removed: true };

    type Resource = UserView;

    fn resource(&self) -> &UserView {
        &self.view
    }

    fn version(&self) -> Version {
        Version(self.view.version)
    }
}

/// The view of users: one row a user.
#[derive(Debug)]
pub struct Users;

impl View for Users {
    const NAME: &'static str = "users";
    const FOLDS: bool = true;
    const PERSONAL: Option<&'static [&'static str]> = Some(&["user.created"]);
    type Row = UserRow;
    type Fact = UserFact;

    fn read(event: &Recorded) -> Result<Option<(Uuid, UserFact)>, DecodeError> {
        let (event_type, schema) = (&*event.event_type, event.schema);
        match event.stream.category() {
            User::CATEGORY if knows::<UserEvent>(event_type) => {
                let fact = UserEvent::decode(event_type, schema, &event.payload)?;
                Ok(Some((event.stream.id(), UserFact::Life(fact))))
            }
            Login::CATEGORY if event_type == "login.revoked" => {
                let fact = LoginEvent::decode(event_type, schema, &event.payload)?;
                let LoginEvent::Revoked(revoked) = fact else { return Ok(None) };
                let ended = EndedLogin { login: LoginId(event.stream.id()), at: revoked.at };
                Ok(Some((revoked.user.0, UserFact::LoginEnded(ended))))
            }
            _ => Ok(None),
        }
    }

    fn apply(row: &mut Option<UserRow>, at: &At, fact: UserFact) {
        let fact = match (row.as_mut(), fact) {
            (Some(row), UserFact::LoginEnded(ended)) => {
                row.ended_logins.retain(|earlier| earlier.at + REMEMBERED > ended.at);
                row.ended_logins.push(ended);
                row.position = at.position;
                return;
            }
            (None, UserFact::LoginEnded(_)) => return,
            (_, UserFact::Life(fact)) => fact,
        };
        match (row.as_mut(), fact) {
            (None, UserEvent::Created(created)) => {
                let view = UserView {
                    id: UserId(at.id),
                    email: created.email.into_inner(),
                    role: created.role,
                    enabled: true,
                    created_at: created.at,
                    updated_at: created.at,
                    version: at.version.0,
                };
                let (client, position, valid_from) = (at.client, at.position, created.at);
                let ended_logins = Vec::new();
                *row = Some(UserRow { client, position, removed: false, valid_from, ended_logins, view });
            }
            (Some(row), fact) => {
                match fact {
                    UserEvent::Created(_) => return,
                    UserEvent::Updated(updated) => {
                        if row.view.enabled && !updated.after.enabled {
                            row.valid_from = updated.at;
                        }
                        row.view.role = updated.after.role;
                        row.view.enabled = updated.after.enabled;
                        row.view.updated_at = updated.at;
                    }
                    UserEvent::PasswordChanged(changed) => {
                        row.valid_from = changed.at;
                        row.view.updated_at = changed.at;
                    }
                    UserEvent::SignedOut(out) => row.valid_from = out.at,
                    UserEvent::LoginFailed(_) => {}
                    UserEvent::Deleted(deleted) => {
                        row.removed = true;
                        row.view.email = None;
                        row.view.updated_at = deleted.at;
                    }
                }
                row.view.version = at.version.0;
                row.position = at.position;
            }
            (None, _) => {}
        }
    }
}

/// Queries of the client's users.
#[async_trait]
pub trait UserQueries: Send + Sync {
    /// Up to `limit` users of all clients, by id, after `after`: fills the directory in memory. Deleted
    /// users are left out.
    async fn user_directory(
        &self,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<UserRow>, StoreUnavailable>;
}
