//! Endpoint that lists numbers.

use actix_web::{get, web};
use domain::ids::{AgentId, MenuId};
use domain::phone::E164;
use projections::numbers::NumberView;

use super::super::paging::{self, CreatedParams, Filter, PageParams};
use crate::auth::Caller;
use crate::auth::permissions::NumbersRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Listed, Query};

/// List the client's numbers.
///
/// Newest first unless `order` says otherwise.
#[utoipa::path(get, path = "/api/v1/numbers", tag = "numbers", operation_id = "listNumbers",
    params(("number" = Option<String>, Query, description = "Only this number, in E.164"),
        ("agent_id" = Option<String>, Query, description = "Only numbers routed to this agent: `agt_…`"),
        ("ivr_menu_id" = Option<String>, Query, description = "Only numbers routed to this menu: `ivrm_…`"),
        CreatedParams, PageParams),
    responses((status = 200, description = "A page of numbers", body = Listed<NumberView>), Problem))]
#[get("/numbers")]
pub(crate) async fn list_numbers(
    caller: Caller<NumbersRead>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let request = paging::filtered(
        query,
        [
            Filter::parsed("number", number),
            Filter::id::<AgentId>("agent_id").at("route.id"),
            Filter::id::<MenuId>("ivr_menu_id").at("route.id"),
        ],
    )?;
    let page = backend.views.numbers(caller.client, &request).await;
    paging::answer(&page.map_err(ApiError::unavailable)?)
}

fn number(text: &str) -> Result<String, String> {
    text.parse::<E164>().map(|number| number.as_str().to_owned()).map_err(|error| error.to_string())
}
