//! Users: people who sign in.

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

use crate::numbers::knows;
use crate::page::{Page, PageRequest, Stored};
use crate::view::{At, Row, Shown, View};

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = User)]
pub struct UserView {
    /// TypeID `usr_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub id: UserId,
    /// What they sign in with; `null` once erased.
    #[schema(example = "ann@example.com", format = Email)]
    pub email: Option<String>,
    /// What they may do.
    #[schema(value_type = crate::words::UserRole)]
    pub role: Role,
    /// Whether they may sign in.
    pub enabled: bool,
    /// When they were added.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When they were last changed.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
    /// Version of their stream; their `ETag`.
    #[schema(minimum = 1)]
    pub version: u64,
}

/// A login that was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedLogin {
    /// Which.
    pub login: LoginId,
    /// When.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub at: Time,
}

/// How long an ended login is kept in mind: longer than any access token lives.
const REMEMBERED: Duration = Duration::from_secs(20 * 60);

/// What an event means to a user.
#[derive(Debug)]
pub enum UserFact {
    /// Something befell them.
    Life(UserEvent),
    /// A login of theirs was ended.
    LoginEnded(EndedLogin),
}

/// A user's row.
#[derive(Debug, Clone, PartialEq)]
pub struct UserRow {
    /// Whose user.
    pub client: ClientId,
    /// The last event that touched it.
    pub position: Position,
    /// Gone: shown to nobody, without the address.
    pub removed: bool,
    /// Tokens given out before are void.
    pub valid_from: Time,
    /// Logins ended lately, whose last access tokens may still be around.
    pub ended_logins: Vec<EndedLogin>,
    /// What is shown.
    pub view: UserView,
}

impl Row for UserRow {
    type Key = Uuid;

    fn key(&self) -> Uuid {
        self.view.id.0
    }
}

impl Shown for UserRow {
    type Resource = UserView;

    fn resource(&self) -> &UserView {
        &self.view
    }

    fn version(&self) -> Version {
        Version(self.view.version)
    }
}

/// The view of users.
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

/// Reads of users.
#[async_trait]
pub trait UserQueries: Send + Sync {
    /// One [user](UserView) of the client's, as JSON.
    async fn user(&self, client: ClientId, id: UserId) -> Result<Option<Stored>, StoreUnavailable>;

    /// A page of the client's [users](UserView), by `created_at` and id.
    async fn users(&self, client: ClientId, page: &PageRequest) -> Result<Page, StoreUnavailable>;

    /// Up to `limit` users of all clients, by id, after `after`: to fill a directory in memory. Removed ones are
    /// left out.
    async fn user_directory(
        &self,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<UserRow>, StoreUnavailable>;
}
