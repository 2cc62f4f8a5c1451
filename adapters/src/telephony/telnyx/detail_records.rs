//! Pages of `GET /detail_records`: what Telnyx charged for calls, in two records a leg.
//!
//! Records of `call-control` and `sip-trunking` are found by `started_at`; they have no `created_at`, and a filter by it is
//! refused. A page has at most 50. A period with many records is read in parts, as deep pages are slow.
//!
//! An account may have many connections, and other users than us. Records of another connection are left out. Which names
//! the fields of a record have is told for other kinds of records only, so each is looked for under all known names.

use chrono::{DateTime, SecondsFormat, TimeDelta};
use domain::billing::matching::{CarrierId, CarrierRecord, Charge};
use domain::envelope::Time;
use domain::money::micros_from_decimal;
use domain::ports::telephony::RecordPart;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Records of a page: the most that Telnyx gives.
const PAGE_SIZE: u32 = 50;
/// A part of the period with more records than this is halved.
const MOST_IN_PART: u64 = 5_000;
/// Parts are not made shorter than this.
const SHORTEST_PART: TimeDelta = TimeDelta::minutes(1);
/// Kinds of records that calls lead to.
const KINDS: [&str; 2] = ["call-control", "sip-trunking"];

/// The page to request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordsAsk {
    kind: usize,
    /// The part of the period that the page is of.
    part: (Time, Time),
    /// Number of the page in that part, from 1.
    page: u32,
    /// Records of the part, as its first page told; 0 on that page, and where the answers do not say.
    total: u64,
    /// Records on the pages of the part before this one.
    seen: u64,
}

/// What an answer is worth, and what follows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Read {
    /// Whether its records count: not those of a part that is read otherwise.
    pub(super) counts: bool,
    pub(super) part: RecordPart,
    pub(super) next: Option<RecordsAsk>,
}

impl RecordsAsk {
    pub(super) fn first(period: (Time, Time)) -> Self {
        Self { kind: 0, part: period, page: 1, total: 0, seen: 0 }
    }

    /// Reads [`RecordsAsk::text`]; `None` when it is none.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(' ').map(str::parse::<i64>);
        let mut next = || parts.next()?.ok();
        let (kind, from, to, page) = (next()?, next()?, next()?, next()?);
        let [total, seen] = [u64::try_from(next()?).ok()?, u64::try_from(next()?).ok()?];
        let kind = usize::try_from(kind).ok().filter(|kind| *kind < KINDS.len())?;
        let time = DateTime::from_timestamp_micros;
        let page = u32::try_from(page).ok()?;
        Some(Self { kind, part: (time(from)?, time(to)?), page, total, seen })
    }

    pub(super) fn text(&self) -> String {
        let (from, to) = self.part;
        let (from, to) = (from.timestamp_micros(), to.timestamp_micros());
        format!("{} {from} {to} {} {} {}", self.kind, self.page, self.total, self.seen)
    }

    pub(super) fn query(&self) -> [(&'static str, String); 6] {
        let time = |at: Time| at.to_rfc3339_opts(SecondsFormat::Millis, true);
        [
            ("filter[record_type]", KINDS[self.kind].to_owned()),
            ("filter[started_at][gte]", time(self.part.0)),
            ("filter[started_at][lt]", time(self.part.1)),
            ("sort", "started_at".to_owned()),
            ("page[number]", self.page.to_string()),
            ("page[size]", PAGE_SIZE.to_string()),
        ]
    }

    /// What the answer to this is worth, in a period, and what follows it.
    pub(super) fn read_answer(&self, answer: &RecordsBody, period: (Time, Time)) -> Read {
        let (from, to) = self.part;
        let meta = answer.meta.unwrap_or_default();
        let first = |part: (Time, Time)| Self { part, page: 1, total: 0, seen: 0, ..*self };
        if self.page == 1 && meta.total_results > MOST_IN_PART && to - from > SHORTEST_PART {
            // it is read in smaller ones
            let next = Some(first((from, from + (to - from) / 2)));
            return Read { counts: false, part: RecordPart::Complete, next };
        }
        let seen = self.seen + answer.data.len() as u64;
        let more = match meta.total_pages {
            Some(total) => self.page < total,
            None => answer.data.len() >= PAGE_SIZE as usize,
        };
        // records came or went, so pages no longer follow one another
        let has_changed = self.page > 1 && meta.total_results != self.total;
        let is_short = meta.total_pages.is_some()
            && if more { answer.data.is_empty() } else { seen != meta.total_results };
        if has_changed || is_short {
            return Read { counts: false, part: RecordPart::Again, next: Some(first(self.part)) };
        }
        if more {
            let next = Self { page: self.page.saturating_add(1), total: meta.total_results, seen, ..*self };
            return Read { counts: true, part: RecordPart::GoesOn, next: Some(next) };
        }
        let next = if to < period.1 {
            // a part of what is left; it is halved again if it has too many
            Some(first((to, period.1.min(to + (to - from) * 2))))
        } else {
            let kind = self.kind + 1;
            (kind < KINDS.len()).then_some(Self { kind, ..first(period) })
        };
        Read { counts: true, part: RecordPart::Complete, next }
    }
}

#[derive(Deserialize)]
pub(super) struct RecordsBody {
    data: Vec<Value>,
    #[serde(default)]
    meta: Option<Meta>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Meta {
    total_pages: Option<u32>,
    total_results: u64,
}

impl RecordsBody {
    /// The records of calls of the connection, or of none that they name. The parties' numbers are not read.
    pub(super) fn records(&self, connection_id: &str) -> Vec<CarrierRecord> {
        let records = self.data.iter().filter_map(Value::as_object);
        records.filter_map(|record| record_of(record, connection_id)).collect()
    }

    /// Number of records that name no leg or no time, or an amount that cannot be read.
    pub(super) fn unreadable(&self) -> usize {
        let is_whole = |value: &Value| {
            let Some(record) = value.as_object() else { return false };
            leg_of(record).is_some()
                && began(record).is_some()
                && record.get("cost").is_none_or(|cost| cost.is_null() || micros(cost).is_some())
        };
        self.data.iter().filter(|value| !is_whole(value)).count()
    }
}

/// The first of the fields that has a text.
fn text<'a>(record: &'a Map<String, Value>, names: &[&str]) -> Option<&'a str> {
    names.iter().filter_map(|name| record.get(*name)?.as_str()).find(|text| !text.is_empty())
}

fn session_of(record: &Map<String, Value>) -> Option<CarrierId> {
    text(record, &["call_session_id", "telnyx_session_id", "session_id"]).map(CarrierId::of)
}

fn leg_of(record: &Map<String, Value>) -> Option<CarrierId> {
    let leg = text(record, &["call_leg_id", "telnyx_leg_id", "leg_id"]).map(CarrierId::of);
    leg.or_else(|| session_of(record))
}

fn began(record: &Map<String, Value>) -> Option<Time> {
    let began = DateTime::parse_from_rfc3339(text(record, &["started_at"])?).ok()?;
    Some(began.to_utc())
}

/// `None` for a record that names no leg or no time, as it belongs to no call, and for one of another connection.
fn record_of(record: &Map<String, Value>, connection_id: &str) -> Option<CarrierRecord> {
    let connection = match record.get("connection_id") {
        Some(Value::String(id)) if !id.is_empty() => Some(id.clone()),
        Some(Value::Number(id)) => Some(id.to_string()),
        _ => None,
    };
    if connection.as_deref().is_some_and(|id| id != connection_id) {
        return None;
    }
    let first = |names: [&str; 2]| names.iter().find_map(|name| number(record.get(*name)?));
    let currency = text(record, &["currency"]).and_then(|currency| currency.parse().ok());
    Some(CarrierRecord {
        leg: leg_of(record)?,
        session: session_of(record),
        started_at: began(record)?,
        seconds: first(["call_sec", "duration_sec"]),
        billed_seconds: first(["billed_sec", "billed_duration_secs"]),
        charge: Charge { micros: record.get("cost").and_then(micros).unwrap_or(0), currency },
        is_ours: connection.is_some(),
    })
}

/// A number, or a text of one; anything else is none.
fn number(value: &Value) -> Option<u32> {
    match value {
        Value::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// An amount, as a text or as a number; anything else is none.
fn micros(value: &Value) -> Option<i64> {
    match value {
        // a number in full: never as `1e-5`
        Value::Number(number) => micros_from_decimal(&number.as_f64()?.to_string()).ok(),
        Value::String(text) => micros_from_decimal(text).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(minutes: i64) -> Time {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    fn body(records: usize, total: u64) -> RecordsBody {
        let records: Vec<_> = (0..records).map(|_| json!({})).collect();
        let meta = json!({"total_pages": total.div_ceil(50), "total_results": total});
        serde_json::from_value(json!({"data": records, "meta": meta})).unwrap()
    }

    #[test]
    fn a_period_is_read_to_its_end_in_parts_that_are_not_too_full() {
        let period = (at(0), at(1_440));
        let (mut next, mut pages, mut records, mut kinds) =
            (Some(RecordsAsk::first(period)), 0, 0, [false; 2]);
        while let Some(ask) = next {
            assert_eq!(RecordsAsk::read(&ask.text()), Some(ask));
            kinds[ask.kind] = true;
            // forty records a minute
            let (from, to) = ask.part;
            let total = u64::try_from((to - from).num_seconds()).unwrap() * 40 / 60;
            let here = total.saturating_sub(u64::from(ask.page - 1) * 50).min(50);
            let read = ask.read_answer(&body(here as usize, total), period);
            assert_ne!(read.part, RecordPart::Again, "{ask:?}");
            records += if read.counts { here } else { 0 };
            next = read.next;
            pages += 1;
            assert!(pages < 4_000, "{ask:?}");
        }
        assert_eq!((records, kinds), (2 * 1_440 * 40, [true; 2]));
        for bad in ["", "0 1", "9 0 0 1 0 0", "a b c d e f", "0 0 0 -1 0 0", "0 0 0 1 0"] {
            assert_eq!(RecordsAsk::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_part_whose_pages_do_not_follow_one_another_begins_anew() {
        let period = (at(0), at(60));
        let ask = RecordsAsk::first(period);
        let read = ask.read_answer(&body(50, 170), period);
        assert_eq!((read.counts, read.part), (true, RecordPart::GoesOn));
        let second = read.next.unwrap();
        let again = Read { counts: false, part: RecordPart::Again, next: Some(ask) };
        // another number of records, an empty page before the last one, and a last one with too few
        assert_eq!(second.read_answer(&body(50, 171), period), again);
        assert_eq!(second.read_answer(&body(0, 170), period), again);
        let last = RecordsAsk { page: 4, seen: 150, ..second };
        assert_eq!(last.read_answer(&body(19, 170), period), again);
        let read = last.read_answer(&body(20, 170), period);
        assert_eq!(
            (read.counts, read.part, read.next.map(|next| next.kind)),
            (true, RecordPart::Complete, Some(1))
        );
        // nothing in it, as the carrier tells that in one of two ways
        for pages in [0, 1] {
            let nothing = json!({"data": [], "meta": {"total_pages": pages, "total_results": 0}});
            let read = ask.read_answer(&serde_json::from_value(nothing).unwrap(), period);
            assert_eq!(read.part, RecordPart::Complete);
        }
    }

    #[test]
    fn an_answer_without_sums_is_read_until_a_page_is_not_full() {
        let period = (at(0), at(60));
        let ask = RecordsAsk { kind: 1, ..RecordsAsk::first(period) };
        let after = |records: usize| {
            let records: Vec<_> = (0..records).map(|_| json!({})).collect();
            ask.read_answer(&serde_json::from_value(json!({"data": records})).unwrap(), period)
        };
        assert_eq!(after(50).next.map(|next| next.page), Some(2));
        assert_eq!([49, 0].map(|records| after(records).next), [None, None]);
    }

    fn read(value: Value) -> Option<CarrierRecord> {
        let body: RecordsBody = serde_json::from_value(json!({"data": [value]})).unwrap();
        body.records("1900").pop()
    }

    fn full() -> Value {
        json!({"call_leg_id": "a", "call_session_id": "428c31b6-7af4-4bcb-b7f5-5013ef9657c1",
            "started_at": "2026-05-01T10:00:00Z", "call_sec": 61, "billed_sec": "120", "cost": "0.0056",
            "currency": "USD", "connection_id": "1900", "cli": "+12025550100", "new": [1]})
    }

    #[test]
    fn what_a_record_says_is_read_in_either_form_and_the_rest_is_left() {
        let record = read(full()).unwrap();
        assert_eq!(
            (record.seconds, record.billed_seconds, record.charge.micros),
            (Some(61), Some(120), 5_600)
        );
        assert_eq!(record.session, Some(CarrierId::of("428c31b6-7af4-4bcb-b7f5-5013ef9657c1")));
        assert_eq!(record.leg, CarrierId::of("a"));
        let mut odd = full();
        (odd["cost"], odd["currency"], odd["call_sec"]) = (json!(0.00001), json!("credits"), json!(-3));
        let record = read(odd).unwrap();
        assert_eq!((record.charge.micros, record.charge.currency, record.seconds), (10, None, None));
        // one name beside another
        let mut both = full();
        (both["telnyx_leg_id"], both["duration_sec"], both["session_id"]) = (json!("b"), json!(7), json!(""));
        assert_eq!(read(both), read(full()));
        for nothing in [
            json!({}),
            json!(7),
            json!({"call_leg_id": "a"}),
            json!({"call_leg_id": {}, "started_at": "2026-05-01T10:00:00Z"}),
        ] {
            let body: RecordsBody = serde_json::from_value(json!({"data": [nothing, full()]})).unwrap();
            assert_eq!((body.records("1900").len(), body.unreadable()), (1, 1));
        }
        let mut unclear = full();
        unclear["cost"] = json!("much");
        let body: RecordsBody = serde_json::from_value(json!({"data": [unclear]})).unwrap();
        assert_eq!(body.unreadable(), 1);
    }

    #[test]
    fn records_of_another_connection_are_nobodys_here_and_those_of_none_are_not_surely_ours() {
        assert!(read(full()).unwrap().is_ours);
        let mut other = full();
        other["connection_id"] = json!("1901");
        assert_eq!(read(other.clone()), None);
        other["connection_id"] = json!(1900);
        assert!(read(other.clone()).unwrap().is_ours);
        for none in [json!(""), json!(null)] {
            other["connection_id"] = none;
            assert!(!read(other.clone()).unwrap().is_ours);
        }
    }
}
