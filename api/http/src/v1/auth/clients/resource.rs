//! How the generic resource code reads clients, answers their refusals and checks who may see them.

use domain::client::{Client, ClientRefusal};
use domain::ids::ClientId;
use domain::ports::StoreUnavailable;
use projections::Queries;
use projections::clients::Clients;
use projections::page::Stored;

use super::super::super::commands::AsProblem;
use super::super::super::resource::Resource;
use crate::auth::Principal;
use crate::problem::{ApiError, Code};

#[derive(Debug)]
pub(super) struct ClientResource;

impl Resource for ClientResource {
    type Id = ClientId;
    type Rules = Client;
    type View = Clients;

    async fn stored(
        views: &dyn Queries,
        client: ClientId,
        id: ClientId,
    ) -> Result<Option<Stored>, StoreUnavailable> {
        if client == id { views.client(id).await } else { Ok(None) }
    }
}

impl AsProblem for ClientRefusal {
    const KIND: &'static str = "client";

    fn as_problem(&self) -> ApiError {
        match self {
            ClientRefusal::Unknown => ApiError::not_found(Self::KIND),
            ClientRefusal::Exists => ApiError::conflict(self.to_string()),
            ClientRefusal::Name => ApiError::invalid("name", "invalid", self.to_string()),
            ClientRefusal::CreditLine => ApiError::invalid("credit_line", "invalid", self.to_string()),
            ClientRefusal::NoRequests => {
                ApiError::invalid("limits.requests_per_minute", "invalid", self.to_string())
            }
        }
    }
}

/// The caller as a member of `client`: the platform's administrator in any client, everybody else only in their
/// own. Answers 404 for another client.
pub(super) fn inside(caller: &Principal, client: ClientId) -> Result<Principal, ApiError> {
    match caller.platform || caller.client == client {
        true => Ok(Principal { client, ..*caller }),
        false => Err(ApiError::not_found(ClientRefusal::KIND)),
    }
}

/// Like [`inside`], for actions of the platform's administrator only. Answers 404 for another client and 403
/// for the caller's own.
pub(in super::super::super) fn above(caller: &Principal, client: ClientId) -> Result<Principal, ApiError> {
    let inside = inside(caller, client)?;
    match caller.platform {
        true => Ok(inside),
        false => Err(ApiError::new(Code::PlatformOnly, "only the platform's administrator changes a client")),
    }
}
