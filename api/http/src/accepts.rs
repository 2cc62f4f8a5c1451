//! Answers figures as JSON or, if the client prefers it, as CSV.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{Accept, ContentType, Header as _, VARY};
use actix_web::{FromRequest, HttpRequest, HttpResponse, Responder as _};
use serde::Serialize;
use serde_json::Value;

use super::Answer;
use crate::problem::ApiError;

/// Whether the client prefers CSV.
#[derive(Debug)]
pub(crate) struct Accepts {
    csv: bool,
    request: HttpRequest,
}

impl FromRequest for Accepts {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        // an unreadable `Accept` counts as none
        let wanted = Accept::parse(request).ok().and_then(|accept| accept.ranked().into_iter().next());
        let csv = wanted.is_some_and(|first| first.essence_str() == "text/csv");
        ready(Ok(Self { csv, request: request.clone() }))
    }
}

impl Accepts {
    /// Answers figures; as CSV one line each, `figure,value`, in which words of a list item become part of the
    /// name. Answers 500 when they cannot be serialised.
    pub(crate) fn figures<T: Serialize>(&self, figures: &T) -> Result<HttpResponse, ApiError> {
        if !self.csv {
            return Ok(self.json(Answer::data(figures)));
        }
        let mut lines = Vec::new();
        flatten("", &serde_json::to_value(figures).map_err(ApiError::internal)?, &mut lines);
        csv(["figure", "value"], lines.into_iter())
    }

    /// Answers items; as CSV one line each. Answers 500 when they cannot be serialised.
    pub(crate) fn table<T: Serialize, const N: usize>(
        &self,
        columns: [&str; N],
        items: &[T],
        row: impl Fn(&T) -> [String; N],
    ) -> Result<HttpResponse, ApiError> {
        if self.csv { csv(columns, items.iter().map(row)) } else { Ok(self.json(Answer::data(items))) }
    }

    fn json(&self, answer: Answer) -> HttpResponse {
        let mut response = answer.respond_to(&self.request);
        response.headers_mut().append(VARY, actix_web::http::header::HeaderValue::from_static("accept"));
        response
    }
}

fn csv<const N: usize>(
    columns: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> Result<HttpResponse, ApiError> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(columns).map_err(ApiError::internal)?;
    for row in rows {
        writer.write_record(row).map_err(ApiError::internal)?;
    }
    let text = writer.into_inner().map_err(|error| ApiError::internal(error.into_error()))?;
    let kind = ContentType("text/csv; charset=utf-8".parse().map_err(ApiError::internal)?);
    Ok(HttpResponse::Ok().insert_header(kind).append_header((VARY, "accept")).body(text))
}

/// Writes one line for every value that is neither list nor object, under its dotted path.
fn flatten(name: &str, value: &Value, lines: &mut Vec<[String; 2]>) {
    let below = |word: &str| if name.is_empty() { word.to_owned() } else { format!("{name}.{word}") };
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(field, value)| flatten(&below(field), value, lines))
        }
        Value::Array(items) => {
            for item in items.iter().filter_map(Value::as_object) {
                let words: Vec<_> = item.values().filter_map(Value::as_str).collect();
                let numbers = item.iter().filter(|(_, value)| value.is_number());
                let name = below(&words.join("."));
                numbers
                    .for_each(|(field, number)| lines.push([format!("{name}.{field}"), number.to_string()]));
            }
        }
        Value::Null => lines.push([name.to_owned(), String::new()]),
        Value::String(text) => lines.push([name.to_owned(), text.clone()]),
        other => lines.push([name.to_owned(), other.to_string()]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_become_lines_named_by_the_way_to_them() {
        let mut lines = Vec::new();
        let reasons = json!([{"reason": "busy", "fault": "none", "count": 2}]);
        let figures = json!({"calls": {"total": 3, "rate": null}, "end_reasons": reasons, "from": "2026"});
        flatten("", &figures, &mut lines);
        let lines: Vec<_> = lines.iter().map(|[name, value]| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            lines,
            [
                ("calls.rate", ""),
                ("calls.total", "3"),
                ("end_reasons.none.busy.count", "2"),
                ("from", "2026")
            ]
        );
    }
}
