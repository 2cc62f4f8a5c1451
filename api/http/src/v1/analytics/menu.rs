//! Endpoint that reports the figures of one menu.

use actix_web::{HttpResponse, get, web};
use chrono::TimeDelta;
use domain::ids::MenuId;
use projections::analytics::{MenuFigures, Period};
use projections::ivr_menus::MenuView;
use projections::rollup::Counted;

use super::ask::{period, rollups};
use crate::auth::Caller;
use crate::auth::permissions::AnalyticsRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Accepts, Enveloped, PathId, Query};

/// Get the figures of a menu.
///
/// How often callers entered the menu, what they chose, and where they stopped, in whole hours. With
/// `Accept: text/csv` the answer has one line for each figure.
#[utoipa::path(get, path = "/api/v1/analytics/ivr/{id}", tag = "analytics", operation_id = "getMenuAnalytics",
    params(("id" = String, Path, description = "Id of the menu: `ivrm_…`"),
        ("from" = Option<String>, Query,
            description = "Start of the period (RFC 3339); 30 days before `to`, if left out"),
        ("to" = Option<String>, Query, description = "End of the period (RFC 3339); now, if left out")),
    responses((status = 200, description = "The figures of the menu",
        content((Enveloped<MenuFigures> = "application/json"), (String = "text/csv"))), Problem))]
#[get("/analytics/ivr/{id}")]
pub(crate) async fn get_menu_analytics(
    caller: Caller<AnalyticsRead>,
    PathId(id): PathId<MenuId>,
    mut query: Query,
    accepts: Accepts,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    let (from, to) = period(&mut query, backend.runtime.clock.now(), TimeDelta::days(30));
    query.finish()?;
    let stored = backend
        .views
        .one::<projections::ivr_menus::IvrMenus>(caller.client, id)
        .await
        .map_err(ApiError::unavailable)?;
    let stored = stored.ok_or_else(|| ApiError::not_found("menu"))?;
    let menu: MenuView = serde_json::from_str(&stored.json).map_err(ApiError::internal)?;
    let period = Period::between(from, to).ok_or_else(|| ApiError::internal("a time without length"))?;
    let rollups =
        rollups(&backend, caller.client, (Counted::Ivr, Some(id.0)), false, &period.ranges()).await?;
    accepts.figures(&MenuFigures::of(period, &menu, &rollups))
}
