//! What all writes to a call share: execute the command, wait for the view, answer with the call.

use actors::Receipt;
use domain::call::terms::Direction;
use domain::call::{Call, CallCommand};
use domain::ids::{CallId, ClientId, TypedId as _};
use domain::phone::Party;
use domain::ports::StoreUnavailable;
use projections::Queries;
use projections::calls::{CallCost, CallView, Calls};
use projections::customers::CustomerKey;
use projections::document::table_of;
use projections::page::Stored;
use serde::Deserialize;

use super::super::commands::{context, only_at, problem};
use super::super::recipe::{Recipe, Wording};
use super::super::resource::{Resource, written};
use crate::auth::Principal;
use crate::auth::permissions::CallsRead;
use crate::backend::Backend;
use crate::problem::ApiError;
use crate::{Answer, IfMatch, RequestContext};

#[derive(Debug)]
pub(crate) struct CallResource;

impl Resource for CallResource {
    type Id = CallId;
    type Rules = Call;
    type View = Calls;

    async fn stored(
        views: &dyn Queries,
        client: ClientId,
        id: CallId,
    ) -> Result<Option<Stored>, StoreUnavailable> {
        match views.document(table_of::<Calls>(), client, id.uuid()).await? {
            Some(stored) => {
                let stored = linked(views, client, stored).await?;
                costed(views, client, id, stored).await.map(Some)
            }
            None => Ok(None),
        }
    }
}

/// The call with the customer who has the other party's number, where it names none and one customer has it.
async fn linked(views: &dyn Queries, client: ClientId, stored: Stored) -> Result<Stored, StoreUnavailable> {
    #[derive(Deserialize)]
    struct Parties {
        direction: Direction,
        from: Option<String>,
        to: Option<String>,
        #[serde(default)]
        customer_id: Option<String>,
    }
    let Ok(Parties { direction, from, to, customer_id: None }) = serde_json::from_str(&stored.json) else {
        return Ok(stored);
    };
    let person = match direction {
        Direction::Inbound => from,
        Direction::Outbound => to,
    };
    let Some(number) = person.and_then(|person| Party::new(&person).number()) else { return Ok(stored) };
    let key = CustomerKey::Phone(number.as_str().to_owned());
    let [customer] = views.customers_with(client, &key, 2).await?[..] else { return Ok(stored) };
    let Ok(mut call) = serde_json::from_str::<CallView>(&stored.json) else { return Ok(stored) };
    call.customer_id = Some(customer);
    let json = serde_json::to_string(&call).map_err(|error| StoreUnavailable(error.to_string()))?;
    Ok(Stored { json, joined: true, ..stored })
}

/// The call with what its client was charged for it, part by part.
async fn costed(
    views: &dyn Queries,
    client: ClientId,
    id: CallId,
    stored: Stored,
) -> Result<Stored, StoreUnavailable> {
    let charged = views.transactions_of(client, id.uuid()).await?;
    let Some(cost) = CallCost::charged(&charged) else { return Ok(stored) };
    let Ok(mut call) = serde_json::from_str::<CallView>(&stored.json) else { return Ok(stored) };
    call.cost = Some(cost);
    let json = serde_json::to_string(&call).map_err(|error| StoreUnavailable(error.to_string()))?;
    Ok(Stored { json, joined: true, ..stored })
}

impl Recipe for CallResource {
    type Read = CallsRead;

    const WORDING: Wording = Wording {
        path: "/calls",
        tag: "calls",
        operation: "Call",
        one: "a call",
        noun: "call",
        many: "calls",
        about_list: "",
    };
}

/// Lets the call's actor execute a command and answers with the call after it.
pub(super) async fn command(
    backend: &Backend,
    caller: &Principal,
    request: &RequestContext,
    id: CallId,
    if_match: Option<&IfMatch>,
    command: CallCommand,
) -> Result<Answer, ApiError> {
    let receipt = execute(backend, caller, request, id, if_match, command).await?;
    shown(backend, caller, id, receipt).await
}

/// Executes the first command of a call whose id is new; the actor does not read the stream first.
pub(super) async fn begin(
    backend: &Backend,
    caller: &Principal,
    request: &RequestContext,
    id: CallId,
    command: CallCommand,
) -> Result<Receipt, ApiError> {
    let context = context(caller, request, id.0);
    backend.calls.execute_on_new(id, command, context).await.map_err(problem)
}

/// Lets the call's actor execute a command; does not wait for the views.
pub(super) async fn execute(
    backend: &Backend,
    caller: &Principal,
    request: &RequestContext,
    id: CallId,
    if_match: Option<&IfMatch>,
    command: CallCommand,
) -> Result<Receipt, ApiError> {
    let only_at = only_at(&*backend.runtime.store, caller, &id.stream(), if_match).await?;
    let context = context(caller, request, id.0);
    backend.calls.execute(id, command, context, only_at).await.map_err(problem)
}

/// Answers with the call as it is after the command, once the views have caught up.
pub(super) async fn shown(
    backend: &Backend,
    caller: &Principal,
    id: CallId,
    receipt: Receipt,
) -> Result<Answer, ApiError> {
    if let Some(position) = receipt.position {
        backend.caught_up(position).await;
    }
    written::<CallResource>(backend, caller, id, receipt).await
}
