//! Endpoint that takes a phone number into use.

use actix_web::{post, web};
use domain::envelope::Version;
use domain::ids::{ClientId, NumberId};
use domain::number::NumberCommand;
use domain::phone::E164;
use domain::ports::ids::Ids as _;
use projections::numbers::NumberView;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::commands::problem;
use super::super::ivr::menus::references::note;
use super::super::resource;
use super::resource::NumberResource;
use super::route::{RouteBody, menu_of};
use crate::auth::permissions::NumbersWrite;
use crate::auth::{Caller, Principal};
use crate::backend::{Backend, DEFAULT_CLIENT, NUMBER, OWN_NUMBER, Through};
use crate::problem::{ApiError, Code, Problem};
use crate::{Answer, EdgeId, Enveloped, JsonBody, NewIds, RequestContext};

/// A number to take into use.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewNumber {
    /// The number in E.164 form.
    #[schema(example = "+12025550188")]
    number: String,
    /// Destination of its inbound calls.
    route: RouteBody,
    /// Id of the client that gets the number; your own client, if left out. Only the platform's administrator may
    /// name another one, to assign numbers of the node's own carrier account.
    #[schema(value_type = Option<String>, example = "cli_01jd0xq8v4e5vsknk084sn02q7")]
    client_id: Option<EdgeId<ClientId>>,
}

/// The principal to create the number as, and whether it is on the client's own carrier account. Answers 403 when
/// the caller may not take it.
async fn owner(
    backend: &Backend,
    caller: &Principal,
    asked: Option<ClientId>,
) -> Result<(Principal, bool), ApiError> {
    let client = asked.unwrap_or(caller.client);
    let refused = |detail| Err(ApiError::new(Code::PlatformOnly, detail));
    if client != caller.client {
        if !caller.platform {
            return refused("only the platform's administrator assigns numbers to clients");
        }
        let known = backend.views.client(client).await.map_err(ApiError::unavailable)?;
        known.ok_or_else(|| ApiError::invalid("client_id", "unknown", "there is no such client"))?;
        return Ok((Principal { client, ..*caller }, false));
    }
    // the default client runs the node and uses its carrier account
    if client == DEFAULT_CLIENT {
        return Ok((*caller, false));
    }
    let dialling = backend.carriers.dialling(client).await.map_err(ApiError::unavailable)?;
    let has_account = dialling.through == Some(Through::OwnAccount);
    if !has_account {
        return refused(
            "the platform's administrator assigns the numbers of this node's carrier account: ask for one, or set an \
             account of your own with PATCH /api/v1/auth/providers/telephony",
        );
    }
    Ok((*caller, true))
}

/// Take a number into use.
///
/// A client with a carrier account of its own takes that account's numbers. The platform's administrator assigns
/// the numbers of the node's account, with `client_id`.
#[utoipa::path(post, path = "/api/v1/numbers", tag = "numbers", operation_id = "createNumber",
    request_body = NewNumber,
    responses((status = 201, description = "The number, now in use", body = Enveloped<NumberView>), Problem))]
#[post("/numbers")]
pub(crate) async fn create_number(
    caller: Caller<NumbersWrite>,
    body: JsonBody<NewNumber>,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let NewNumber { number, route, client_id } = body.value;
    let number: E164 = number.parse().map_err(|error: domain::phone::BadNumber| {
        ApiError::invalid("number", "invalid", error.to_string())
    })?;
    let (owner, own_account) = owner(&backend, &caller, client_id.map(|id| id.0)).await?;
    let route = route.check(&backend, owner.client).await?;
    let id = NumberId(ids.next());
    let claimed = match own_account {
        true => (OWN_NUMBER, format!("{} {}", owner.client, number.as_str())),
        false => (NUMBER, number.as_str().to_owned()),
    };
    if !backend.claims.take(claimed.0, &claimed.1, (NumberId::CATEGORY, id.0)).await.map_err(problem)? {
        return Err(ApiError::new(Code::NumberTaken, "the number is in use already"));
    }
    // the note keeps the route's menu from being deleted meanwhile
    note(&backend, &owner, &request, menu_of(route), (&id.stream(), Version::NONE)).await?;
    let now = backend.runtime.clock.now();
    let add = NumberCommand::Add { number, route, own_account, now };
    let answer = resource::create::<NumberResource>(&backend, &owner, &request, id, &add).await?;
    Ok(answer.created().location(&format!("/api/v1/numbers/{id}")))
}
