//! How the generic resource code reads users and answers their refusals.

use super::super::super::paging::Filter;
use super::super::owners::leave_an_owner;
use super::reach::covers_user;
use crate::auth::Principal;
use crate::auth::permissions::UsersWrite;
use crate::backend::Backend;
use domain::envelope::Time;
use domain::ids::UserId;
use domain::login::LoginRefusal;
use domain::origin::Origin;
use domain::user::Role;
use domain::user::UserCommand;
use domain::user::{User, UserRefusal};
use projections::users::Users;
use projections::words::each;

use super::super::super::commands::AsProblem;
use super::super::super::recipe::{Delete, Recipe, Wording};
use super::super::super::resource::Resource;
use super::super::refresh::refused;
use crate::auth::permissions::UsersRead;
use crate::problem::ApiError;

#[derive(Debug)]
pub(crate) struct UserResource;

impl Resource for UserResource {
    type Id = UserId;
    type Rules = User;
    type View = Users;
}

impl Recipe for UserResource {
    type Read = UsersRead;

    const WORDING: Wording = Wording {
        path: "/auth/users",
        tag: "users",
        operation: "User",
        one: "a user",
        noun: "user",
        many: "users",
        about_list: "",
    };

    fn filters() -> Vec<Filter> {
        vec![
            Filter::flag("enabled").says("`true`: only enabled ones; `false`: only disabled ones"),
            Filter::word("role", each(&Role::ALL, Role::as_str)).says("Only users with this role"),
        ]
    }
}

impl Delete for UserResource {
    type Write = UsersWrite;

    const SUMMARY: &'static str = "Remove a user from the client.";
    const ABOUT: &'static str = "The user is signed out, and the e-mail address may be used again.";

    fn command(origin: Origin, now: Time) -> UserCommand {
        UserCommand::Delete { origin, now }
    }

    async fn check(backend: &Backend, caller: &Principal, id: UserId) -> Result<(), ApiError> {
        covers_user(backend, caller, id)?;
        leave_an_owner(backend, caller, id.0).await
    }
}

impl AsProblem for UserRefusal {
    const KIND: &'static str = "user";

    fn as_problem(&self) -> ApiError {
        match self {
            UserRefusal::Unknown => ApiError::not_found(Self::KIND),
            UserRefusal::Exists => ApiError::conflict(self.to_string()),
        }
    }
}

impl AsProblem for LoginRefusal {
    const KIND: &'static str = "login";

    fn as_problem(&self) -> ApiError {
        refused(self)
    }
}
