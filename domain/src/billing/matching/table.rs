//! The carrier's records of a day, compact in memory, and found by leg and session.

use super::record::{CarrierId, CarrierRecord, Charge, OurCall};
use crate::envelope::Time;

/// Records that are added before those of the same leg are put together again.
const PORTION: usize = 65_536;

/// The carrier has more records of a day than are kept in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the carrier has records of more than {0} legs in a day")]
pub struct TooManyRecords(pub usize);

/// What the carrier has of a leg, all its records together.
#[derive(Debug, Clone, Copy)]
struct LegTotal {
    session: CarrierId,
    leg: CarrierId,
    started_at: Time,
    seconds: Option<u32>,
    billed_seconds: Option<u32>,
    charge: Charge,
    records: u16,
}

impl LegTotal {
    fn of(record: &CarrierRecord) -> Self {
        Self {
            session: record.session.unwrap_or(record.leg),
            leg: record.leg,
            started_at: record.started_at,
            seconds: record.seconds,
            billed_seconds: record.billed_seconds,
            charge: record.charge,
            records: 1,
        }
    }

    fn take(&mut self, other: &Self) {
        self.started_at = self.started_at.min(other.started_at);
        self.seconds = self.seconds.max(other.seconds);
        self.billed_seconds = self.billed_seconds.max(other.billed_seconds);
        self.charge = sum(self.charge, other.charge);
        self.records = self.records.saturating_add(other.records);
    }
}

fn sum(one: Charge, other: Charge) -> Charge {
    let currency = match (one.is_some(), other.is_some()) {
        (true, true) if one.currency != other.currency => None,
        (false, true) => other.currency,
        _ => one.currency,
    };
    Charge { micros: one.micros.saturating_add(other.micros), currency }
}

/// Takes records in any order.
#[derive(Debug)]
pub struct RecordCollector {
    most: usize,
    legs: Vec<LegTotal>,
    /// Legs from the beginning of which each stands once, in order.
    together: usize,
}

impl RecordCollector {
    /// `most` is the number of legs that may be kept.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, legs: Vec::new(), together: 0 }
    }

    /// Fails when there are more legs than may be kept.
    pub fn add(&mut self, record: &CarrierRecord) -> Result<(), TooManyRecords> {
        self.legs.push(LegTotal::of(record));
        // sorting again costs as much as there is: so the portions grow with it
        if self.legs.len() - self.together >= PORTION.max(self.together / 2) {
            self.put_together();
        }
        if self.together > self.most { Err(TooManyRecords(self.most)) } else { Ok(()) }
    }

    /// Fails when there are more legs than may be kept.
    pub fn finish(mut self) -> Result<RecordTable, TooManyRecords> {
        self.put_together();
        let (most, legs) = (self.most.min(u32::MAX as usize), self.legs);
        if legs.len() > most {
            return Err(TooManyRecords(most));
        }
        let mut by_leg: Vec<u32> = (0..).take(legs.len()).collect();
        by_leg.sort_unstable_by_key(|at| legs[*at as usize].leg);
        Ok(RecordTable { claimed: vec![false; legs.len()], legs, by_leg })
    }

    fn put_together(&mut self) {
        self.legs.sort_by_key(|leg| (leg.session, leg.leg));
        self.legs.dedup_by(|next, kept| {
            let same = (next.session, next.leg) == (kept.session, kept.leg);
            if same {
                kept.take(next);
            }
            same
        });
        self.together = self.legs.len();
    }
}

/// What the carrier has of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    pub leg: CarrierId,
    pub started_at: Time,
    /// Seconds of the call's own leg; `None` when the records do not say which is its own, or how long it was.
    pub seconds: Option<u32>,
    pub billed_seconds: Option<u32>,
    /// All that is charged for the call.
    pub charge: Charge,
    /// Number of records that it is the sum of.
    pub records: u16,
}

/// The records of a day. Each leg is claimed by one call at most.
#[derive(Debug)]
pub struct RecordTable {
    /// Ordered by session and leg.
    legs: Vec<LegTotal>,
    /// Numbers of legs, ordered by their ids.
    by_leg: Vec<u32>,
    claimed: Vec<bool>,
}

impl RecordTable {
    #[must_use]
    pub fn len(&self) -> usize {
        self.legs.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.legs.is_empty()
    }

    /// What the carrier has of the call, which no other call gets from then on: all legs of its session, or its own leg
    /// alone where only that is what we were told was charged. `None` when there is nothing.
    pub fn claim(&mut self, call: &OurCall) -> Option<Claim> {
        let own = self.of_leg(call.leg?);
        let mut all = call.session.map(|session| self.of_session(session)).unwrap_or_default();
        all.extend(own.iter().filter(|at| !all.contains(at)).copied().collect::<Vec<_>>());
        let total = self.together(&all, call)?;
        let alone = self.together(&own, call);
        let is_told = |claim: &Claim| call.told.is_some_and(|told| told.beyond(claim.charge) == Some(0));
        let (legs, claim) = match alone {
            Some(alone) if !is_told(&total) && is_told(&alone) => (own, alone),
            _ => (all, total),
        };
        for at in legs {
            self.claimed[at] = true;
        }
        Some(claim)
    }

    /// What no call has claimed, and began in the period.
    pub fn unclaimed(self, (from, to): (Time, Time)) -> impl Iterator<Item = Claim> {
        let left =
            self.legs.into_iter().zip(self.claimed).filter(|(_, claimed)| !claimed).map(|(leg, _)| leg);
        left.filter(move |leg| from <= leg.started_at && leg.started_at < to).map(|leg| claim_of(&leg))
    }

    fn of_leg(&self, leg: CarrierId) -> Vec<usize> {
        let from = self.by_leg.partition_point(|at| self.legs[*at as usize].leg < leg);
        let same = self.by_leg[from..].iter().map(|at| *at as usize);
        same.take_while(|at| self.legs[*at].leg == leg).filter(|at| !self.claimed[*at]).collect()
    }

    fn of_session(&self, session: CarrierId) -> Vec<usize> {
        let from = self.legs.partition_point(|leg| leg.session < session);
        let same = (from..self.legs.len()).take_while(|at| self.legs[*at].session == session);
        same.filter(|at| !self.claimed[*at]).collect()
    }

    fn together(&self, legs: &[usize], call: &OurCall) -> Option<Claim> {
        let first = self.legs.get(*legs.first()?)?;
        let own = legs.iter().map(|at| &self.legs[*at]).find(|leg| Some(leg.leg) == call.leg);
        let own = own.or(Some(first).filter(|_| legs.len() == 1));
        let mut claim = claim_of(own.unwrap_or(first));
        if own.is_none() {
            (claim.seconds, claim.billed_seconds) = (None, None);
        }
        let nothing = Charge { micros: 0, currency: claim.charge.currency };
        claim.charge = legs.iter().fold(nothing, |total, at| sum(total, self.legs[*at].charge));
        claim.records = legs.iter().fold(0, |count: u16, at| count.saturating_add(self.legs[*at].records));
        Some(claim)
    }
}

fn claim_of(leg: &LegTotal) -> Claim {
    let LegTotal { leg, started_at, seconds, billed_seconds, charge, records, .. } = *leg;
    Claim { leg, started_at, seconds, billed_seconds, charge, records }
}
