//! Strict query strings: every parameter at fault is named.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::future::{Ready, ready};
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use chrono::{DateTime, Utc};
use domain::envelope::Time;

use super::cursor::Cursor;
use crate::problem::{ApiError, Fields};

/// Most items of a page.
pub const MAX_LIMIT: usize = 200;
/// Items of a page when the request has no `limit`.
pub const DEFAULT_LIMIT: usize = 50;

/// The parameters of a query string. An endpoint takes those it knows, then calls [`Query::finish`], which refuses
/// the remaining ones as unknown, like unknown fields of a body.
#[derive(Debug)]
pub struct Query {
    pairs: Vec<(String, String)>,
    fields: Fields,
}

/// Order of a list by creation time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    Ascending,
    #[default]
    Descending,
}

impl FromStr for Order {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "asc" => Ok(Self::Ascending),
            "desc" => Ok(Self::Descending),
            _ => Err("give asc or desc"),
        }
    }
}

/// Part of a list that a request wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paging {
    /// Number of items, 1 to [`MAX_LIMIT`].
    pub limit: usize,
    /// Cursor of the page; `None` for the first one.
    pub cursor: Option<Cursor>,
    pub order: Order,
}

impl FromRequest for Query {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::parse(request.query_string()))
    }
}

impl Query {
    /// Parses a query string. Answers 400 when its decoded text is not UTF-8.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        let pairs = serde_urlencoded::from_str(text)
            .map_err(|_| ApiError::malformed_request("the query string is not UTF-8"))?;
        Ok(Self { pairs, fields: Fields::default() })
    }

    /// Takes the text of a parameter; an empty one counts as absent. Notes a fault when it occurs twice.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let mut found: Option<String> = None;
        let mut twice = false;
        self.pairs.retain_mut(|(key, value)| {
            if key != name {
                return true;
            }
            twice |= found.is_some();
            found = Some(std::mem::take(value));
            false
        });
        if twice {
            self.fields.fault(name, "duplicate", "give this parameter once");
        }
        found.filter(|text| !text.is_empty())
    }

    /// Takes a parameter and parses it; the parser's error becomes the fault's detail.
    pub fn take<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let text = self.text(name)?;
        self.fields.keep(name, text.parse())
    }

    /// Takes a time in RFC 3339.
    pub fn time(&mut self, name: &str) -> Option<Time> {
        let text = self.text(name)?;
        match DateTime::parse_from_rfc3339(&text) {
            Ok(time) => Some(time.with_timezone(&Utc)),
            Err(_) => {
                self.fields.fault(name, "invalid", "give a time in RFC 3339, such as 2026-01-31T09:30:00Z");
                None
            }
        }
    }

    /// Takes `true` or `false`; an absent parameter is `false`.
    pub fn flag(&mut self, name: &str) -> bool {
        match self.text(name).as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                self.fields.fault(name, "invalid", "give true or false");
                false
            }
        }
    }

    /// Takes all parameters of the form `name[key]=value`.
    pub fn map(&mut self, name: &str) -> BTreeMap<String, String> {
        let key_of = |parameter: &str| -> Option<String> {
            Some(parameter.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')?.to_owned())
        };
        self.pairs
            .extract_if(.., |(parameter, _)| key_of(parameter).is_some())
            .map(|(parameter, value)| (key_of(&parameter).unwrap_or_default(), value))
            .collect()
    }

    /// Takes `limit`, `cursor` and `order`.
    pub fn paging(&mut self) -> Paging {
        let limit = match self.text("limit").map(|text| text.parse()) {
            None => DEFAULT_LIMIT,
            Some(Ok(limit)) if (1..=MAX_LIMIT).contains(&limit) => limit,
            Some(_) => {
                self.fields.fault("limit", "invalid", format!("give a whole number from 1 to {MAX_LIMIT}"));
                DEFAULT_LIMIT
            }
        };
        let cursor = self.text("cursor").map(Cursor::received);
        Paging { limit, cursor, order: self.take("order").unwrap_or_default() }
    }

    /// Notes a fault that only the endpoint can detect.
    pub fn fault(&mut self, name: &str, detail: &str) {
        self.fields.fault(name, "invalid", detail);
    }

    /// Answers 422 `invalid_request` with all faults, if a parameter was at fault or unknown.
    pub fn finish(mut self) -> Result<(), ApiError> {
        for (name, _) in self.pairs {
            self.fields.fault(name, "unknown_parameter", "there is no such query parameter here");
        }
        self.fields.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_fifty_items_newest_first_unless_asked_otherwise() {
        let mut query = Query::parse("").unwrap();
        assert_eq!(query.paging(), Paging { limit: 50, cursor: None, order: Order::Descending });
        let mut query = Query::parse("limit=200&order=asc&cursor=abc").unwrap();
        let paging = query.paging();
        assert_eq!((paging.limit, paging.order), (200, Order::Ascending));
        assert_eq!(paging.cursor.unwrap().as_str(), "abc");
        assert!(query.finish().is_ok());
    }

    #[test]
    fn every_parameter_at_fault_is_named() {
        let mut query =
            Query::parse("limit=201&order=up&since=today&to=%2B1555&to=x&stray=1&all=yes").unwrap();
        query.paging();
        query.time("since");
        query.flag("all");
        query.text("to");
        let detail = query.finish().unwrap_err().detail().to_owned();
        assert!(detail.starts_with("6 fields"), "{detail}");
    }

    #[test]
    fn parameters_come_as_what_they_are() {
        let mut query = Query::parse(
            "to=%2B15550100&metadata[a]=1&metadata%5Bb%5D=2&after=2026-01-31T09:30:00%2B02:00&n=4",
        )
        .unwrap();
        assert_eq!(query.text("to").as_deref(), Some("+15550100"));
        assert_eq!(
            query.map("metadata"),
            BTreeMap::from([("a".into(), "1".into()), ("b".into(), "2".into())])
        );
        assert_eq!(query.time("after").unwrap().to_rfc3339(), "2026-01-31T07:30:00+00:00");
        assert_eq!(query.take::<u8>("n"), Some(4));
        assert!(query.finish().is_ok());
    }
}
