//! Pages of lists: by number as Telnyx's SDKs ask for them, by cursor as its guides do.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

/// Default and maximum number of entries on a page.
const SIZE: (usize, usize) = (20, 250);

#[derive(Debug, Default, Deserialize)]
pub(super) struct Paging {
    #[serde(rename = "page[number]")]
    number: Option<usize>,
    #[serde(rename = "page[size]")]
    size: Option<usize>,
    #[serde(rename = "page[limit]")]
    limit: Option<usize>,
    #[serde(rename = "page[after]")]
    after: Option<String>,
}

impl Paging {
    /// The same with at most so many entries on a page.
    pub fn at_most(mut self, most: usize) -> Self {
        self.size = Some(limited(self.size).min(most));
        self
    }

    /// The page of `entries`, each with an increasing number, and its `meta`.
    pub fn page<T>(&self, path: &str, entries: Vec<(u64, T)>) -> (Vec<T>, Value) {
        match self.number.is_none() && (self.limit.is_some() || self.after.is_some()) {
            true => self.by_cursor(path, entries),
            false => self.by_number(entries),
        }
    }

    fn by_number<T>(&self, entries: Vec<(u64, T)>) -> (Vec<T>, Value) {
        let (size, number) = (limited(self.size), self.number.unwrap_or(1).max(1));
        let total = entries.len();
        let meta = json!({
            "page_number": number, "page_size": size, "total_pages": total.div_ceil(size), "total_results": total,
        });
        let page = entries.into_iter().skip(size.saturating_mul(number - 1)).take(size);
        (page.map(|(_, entry)| entry).collect(), meta)
    }

    fn by_cursor<T>(&self, path: &str, entries: Vec<(u64, T)>) -> (Vec<T>, Value) {
        let (limit, after) = (limited(self.limit), self.after.as_deref().and_then(read_cursor));
        let behind = |number: u64| after.is_none_or(|after| number > after);
        let mut page: Vec<_> = entries.into_iter().filter(|(number, _)| behind(*number)).collect();
        let more = page.len() > limit;
        page.truncate(limit);
        let after = page.last().filter(|_| more).map(|(number, _)| cursor(*number));
        let next = after.as_ref().map(|after| format!("{path}?page[after]={after}"));
        let meta = json!({ "cursors": { "after": after, "before": null }, "next": next, "previous": null });
        (page.into_iter().map(|(_, entry)| entry).collect(), meta)
    }
}

fn limited(size: Option<usize>) -> usize {
    size.unwrap_or(SIZE.0).clamp(1, SIZE.1)
}

fn cursor(number: u64) -> String {
    format!("v1:{}", STANDARD.encode(number.to_be_bytes()))
}

fn read_cursor(text: &str) -> Option<u64> {
    let bytes = STANDARD.decode(text.strip_prefix("v1:")?).ok()?;
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}
