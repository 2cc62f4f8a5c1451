//! Pages of `GET /detail_records`: what Telnyx charged for calls, in two records a leg.
//!
//! Records of `call-control` and `sip-trunking` are found by `started_at`; they have no `created_at`, and a filter by it is
//! refused. A page has at most 50. A period with many records is read in parts, as deep pages are slow.

use chrono::{DateTime, SecondsFormat, TimeDelta};
use domain::billing::matching::{CarrierId, CarrierRecord, Charge};
use domain::envelope::Time;
use domain::money::micros_from_decimal;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

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
}

/// What an answer is worth, and what follows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// Its records count; the next page follows, if there is one.
    Page(Option<RecordsAsk>),
    /// The part has too many records: it is read in smaller ones.
    Smaller(RecordsAsk),
    /// Records were added meanwhile, so pages no longer follow one another.
    Changed,
}

impl RecordsAsk {
    pub(super) fn first(period: (Time, Time)) -> Self {
        Self { kind: 0, part: period, page: 1, total: 0 }
    }

    /// Reads [`RecordsAsk::text`]; `None` when it is none.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(' ').map(str::parse::<i64>);
        let mut next = || parts.next()?.ok();
        let (kind, from, to, page, total) = (next()?, next()?, next()?, next()?, next()?);
        let kind = usize::try_from(kind).ok().filter(|kind| *kind < KINDS.len())?;
        let time = DateTime::from_timestamp_micros;
        let (page, total) = (u32::try_from(page).ok()?, u64::try_from(total).ok()?);
        Some(Self { kind, part: (time(from)?, time(to)?), page, total })
    }

    pub(super) fn text(&self) -> String {
        let (from, to) = self.part;
        let (from, to) = (from.timestamp_micros(), to.timestamp_micros());
        format!("{} {from} {to} {} {}", self.kind, self.page, self.total)
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
        if self.page == 1 && meta.total_results > MOST_IN_PART && to - from > SHORTEST_PART {
            return Read::Smaller(Self { part: (from, from + (to - from) / 2), ..*self });
        }
        if self.page > 1 && meta.total_results != self.total {
            return Read::Changed;
        }
        let more = match meta.total_pages {
            Some(total) => self.page < total,
            None => answer.data.len() >= PAGE_SIZE as usize,
        };
        Read::Page(if more && !answer.data.is_empty() {
            Some(Self { page: self.page.saturating_add(1), total: meta.total_results, ..*self })
        } else if to < period.1 {
            // a part of what is left; it is halved again if it has too many
            let part = (to, period.1.min(to + (to - from) * 2));
            Some(Self { part, page: 1, total: 0, ..*self })
        } else {
            let kind = self.kind + 1;
            (kind < KINDS.len()).then_some(Self { kind, part: period, page: 1, total: 0 })
        })
    }
}

#[derive(Deserialize)]
pub(super) struct RecordsBody {
    pub(super) data: Vec<RecordBody>,
    #[serde(default)]
    meta: Option<Meta>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Meta {
    total_pages: Option<u32>,
    total_results: u64,
}

/// A record, as far as it is needed. The parties' numbers are not read.
#[derive(Deserialize)]
pub(super) struct RecordBody {
    #[serde(default, alias = "leg_id", alias = "telnyx_leg_id")]
    call_leg_id: Option<String>,
    #[serde(default, alias = "telnyx_session_id", alias = "session_id")]
    call_session_id: Option<String>,
    #[serde(default)]
    started_at: Option<String>,
    #[serde(default, deserialize_with = "number", alias = "duration_sec")]
    call_sec: Option<u32>,
    #[serde(default, deserialize_with = "number", alias = "billed_duration_secs")]
    billed_sec: Option<u32>,
    #[serde(default, deserialize_with = "micros")]
    cost: Option<i64>,
    #[serde(default)]
    currency: Option<String>,
}

impl RecordBody {
    /// `None` for a record that names no leg and no time: it belongs to no call.
    pub(super) fn record(&self) -> Option<CarrierRecord> {
        let id = |text: &Option<String>| text.as_deref().filter(|text| !text.is_empty()).map(CarrierId::of);
        let session = id(&self.call_session_id);
        let started_at = DateTime::parse_from_rfc3339(self.started_at.as_deref()?).ok()?.to_utc();
        let currency = self.currency.as_deref().and_then(|currency| currency.parse().ok());
        Some(CarrierRecord {
            leg: id(&self.call_leg_id).or(session)?,
            session,
            started_at,
            seconds: self.call_sec,
            billed_seconds: self.billed_sec,
            charge: Charge { micros: self.cost.unwrap_or(0), currency },
        })
    }
}

/// A number, or a text of one; anything else is none.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
        Value::String(text) => text.parse().ok(),
        _ => None,
    })
}

/// An amount, as a text or as a number as it is written; anything else is none.
fn micros<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Number(number) => micros_from_decimal(&number.to_string()).ok(),
        Value::String(text) => micros_from_decimal(&text).ok(),
        _ => None,
    })
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
            next = match ask.read_answer(&body(here as usize, total), period) {
                Read::Page(next) => {
                    records += here;
                    next
                }
                Read::Smaller(ask) => Some(ask),
                Read::Changed => panic!("{ask:?}"),
            };
            pages += 1;
            assert!(pages < 4_000, "{ask:?}");
        }
        assert_eq!((records, kinds), (2 * 1_440 * 40, [true; 2]));
        for bad in ["", "0 1", "9 0 0 1 0", "a b c d e", "0 0 0 -1 0"] {
            assert_eq!(RecordsAsk::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn pages_that_do_not_follow_one_another_are_noticed() {
        let period = (at(0), at(60));
        let Read::Page(Some(second)) = RecordsAsk::first(period).read_answer(&body(50, 70), period) else {
            panic!("no second page");
        };
        assert_eq!(second.read_answer(&body(21, 71), period), Read::Changed);
        assert!(
            matches!(second.read_answer(&body(20, 70), period), Read::Page(Some(next)) if next.kind == 1)
        );
    }

    #[test]
    fn an_answer_without_sums_is_read_until_a_page_is_not_full() {
        let period = (at(0), at(60));
        let ask = RecordsAsk { kind: 1, ..RecordsAsk::first(period) };
        let after = |records: usize| {
            let records: Vec<_> = (0..records).map(|_| json!({})).collect();
            ask.read_answer(&serde_json::from_value(json!({"data": records})).unwrap(), period)
        };
        assert!(matches!(after(50), Read::Page(Some(next)) if next.page == 2));
        assert_eq!((after(49), after(0)), (Read::Page(None), Read::Page(None)));
    }

    #[test]
    fn what_a_record_says_is_read_in_either_form_and_the_rest_is_left() {
        let read = |value| serde_json::from_value::<RecordBody>(value).unwrap().record();
        let full = json!({"call_leg_id": "a", "call_session_id": "428c31b6-7af4-4bcb-b7f5-5013ef9657c1",
            "started_at": "2026-05-01T10:00:00Z", "call_sec": 61, "billed_sec": "120", "cost": "0.0056",
            "currency": "USD", "cli": "+12025550100", "new": [1]});
        let record = read(full.clone()).unwrap();
        assert_eq!(
            (record.seconds, record.billed_seconds, record.charge.micros),
            (Some(61), Some(120), 5_600)
        );
        assert_eq!(record.session, Some(CarrierId::of("428c31b6-7af4-4bcb-b7f5-5013ef9657c1")));
        assert_eq!(record.leg, CarrierId::of("a"));
        let mut odd = full;
        (odd["cost"], odd["currency"], odd["call_sec"]) = (json!(0.0056), json!("credits"), json!(-3));
        let record = read(odd).unwrap();
        assert_eq!((record.charge.micros, record.charge.currency, record.seconds), (5_600, None, None));
        for nothing in [json!({}), json!({"call_leg_id": "a"}), json!({"started_at": "2026-05-01T10:00:00Z"})]
        {
            assert_eq!(read(nothing), None);
        }
    }
}
