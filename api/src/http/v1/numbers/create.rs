//! Taking a number into use.

use actix_web::{post, web};
use domain::envelope::Version;
use domain::ids::NumberId;
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
use crate::http::auth::Caller;
use crate::http::auth::permissions::NumbersWrite;
use crate::http::{Answer, Enveloped, JsonBody, NewIds, RequestContext};
use crate::node::{Backend, NUMBER};
use crate::problem::{ApiError, Code, Problem};

/// A number to take into use.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewNumber {
    /// In E.164.
    #[schema(example = "+12025550188")]
    number: String,
    /// Where its calls go.
    route: RouteBody,
}

/// Take a number into use.
#[utoipa::path(post, path = "/api/v1/numbers", tag = "numbers", operation_id = "createNumber",
    request_body = NewNumber,
    responses((status = 201, description = "In use", body = Enveloped<NumberView>), Problem))]
#[post("/numbers")]
pub(crate) async fn create_number(
    caller: Caller<NumbersWrite>,
    body: JsonBody<NewNumber>,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let NewNumber { number, route } = body.value;
    let number: E164 = number.parse().map_err(|error: domain::phone::BadNumber| {
        ApiError::invalid("number", "invalid", error.to_string())
    })?;
    let route = route.check(&backend, caller.client).await?;
    let id = NumberId(ids.next());
    let owner = (NumberId::CATEGORY, id.0);
    if !backend.claims.take(NUMBER, number.as_str(), owner).await.map_err(problem)? {
        return Err(ApiError::new(Code::NumberTaken, "the number is in use already"));
    }
    // a menu it leads to is not given up meanwhile
    note(&backend, &caller, &request, menu_of(route), (&id.stream(), Version::NONE)).await?;
    let now = backend.runtime.clock.now();
    let add = NumberCommand::Add { number, route, now };
    let answer = resource::create::<NumberResource>(&backend, &caller, &request, id, &add).await?;
    Ok(answer.created().location(&format!("/api/v1/numbers/{id}")))
}
