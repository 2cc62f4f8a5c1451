//! Endpoint that lints a menu and the menus below it.

use actix_web::{get, web};
use domain::ids::MenuId;
use domain::ivr::lint::{Finding, lint};
use projections::words;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::auth::permissions::IvrRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, PathId, Query};

/// A problem that callers of a menu would meet.
#[derive(Serialize, ToSchema)]
#[schema(as = IvrFinding)]
pub(crate) struct FindingView {
    /// Severity of the finding. `error`: callers get stuck or lost; `warning`: they may.
    #[schema(value_type = words::IvrSeverity)]
    severity: &'static str,
    /// Kind of the finding: `missing_target`, `unreachable_menu`, `dead_end`, `cycle_without_exit`, `no_way_out`,
    /// `prefix_conflict`, `too_many_options` or `too_deep`.
    #[schema(value_type = words::IvrFindingCode)]
    code: &'static str,
    /// Path of the field at fault; the id of its menu stands before it, when that is another menu than
    /// the one asked for.
    #[schema(example = "items[0].target")]
    path: String,
    /// Description of the problem, for people.
    detail: String,
}

impl FindingView {
    fn of(root: MenuId, finding: Finding) -> Self {
        let path = match (finding.menu == root, finding.field.is_empty()) {
            (true, false) => finding.field,
            (_, true) => finding.menu.to_string(),
            (false, false) => format!("{}.{}", finding.menu, finding.field),
        };
        Self { severity: finding.severity.as_str(), code: finding.code, path, detail: finding.detail }
    }
}

/// Lint an IVR menu and those below it.
///
/// Finds problems that callers would meet although each menu is valid by itself.
#[utoipa::path(get, path = "/api/v1/ivr/menus/{id}/lint", tag = "ivr", operation_id = "lintIvrMenu",
    params(("id" = String, Path, description = "Id of the menu: `ivrm_…`")),
    responses((status = 200, description = "All findings; empty when there are none",
        body = Enveloped<Vec<FindingView>>), Problem))]
#[get("/ivr/menus/{id}/lint")]
pub(crate) async fn lint_ivr_menu(
    caller: Caller<IvrRead>,
    PathId(id): PathId<MenuId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    query.finish()?;
    if backend.menus.find(caller.client, id).is_none() {
        return Err(ApiError::not_found("menu"));
    }
    let found = lint(id, &backend.menus.all(caller.client));
    let found: Vec<_> = found.into_iter().map(|finding| FindingView::of(id, finding)).collect();
    Ok(Answer::data(&found))
}
