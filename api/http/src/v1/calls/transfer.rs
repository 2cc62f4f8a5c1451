//! Endpoint that transfers a call to another party.

use actix_web::{post, web};
use actors::billing::Dialled;
use domain::call::CallCommand;
use domain::ids::CallId;
use domain::phone::Party;
use domain::ports::ids::Ids as _;
use projections::calls::CallView;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::billing::spend::not_admitted;
use super::super::commands::context;
use super::answer::command;
use crate::auth::Caller;
use crate::auth::permissions::CallsWrite;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, JsonBody, NewIds, PathId, RequestContext};

/// Party to transfer a call to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Transfer {
    /// A number in E.164, or a SIP URI.
    #[schema(example = "+12025550155")]
    to: String,
}

/// Transfer a call to another party.
///
/// The call must be in progress, and the spend limits must allow the destination; it ends as `transferred` when the other party answers.
#[utoipa::path(post, path = "/api/v1/calls/{id}/transfer", tag = "calls", operation_id = "transferCall",
    params(("id" = String, Path, description = "Id of the call: `call_…`")), request_body = Transfer,
    responses((status = 202, description = "The node will transfer the call: follow it by its id",
        body = Enveloped<CallView>), Problem))]
#[post("/calls/{id}/transfer")]
pub(crate) async fn transfer_call(
    caller: Caller<CallsWrite>,
    PathId(id): PathId<CallId>,
    body: JsonBody<Transfer>,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let (command_id, now) = (ids.next(), backend.runtime.clock.now());
    let to = Party::new(&body.value.to);
    let dialled = Dialled { call: id, key: caller.key(), agent: None, to: to.clone() };
    let context = context(&caller, &request, id.0);
    backend.billing.may_transfer(dialled, &context).await.map_err(not_admitted)?;
    let asked = CallCommand::Transfer { id: command_id, to, now };
    Ok(command(&backend, &caller, &request, id, None, asked).await?.accepted())
}
