//! Endpoint that imports customers from CSV.

mod rows;

use std::collections::{BTreeMap, HashMap};

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, post, web};
use actors::session::CommandError;
use actors::{Receipt, Session};
use domain::customer::{Customer, CustomerCommand, CustomerRefusal, Profile, ProfilePatch};
use domain::ids::{CustomerId, derive};
use domain::ports::ids::Ids as _;
use futures::StreamExt as _;
use projections::customers::CustomerKey;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use self::rows::ImportRow;
use super::super::commands::{context, problem};
use super::super::objects::put::FileBytes;
use super::body::{emails, phones, timezone};
use super::external_id::reserve;
use crate::auth::permissions::CustomersWrite;
use crate::auth::{Caller, Principal};
use crate::backend::Backend;
use crate::problem::{ApiError, Code, Fields, Problem};
use crate::{Answer, Enveloped, NewIds, RawBody, RequestContext};

/// Lines that are worked on at once.
const AT_ONCE: usize = 16;
/// Most rejected lines that the answer names.
const TOLD: usize = 500;

/// What became of an import.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CustomerImport)]
pub(crate) struct ImportResult {
    /// Number of new customers.
    created: usize,
    /// Number of customers that were changed, found by their `external_id`.
    updated: usize,
    /// Number of lines that say what is known already.
    unchanged: usize,
    /// Number of lines that were not taken.
    rejected_count: usize,
    /// The first 500 lines that were not taken, in order.
    rejected: Vec<RejectedLine>,
    /// Headers of columns that mean nothing here.
    ignored_columns: Vec<String>,
}

/// A line that was not taken.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RejectedLine {
    /// Number of the line, from 1; the header is the first.
    line: u64,
    /// What is wrong, for programs.
    #[schema(example = "invalid_request")]
    code: String,
    /// What is wrong, for people.
    detail: String,
}

enum Done {
    Created,
    Updated,
    Unchanged,
}

/// Import customers from CSV.
///
/// The first line names the columns: `external_id`, `name`, `phone`, `email`, `language`, `timezone` and
/// `metadata.<name>`; a cell may hold several numbers or addresses, with commas, semicolons or bars between them. Encoding
/// (UTF-8, UTF-16, Windows-1252) and delimiter (comma, semicolon, tab, bar) are detected. At most 5000 lines and 1 MiB. A
/// line whose `external_id` a customer has changes that customer: empty cells leave fields as they are. Good lines are
/// taken even if others are not.
#[utoipa::path(post, path = "/api/v1/customers/import", tag = "customers", operation_id = "importCustomers",
    request_body(content = FileBytes, content_type = "text/csv", description = "Lines of CSV with a header"),
    responses((status = 200, description = "How many were taken, and which lines were not",
        body = Enveloped<ImportResult>), Problem))]
#[post("/customers/import")]
pub(crate) async fn import_customers(
    caller: Caller<CustomersWrite>,
    http: HttpRequest,
    RawBody(body): RawBody,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let kind = http.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/csv") {
        return Err(ApiError::new(Code::UnsupportedMediaType, "send CSV, with `Content-Type: text/csv`"));
    }
    let sheet = rows::read(&body).map_err(|detail| ApiError::invalid("body", "invalid", detail))?;
    let batch = ids.next();
    let (mut rejected, mut good) = (Vec::new(), Vec::new());
    let mut first: HashMap<String, u64> = HashMap::new();
    for row in sheet.rows {
        match row {
            Err((line, detail)) => rejected.push(reject(line, "malformed", detail)),
            Ok(row) => match row.external_id.as_ref().and_then(|name| first.get(name)) {
                Some(before) => {
                    let detail = format!("line {before} has this external id, too");
                    rejected.push(reject(row.line, "duplicate", detail));
                }
                None => {
                    first.extend(row.external_id.clone().map(|name| (name, row.line)));
                    good.push(row);
                }
            },
        }
    }
    let (backend, caller, request) = (&*backend, &*caller, &request);
    let take = |row: ImportRow| async move {
        let line = row.line;
        (line, take(backend, caller, request, batch, row).await)
    };
    let mut taken = futures::stream::iter(good).map(take).buffer_unordered(AT_ONCE);
    let (mut created, mut updated, mut unchanged, mut newest) = (0, 0, 0, None);
    while let Some((line, result)) = taken.next().await {
        match result {
            Ok((done, receipt)) => {
                newest = newest.max(receipt.position);
                match done {
                    Done::Created => created += 1,
                    Done::Updated => updated += 1,
                    Done::Unchanged => unchanged += 1,
                }
            }
            Err(error) => {
                rejected.push(reject(line, error.code().as_str(), error.detail().to_owned()));
            }
        }
    }
    if let Some(position) = newest {
        backend.caught_up(position).await;
    }
    rejected.sort_by_key(|rejected| rejected.line);
    let rejected_count = rejected.len();
    rejected.truncate(TOLD);
    let ignored_columns = sheet.ignored_columns;
    metrics::counter!(domain::metrics::CUSTOMERS_IMPORTED, "outcome" => "taken")
        .increment((created + updated + unchanged) as u64);
    metrics::counter!(domain::metrics::CUSTOMERS_IMPORTED, "outcome" => "rejected")
        .increment(rejected_count as u64);
    let result = ImportResult { created, updated, unchanged, rejected_count, rejected, ignored_columns };
    Ok(Answer::data(&result).written_at(newest))
}

fn reject(line: u64, code: &str, detail: String) -> RejectedLine {
    RejectedLine { line, code: code.to_owned(), detail }
}

/// Creates or changes the customer of a line. The same line of the same request makes the same customer again.
async fn take(
    backend: &Backend,
    caller: &Principal,
    request: &RequestContext,
    batch: Uuid,
    row: ImportRow,
) -> Result<(Done, Receipt), ApiError> {
    let client = caller.client;
    let mut fields = Fields::default();
    timezone(backend, row.timezone.as_deref(), &mut fields);
    let phones = phones(backend, client, &row.phones, &mut fields).await?;
    let emails = emails(&row.emails, &mut fields);
    fields.finish()?;
    let known = match &row.external_id {
        Some(name) => {
            let key = CustomerKey::ExternalId(name.clone());
            backend.views.customers_with(client, &key, 1).await.map_err(ApiError::unavailable)?.pop()
        }
        None => None,
    };
    let id = known.unwrap_or_else(|| CustomerId(derive(batch, &row.line.to_string())));
    let mut session = match known {
        Some(_) => Session::<Customer>::new(backend.runtime.clone(), id.stream()),
        None => Session::on_new_stream(backend.runtime.clone(), id.stream()),
    };
    let metadata: BTreeMap<String, serde_json::Value> =
        row.metadata.into_iter().map(|(name, value)| (name, value.into())).collect();
    let metadata = match known {
        Some(_) if !metadata.is_empty() => {
            session.ensure_loaded().await.map_err(problem)?;
            let own = session.state().profile().and_then(|profile| profile.metadata.as_ref()?.reveal());
            let mut own = own.cloned().unwrap_or_default();
            own.extend(metadata);
            Some(own)
        }
        _ => (!metadata.is_empty()).then_some(metadata),
    };
    let patch = ProfilePatch {
        // found by it: perhaps as a customer that was merged into this one
        external_id: row.external_id.map(Some).filter(|_| known.is_none()),
        name: row.name.map(Some),
        phones: (!phones.is_empty()).then_some(phones),
        emails: (!emails.is_empty()).then_some(emails),
        language: row.language.map(Some),
        timezone: row.timezone.map(Some),
        metadata,
    };
    let now = backend.runtime.clock.now();
    let command = match known {
        Some(_) => CustomerCommand::Change { patch: Box::new(patch), now },
        None => {
            let profile = patch.on(&Profile::default());
            profile
                .check()
                .map_err(CustomerRefusal::from)
                .map_err(|fault| problem(CommandError::Refused(fault)))?;
            if let Some(name) = profile.external() {
                reserve(backend, client, id, name).await?;
            }
            CustomerCommand::Create { profile: Box::new(profile), now }
        }
    };
    let context = context(caller, request, id.0);
    let receipt = session.execute(&command, &context, None).await.map_err(problem)?;
    let done = match (known, receipt.position) {
        (_, None) => Done::Unchanged,
        (Some(_), _) => Done::Updated,
        (None, _) => Done::Created,
    };
    Ok((done, receipt))
}
