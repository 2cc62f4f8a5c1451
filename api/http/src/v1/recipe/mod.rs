//! The endpoints that resources have in common: read one, as it is or was; list them; list the events of one; delete
//! one. Their handlers, their routes and their part of the OpenAPI document come from a resource's [`Recipe`].

mod document;

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, Resource as Route, guard};
use domain::aggregate::Aggregate;
use domain::envelope::Time;
use domain::ids::TypedId;
use domain::origin::Origin;
use projections::document::table_of;
use projections::view::{Shown, View};

use super::history;
use super::paging::{self, Filter};
use super::resource::{Resource, execute, get, kind};
use crate::auth::{Caller, Permission, Principal};
use crate::backend::Backend;
use crate::problem::ApiError;
use crate::{Answer, IfMatch, PathId, Query, RequestContext};

pub(super) use document::{describe, describe_delete};

/// How a resource is named in routes and in the document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wording {
    /// Path of the list under `/api/v1`, such as `/numbers`.
    pub path: &'static str,
    /// Tag of its operations.
    pub tag: &'static str,
    /// What its operations are called after, as in `getNumber` and `listNumberEvents`.
    pub operation: &'static str,
    /// With its article, as in "Get a number by its id".
    pub one: &'static str,
    /// Without an article, as in "The number".
    pub noun: &'static str,
    /// More of them, as in "A page of numbers".
    pub many: &'static str,
    /// What else is to be said of the list.
    pub about_list: &'static str,
}

/// A resource with endpoints from here.
pub(super) trait Recipe: Resource + 'static {
    /// What a caller needs to read it.
    type Read: Permission;

    const WORDING: Wording;

    /// Filters of the list, besides those by time of creation.
    fn filters() -> Vec<Filter> {
        Vec::new()
    }
}

/// A resource that can be deleted.
pub(super) trait Delete: Recipe {
    /// What a caller needs to delete it.
    type Write: Permission;

    /// Summary of the operation, such as "Give up a number."
    const SUMMARY: &'static str;
    /// What follows from it.
    const ABOUT: &'static str;

    fn command(origin: Origin, now: Time) -> <Self::Rules as Aggregate>::Command;

    /// Checks what the resource's own rules cannot know. Answers the problem when it must stay.
    async fn check(_backend: &Backend, _caller: &Principal, _id: Self::Id) -> Result<(), ApiError> {
        Ok(())
    }
}

/// The resource as clients see it.
type Body<R> = <<<R as Resource>::View as View>::Row as Shown>::Resource;

/// Which of the endpoints are from here; a resource writes the others itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    One,
    List,
    Events,
}

/// Registers endpoints of a resource.
pub(super) fn serve<R: Recipe>(endpoints: &[Endpoint], config: &mut ServiceConfig) {
    let list = R::WORDING.path;
    let get = |path: String| Route::new(path).guard(guard::Get());
    for endpoint in endpoints {
        config.service(match endpoint {
            Endpoint::One => get(format!("{list}/{{id}}")).to(get_one::<R>),
            Endpoint::List => get(list.to_owned()).to(list_all::<R>),
            Endpoint::Events => get(format!("{list}/{{id}}/events")).to(list_events::<R>),
        });
    }
}

async fn get_one<R: Recipe>(
    caller: Caller<R::Read>,
    PathId(id): PathId<R::Id>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    get::<R>(&backend, &caller, id, query).await
}

async fn list_all<R: Recipe>(
    caller: Caller<R::Read>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let request = paging::filtered(query, R::filters())?;
    let page = backend.views.documents(table_of::<R::View>(), caller.client, &request).await;
    paging::answer(&page.map_err(ApiError::unavailable)?)
}

async fn list_events<R: Recipe>(
    caller: Caller<R::Read>,
    PathId(id): PathId<R::Id>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    history::page(&backend, caller.client, &id.stream(), kind::<R>(), query).await
}

/// Registers the endpoint that deletes a resource.
pub(super) fn serve_delete<R: Delete>(config: &mut ServiceConfig) {
    let path = format!("{}/{{id}}", R::WORDING.path);
    config.service(Route::new(path).guard(guard::Delete()).to(delete::<R>));
}

async fn delete<R: Delete>(
    caller: Caller<R::Write>,
    PathId(id): PathId<R::Id>,
    if_match: IfMatch,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    R::check(&backend, &caller, id).await?;
    let command = R::command(request.origin(), backend.runtime.clock.now());
    execute::<R>(&backend, &caller, &request, id, Some(&if_match), &command).await?;
    Ok(HttpResponse::NoContent().finish())
}
