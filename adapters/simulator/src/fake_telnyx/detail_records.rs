//! What the carrier charged, as `GET /detail_records` shows it: two records for each leg, and differences on demand.

use std::collections::VecDeque;

use domain::envelope::Time;
use serde_json::{Value, json};

use super::answers::Answer;
use super::notice::timestamp;

/// Most records that are kept.
const MOST: usize = 200_000;
const KINDS: [&str; 2] = ["call-control", "sip-trunking"];
/// Fields that records can be filtered by. They have no `created_at`.
const FIELDS: [&str; 6] =
    ["record_type", "started_at", "finished_at", "answered_at", "call_leg_id", "call_session_id"];

/// What a leg is charged.
#[derive(Debug, Clone)]
pub struct ChargedLeg {
    pub leg_id: String,
    pub session_id: String,
    pub from: String,
    pub to: String,
    pub connection_id: String,
    pub started_at: Time,
    pub answered_at: Option<Time>,
    pub ended_at: Time,
    /// Seconds that are charged, in whole minutes.
    pub billed_seconds: i64,
    /// Millionths of a dollar for control, and for the line.
    pub micros: [i64; 2],
    /// Whether searches find it: records come late.
    pub shown: bool,
}

/// The legs that were charged, oldest first.
#[derive(Debug, Default)]
pub(super) struct DetailRecords {
    legs: VecDeque<ChargedLeg>,
    searches: u64,
}

impl DetailRecords {
    pub fn keep(&mut self, leg: ChargedLeg) {
        self.legs.push_back(leg);
        if self.legs.len() > MOST {
            self.legs.pop_front();
        }
    }

    /// Changes the charged legs as a test wants them.
    pub fn change(&mut self, change: impl FnOnce(&mut VecDeque<ChargedLeg>)) {
        change(&mut self.legs);
    }

    /// Number of searches so far.
    pub fn searches(&self) -> u64 {
        self.searches
    }

    /// The records that a query asks for, each with its number. Fails as the API does, with 400, for a filter by a field
    /// that the records have not, or without their type.
    pub fn search(&mut self, query: &[(String, String)]) -> Result<Vec<(u64, Value)>, Answer> {
        self.searches += 1;
        let bad = |title: &str| Answer::refused(400, "10015", title, "/filter");
        let filters = query.iter().filter_map(|(name, value)| Some((name.strip_prefix("filter[")?, value)));
        let (mut kind, mut conditions) = (None, Vec::new());
        for (name, value) in filters {
            let (field, rest) = name.split_once(']').ok_or_else(|| bad("Malformed filter"))?;
            if !FIELDS.contains(&field) {
                return Err(bad("Invalid filter field"));
            }
            match field {
                "record_type" => kind = Some(value.as_str()),
                field => conditions.push((field, rest, value.as_str())),
            }
        }
        let kind = kind.ok_or_else(|| bad("The record type is required"))?;
        let Some(part) = KINDS.iter().position(|known| *known == kind) else { return Ok(Vec::new()) };
        let mut legs: Vec<_> = self.legs.iter().filter(|leg| leg.shown).collect();
        legs.sort_by_key(|leg| leg.started_at);
        let records = legs.into_iter().map(|leg| leg.record(part));
        let fits = |record: &Value| {
            conditions.iter().all(|(field, operator, wanted)| {
                let value = record[*field].as_str().unwrap_or_default();
                match *operator {
                    "[gte]" => instant(value) >= instant(wanted),
                    "[lt]" => instant(value) < instant(wanted),
                    _ => value == *wanted,
                }
            })
        };
        Ok((1..).zip(records.filter(fits)).collect())
    }
}

fn instant(text: &str) -> Option<Time> {
    chrono::DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}

impl ChargedLeg {
    fn record(&self, part: usize) -> Value {
        let seconds = self.answered_at.map_or(0, |at| (self.ended_at - at).num_seconds().max(0));
        let micros = self.micros[part];
        let sign = if micros < 0 { "-" } else { "" };
        let cost = format!("{sign}{}.{:06}", micros.abs() / 1_000_000, micros.abs() % 1_000_000);
        json!({
            "record_type": KINDS[part],
            "call_leg_id": self.leg_id,
            "call_session_id": self.session_id,
            "connection_id": self.connection_id,
            "cli": self.from,
            "cld": self.to,
            "started_at": timestamp(self.started_at),
            "answered_at": self.answered_at.map(timestamp),
            "finished_at": timestamp(self.ended_at),
            "call_sec": seconds,
            "billed_sec": self.billed_seconds,
            "rate": "0.0020",
            "rate_measured_in": "minutes",
            "cost": cost,
            "currency": "USD",
            "is_telnyx_billable": micros != 0,
        })
    }
}
