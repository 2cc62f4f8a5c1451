//! How the generic resource code reads users and answers their refusals.

use domain::envelope::StreamId;
use domain::ids::{ClientId, UserId};
use domain::login::LoginRefusal;
use domain::ports::StoreUnavailable;
use domain::user::{User, UserRefusal};
use projections::Queries;
use projections::page::Stored;
use projections::users::Users;

use super::super::super::commands::AsProblem;
use super::super::super::resource::Resource;
use super::super::refresh::refused;
use crate::problem::ApiError;

#[derive(Debug)]
pub(in crate::v1) struct UserResource;

impl Resource for UserResource {
    type Id = UserId;
    type Rules = User;
    type View = Users;

    fn stream(id: UserId) -> StreamId {
        id.stream()
    }

    async fn stored(
        views: &dyn Queries,
        client: ClientId,
        id: UserId,
    ) -> Result<Option<Stored>, StoreUnavailable> {
        views.user(client, id).await
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
