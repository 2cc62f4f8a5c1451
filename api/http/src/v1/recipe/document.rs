//! The recipe's part of the OpenAPI document.

use domain::ids::TypedId;
use utoipa::openapi::path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{ContentBuilder, HttpMethod, OpenApi, Ref, RefOr, Required, Response, ResponseBuilder};
use utoipa::{IntoParams as _, IntoResponses as _, ToSchema};

use super::super::history::HistoryEvent;
use super::super::paging::{CreatedParams, HistoryParams, PageParams};
use super::{Body, Delete, Endpoint, Recipe, Wording};
use crate::problem::Problem;
use crate::{Enveloped, Listed};

/// Adds endpoints of a resource to the document.
pub(in super::super) fn describe<R: Recipe>(endpoints: &[Endpoint], document: &mut OpenApi)
where
    Body<R>: ToSchema,
{
    let Wording { path, .. } = R::WORDING;
    for endpoint in endpoints {
        let (path, operation) = match endpoint {
            Endpoint::One => (format!("/api/v1{path}/{{id}}"), one::<R>(document)),
            Endpoint::List => (format!("/api/v1{path}"), list::<R>(document)),
            Endpoint::Events => (format!("/api/v1{path}/{{id}}/events"), events::<R>(document)),
        };
        document.paths.add_path_operation(path, vec![HttpMethod::Get], operation);
    }
}

fn one<R: Recipe>(document: &mut OpenApi) -> Operation
where
    Body<R>: ToSchema,
{
    let Wording { one, noun, operation, .. } = R::WORDING;
    let time = text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
    let version = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(0));
    begin::<R>()
        .operation_id(Some(format!("get{operation}")))
        .summary(Some(format!("Get {one} by its id.")))
        .description(Some(format!("With `at` or `version`, answers with the {noun} as it was then.")))
        .parameter(id::<R>())
        .parameter(query("at", "Show the state at this time (RFC 3339); default: now", time))
        .parameter(query("version", "Show the state at this version; default: current", version))
        .response("200", ok::<Enveloped<Body<R>>, Body<R>>(document, &format!("The {noun}")))
        .build()
}

fn list<R: Recipe>(document: &mut OpenApi) -> Operation
where
    Body<R>: ToSchema,
{
    let Wording { many, operation, about_list, .. } = R::WORDING;
    let filters = R::filters().into_iter().map(|filter| {
        let (name, description, kind) = filter.described();
        query(name, description, ObjectBuilder::new().schema_type(kind))
    });
    let parameters =
        filters.chain(CreatedParams::into_params(|| None)).chain(PageParams::into_params(|| None));
    begin::<R>()
        .operation_id(Some(format!("list{operation}s")))
        .summary(Some(format!("List the client's {many}.")))
        .description(Some(join("Newest first unless `order` says otherwise.", about_list)))
        .parameters(Some(parameters))
        .response("200", ok::<Listed<Body<R>>, Body<R>>(document, &format!("A page of {many}")))
        .build()
}

fn events<R: Recipe>(document: &mut OpenApi) -> Operation {
    let Wording { one, noun, operation, .. } = R::WORDING;
    begin::<R>()
        .operation_id(Some(format!("list{operation}Events")))
        .summary(Some(format!("List {one}'s events.")))
        .description(Some(format!("The {noun}'s own event history, oldest first.")))
        .parameter(id::<R>())
        .parameters(Some(HistoryParams::into_params(|| None)))
        .response("200", ok::<Listed<HistoryEvent>, HistoryEvent>(document, "A page of events"))
        .build()
}

/// Adds the endpoint that deletes a resource to the document.
pub(in super::super) fn describe_delete<R: Delete>(document: &mut OpenApi) {
    let Wording { path, noun, operation, .. } = R::WORDING;
    let if_match = ParameterBuilder::new()
        .name("If-Match")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(format!("Expected `ETag` of the {noun}, else 412; not checked, if left out")))
        .schema(Some(text()));
    let deleted = ResponseBuilder::new().description(format!("The {noun} was deleted"));
    let operation = begin::<R>()
        .operation_id(Some(format!("delete{operation}")))
        .summary(Some(R::SUMMARY))
        .description(Some(join(R::ABOUT, "Its event history stays.")))
        .parameter(id::<R>())
        .parameter(if_match)
        .response("204", deleted);
    document.paths.add_path_operation(format!("/api/v1{path}/{{id}}"), vec![HttpMethod::Delete], operation);
}

fn begin<R: Recipe>() -> OperationBuilder {
    let problems = Problem::responses();
    let operation = OperationBuilder::new().tag(R::WORDING.tag);
    problems.into_iter().fold(operation, |operation, (status, problem)| operation.response(status, problem))
}

fn join(first: &str, more: &str) -> String {
    if more.is_empty() { first.to_owned() } else { format!("{first} {more}") }
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn id<R: Recipe>() -> Parameter {
    let description = format!("Id of the {}: `{}_…`", R::WORDING.noun, R::Id::PREFIX);
    ParameterBuilder::new()
        .name("id")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(description))
        .schema(Some(text()))
        .build()
}

fn query(name: &str, description: &str, schema: impl Into<RefOr<Schema>>) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}

/// A successful answer with an envelope `E` around `T`, whose schemas are added to the document.
fn ok<E: ToSchema, T: ToSchema>(document: &mut OpenApi, description: &str) -> Response {
    let name = format!("{}_{}", E::name(), T::name());
    let mut schemas = vec![(name.clone(), E::schema())];
    E::schemas(&mut schemas);
    let components = document.components.get_or_insert_default();
    components.schemas.extend(schemas);
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(name))).build();
    ResponseBuilder::new().description(description).content("application/json", content).build()
}
