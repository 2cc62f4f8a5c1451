//! Pages of `GET /connections/{id}/active_calls`.
//!
//! Telnyx's SDKs page by number (`page[number]`, `meta.total_pages`), its guides by cursor (`page[after]`,
//! `meta.cursors.after`); this follows whichever the answer shows. A leg that was not found is absent only if the
//! list was read to its end: a full page without a next one says nothing about what follows.

use domain::call::report::LegRef;
use serde::Deserialize;

/// Number of legs requested for a page.
pub(super) const PAGE_SIZE: usize = 250;
/// The fewest legs on a full page, in case the server uses a size of its own.
const SMALLEST_PAGE: usize = 20;

/// The page to request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ask {
    /// The page with this number, counted from 1.
    Number(u32),
    /// The page after this cursor.
    After(String),
}

impl Ask {
    pub(super) fn query(&self) -> [(&'static str, String); 2] {
        match self {
            Ask::Number(number) => {
                [("page[number]", number.to_string()), ("page[size]", PAGE_SIZE.to_string())]
            }
            Ask::After(cursor) => [("page[after]", cursor.clone()), ("page[limit]", PAGE_SIZE.to_string())],
        }
    }
}

/// What follows a page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Behind {
    Ask(Ask),
    Nothing,
    /// There may be more pages, but the answer names no way to them.
    Unknown,
}

#[derive(Deserialize)]
pub(super) struct Page {
    pub data: Vec<LegBody>,
    #[serde(default)]
    meta: Option<Meta>,
}

#[derive(Default, Deserialize)]
struct Meta {
    #[serde(default)]
    page_number: Option<u32>,
    #[serde(default)]
    total_pages: Option<u32>,
    #[serde(default)]
    cursors: Option<Cursors>,
}

#[derive(Deserialize)]
struct Cursors {
    #[serde(default)]
    after: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct LegBody {
    #[serde(default)]
    pub call_control_id: Option<String>,
    #[serde(default)]
    pub call_leg_id: Option<String>,
    #[serde(default)]
    pub call_session_id: Option<String>,
    #[serde(default)]
    pub client_state: Option<String>,
    #[serde(default)]
    pub is_alive: bool,
}

impl LegBody {
    pub(super) fn leg(&self, connection_id: Option<&str>) -> Option<LegRef> {
        Some(LegRef {
            control_id: self.call_control_id.clone(),
            leg_id: self.call_leg_id.clone().or_else(|| self.call_control_id.clone())?,
            session_id: self.call_session_id.clone(),
            connection_id: connection_id.map(str::to_owned),
        })
    }
}

impl Page {
    /// Id of the first leg, to recognise a server that answers the same page to every request.
    pub(super) fn first(&self) -> Option<&str> {
        self.data.first()?.call_control_id.as_deref()
    }

    /// What follows this page, which answered `asked`; `before` is the first leg of the page before it.
    pub(super) fn behind(&self, asked: &Ask, before: Option<&str>) -> Behind {
        if self.data.is_empty() {
            return Behind::Nothing;
        }
        let again = before.is_some() && self.first() == before;
        let meta = self.meta.as_ref();
        let cursor = meta.and_then(|meta| meta.cursors.as_ref());
        if let Some(after) =
            cursor.and_then(|cursors| cursors.after.clone()).filter(|after| !after.is_empty())
        {
            let next = Ask::After(after);
            return if again || *asked == next { Behind::Unknown } else { Behind::Ask(next) };
        }
        let number = match asked {
            Ask::Number(number) => *number,
            Ask::After(_) if self.data.len() < PAGE_SIZE => return Behind::Nothing,
            Ask::After(_) => return Behind::Unknown,
        };
        let shown = meta.and_then(|meta| meta.page_number).unwrap_or(number);
        match meta.and_then(|meta| meta.total_pages) {
            Some(total) if shown >= total => Behind::Nothing,
            _ if again && self.data.len() < SMALLEST_PAGE => Behind::Nothing,
            _ if again => Behind::Unknown,
            None if cursor.is_some() && self.data.len() < PAGE_SIZE => Behind::Nothing,
            _ => Behind::Ask(Ask::Number(number.saturating_add(1))),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn page(legs: usize, meta: Value) -> Page {
        let legs: Vec<Value> = (0..legs).map(|n| json!({"call_control_id": format!("v3:{n}")})).collect();
        serde_json::from_value(json!({"data": legs, "meta": meta})).unwrap()
    }

    #[test]
    fn numbers_and_cursors_are_followed_to_their_end() {
        let second = Ask::Number(2);
        let numbered = |number, total| json!({"page_number": number, "total_pages": total});
        assert_eq!(page(20, numbered(1, 3)).behind(&Ask::Number(1), None), Behind::Ask(second.clone()));
        assert_eq!(page(20, numbered(3, 3)).behind(&Ask::Number(3), None), Behind::Nothing);
        assert_eq!(page(0, numbered(1, 0)).behind(&Ask::Number(1), None), Behind::Nothing);
        let after = |cursor| json!({"cursors": {"after": cursor}});
        let next = Ask::After("x".to_owned());
        assert_eq!(page(250, after("x")).behind(&Ask::Number(1), None), Behind::Ask(next.clone()));
        assert_eq!(page(9, json!({"cursors": {"after": null}})).behind(&next, None), Behind::Nothing);
        assert_eq!(
            page(9, json!({"cursors": {"after": null}})).behind(&Ask::Number(1), None),
            Behind::Nothing
        );
        assert_eq!(page(9, json!({"cursors": {}})).behind(&next, None), Behind::Nothing);
    }

    #[test]
    fn a_full_page_without_a_way_on_is_no_end() {
        let null = || json!({"cursors": {"after": null}});
        assert_eq!(page(250, null()).behind(&Ask::After("x".to_owned()), None), Behind::Unknown);
        for meta in [Value::Null, json!({}), null()] {
            assert_eq!(page(250, meta.clone()).behind(&Ask::Number(1), None), Behind::Ask(Ask::Number(2)));
            assert_eq!(
                page(250, meta).behind(&Ask::Number(2), Some("v3:0")),
                Behind::Unknown,
                "the same again"
            );
        }
        assert_eq!(page(20, Value::Null).behind(&Ask::Number(2), Some("v3:0")), Behind::Unknown);
        assert_eq!(page(3, Value::Null).behind(&Ask::Number(2), Some("v3:0")), Behind::Nothing);
        let same = json!({"cursors": {"after": "x"}});
        assert_eq!(page(250, same).behind(&Ask::After("x".to_owned()), None), Behind::Unknown);
    }
}
