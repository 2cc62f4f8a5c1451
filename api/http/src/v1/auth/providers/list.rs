//! Endpoint that lists a client's accounts with providers.

use actix_web::{get, web};
use domain::provider::ProviderKind;

use super::account::{Account, session};
use crate::auth::Caller;
use crate::auth::permissions::ProvidersRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Listed};

/// List accounts with providers.
///
/// At most one account of each kind; for a kind without one, the node's own account is used.
#[utoipa::path(get, path = "/api/v1/auth/providers", tag = "providers", operation_id = "listProviders",
    responses((status = 200, description = "The accounts", body = Listed<Account>), Problem))]
#[get("/auth/providers")]
pub(crate) async fn list_providers(
    caller: Caller<ProvidersRead>,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let mut accounts = Vec::new();
    for kind in ProviderKind::ALL {
        let session = session(&backend, caller.client, kind).await?;
        if let Some((terms, _)) = session.state().current() {
            accounts.push(Account::of(kind, terms, session.version().0));
        }
    }
    Ok(Answer::list(&accounts, None))
}
