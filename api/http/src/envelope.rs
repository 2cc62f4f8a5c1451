//! The envelope of every success: `{"data": …, "meta": {"request_id": …}}`.
//!
//! View rows hold their resource as JSON text in its public form. The envelope includes such text
//! unchanged, without parsing it.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, HeaderName, HeaderValue, LOCATION};
use actix_web::{HttpRequest, HttpResponse, Responder};
use domain::envelope::{Position, Version};
use serde::Serialize;

use super::context;
use super::cursor::Cursor;
use super::etag::etag;
use crate::problem::ApiError;

/// A successful answer. Handlers return `Result<Answer, ApiError>`.
#[derive(Debug)]
pub struct Answer {
    status: StatusCode,
    /// JSON text; an error when the data could not be serialised.
    data: Result<Vec<u8>, serde_json::Error>,
    position: Option<Position>,
    secrets_dropped: bool,
    shared_phones: Vec<String>,
    words_only: bool,
    list: Option<ListMeta>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

#[derive(Debug)]
struct ListMeta {
    next_cursor: Option<Cursor>,
    total: Option<u64>,
}

impl Answer {
    /// Answers 200 with `data`.
    pub fn data<T: Serialize + ?Sized>(data: &T) -> Self {
        Self::new(serde_json::to_vec(data), None)
    }

    /// Answers 200 with JSON text, which is trusted to be valid.
    pub fn json(text: impl Into<Vec<u8>>) -> Self {
        Self::new(Ok(text.into()), None)
    }

    /// Answers 200 with a page of a list; `next_cursor` is `None` on the last page.
    pub fn list<T: Serialize>(items: &[T], next_cursor: Option<Cursor>) -> Self {
        Self::new(serde_json::to_vec(items), Some(ListMeta { next_cursor, total: None }))
    }

    /// Answers 200 with a page of items that are JSON text already.
    pub fn json_list<T: AsRef<str>>(items: &[T], next_cursor: Option<Cursor>) -> Self {
        let length: usize = items.iter().map(|item| item.as_ref().len() + 1).sum();
        let mut data = Vec::with_capacity(length + 2);
        data.push(b'[');
        for (n, item) in items.iter().enumerate() {
            if n > 0 {
                data.push(b',');
            }
            data.extend_from_slice(item.as_ref().as_bytes());
        }
        data.push(b']');
        Self::new(Ok(data), Some(ListMeta { next_cursor, total: None }))
    }

    fn new(data: Result<Vec<u8>, serde_json::Error>, list: Option<ListMeta>) -> Self {
        Self {
            status: StatusCode::OK,
            data,
            position: None,
            secrets_dropped: false,
            shared_phones: Vec::new(),
            words_only: false,
            list,
            headers: Vec::new(),
        }
    }

    #[must_use]
    pub fn created(self) -> Self {
        self.status(StatusCode::CREATED)
    }

    #[must_use]
    pub fn accepted(self) -> Self {
        self.status(StatusCode::ACCEPTED)
    }

    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Log position that the write reached.
    #[must_use]
    pub fn position(mut self, position: Position) -> Self {
        self.position = Some(position);
        self
    }

    /// Log position that the write reached; `None` when it wrote nothing.
    #[must_use]
    pub fn written_at(self, position: Option<Position>) -> Self {
        match position {
            Some(position) => self.position(position),
            None => self,
        }
    }

    /// Whether a change of the URL dropped secrets that were stored for the old one.
    #[must_use]
    pub fn secrets_dropped(mut self, dropped: bool) -> Self {
        self.secrets_dropped = dropped;
        self
    }

    /// Numbers of a customer that link nothing, because several customers have them.
    #[must_use]
    pub fn shared_phones(mut self, phones: Vec<String>) -> Self {
        self.shared_phones = phones;
        self
    }

    /// Whether a search by meaning found by words alone, because the query could not be embedded.
    #[must_use]
    pub fn words_only(mut self, words_only: bool) -> Self {
        self.words_only = words_only;
        self
    }

    /// Total number of matching items, for `include_total=true`.
    #[must_use]
    pub fn total(mut self, total: u64) -> Self {
        if let Some(list) = &mut self.list {
            list.total = Some(total);
        }
        self
    }

    /// Sets the `ETag` of a resource at this version.
    #[must_use]
    pub fn etag(self, version: Version) -> Self {
        self.header(ETAG, etag(version))
    }

    /// Sets the `ETag` of a resource that changes without events of its own: `more` tells such states apart.
    #[must_use]
    pub fn etag_of(self, version: Version, more: &str) -> Self {
        match HeaderValue::try_from(format!("\"{version}-{more}\"")) {
            Ok(tag) => self.header(ETAG, tag),
            Err(_) => self,
        }
    }

    /// Sets `Location` of a created resource, a path below the node's public address.
    #[must_use]
    pub fn location(self, path: &str) -> Self {
        match HeaderValue::try_from(path) {
            Ok(value) => self.header(LOCATION, value),
            Err(_) => self,
        }
    }

    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    fn into_response(self) -> Result<HttpResponse, ApiError> {
        let data = self.data.map_err(ApiError::internal)?;
        let mut body = Vec::with_capacity(data.len() + 160);
        body.extend_from_slice(b"{\"data\":");
        body.extend_from_slice(&data);
        body.extend_from_slice(b",\"meta\":");
        let written = context::with(|context| {
            let meta = Meta {
                request_id: context.map_or("", |c| c.request_id()),
                position: self.position,
                secrets_dropped: self.secrets_dropped.then_some(true),
                shared_phones: &self.shared_phones,
                words_only: self.words_only.then_some(true),
                has_more: self.list.as_ref().map(|list| list.next_cursor.is_some()),
                next_cursor: self.list.as_ref().map(|list| list.next_cursor.as_ref()),
                total: self.list.as_ref().and_then(|list| list.total),
            };
            serde_json::to_writer(&mut body, &meta)
        });
        written.map_err(ApiError::internal)?;
        body.push(b'}');
        let mut response = HttpResponse::build(self.status);
        response.content_type(HeaderValue::from_static("application/json"));
        for header in self.headers {
            response.insert_header(header);
        }
        Ok(response.body(body))
    }
}

#[derive(Serialize)]
struct Meta<'a> {
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<Position>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secrets_dropped: Option<bool>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    shared_phones: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    words_only: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    has_more: Option<bool>,
    /// `Some(None)` on the last page; `None` when the answer is no list.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Option<&'a Cursor>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
}

impl Responder for Answer {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.into_response().unwrap_or_else(HttpResponse::from_error)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use actix_web::body::MessageBody as _;
    use actix_web::test::TestRequest;
    use serde_json::{Value, json};

    use super::super::context::RequestContext;
    use super::*;

    fn sent(answer: Answer) -> (u16, Value) {
        let request = TestRequest::default().to_http_request();
        let response = answer.respond_to(&request);
        let status = response.status().as_u16();
        (status, serde_json::from_slice(&response.into_body().try_into_bytes().unwrap()).unwrap())
    }

    #[test]
    fn data_stands_beside_the_requests_id_and_the_position_written() {
        let context = RequestContext::new(Arc::from("r-1"), Arc::from(""), None);
        let _entered = context.enter();
        let answer = Answer::data(&json!({"id": 1})).created().position(Position(7));
        assert_eq!(
            sent(answer),
            (201, json!({"data": {"id": 1}, "meta": {"request_id": "r-1", "position": 7}}))
        );
    }

    #[test]
    fn a_list_says_whether_there_is_more() {
        let cursor = Cursor::after(&3).unwrap();
        let (_, page) = sent(Answer::json_list(&[r#"{"a":1}"#, "2"], Some(cursor.clone())).total(9));
        assert_eq!(page["data"], json!([{"a": 1}, 2]));
        assert_eq!(
            page["meta"],
            json!({"request_id": "", "has_more": true, "next_cursor": cursor.as_str(), "total": 9})
        );
        let (_, last) = sent(Answer::list::<u8>(&[], None));
        assert_eq!(last["data"], json!([]));
        assert_eq!(last["meta"], json!({"request_id": "", "has_more": false, "next_cursor": null}));
    }

    #[test]
    fn a_request_id_is_written_as_json_whatever_the_client_made_of_it() {
        let context = RequestContext::new(Arc::from(r#"a"b\c"#), Arc::from(""), None);
        let _entered = context.enter();
        assert_eq!(sent(Answer::json("null")).1["meta"]["request_id"], r#"a"b\c"#);
    }
}
