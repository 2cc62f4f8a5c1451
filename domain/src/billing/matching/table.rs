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
    /// `None` when no record of it says so.
    session: Option<CarrierId>,
    leg: CarrierId,
    started_at: Time,
    seconds: Option<u32>,
    billed_seconds: Option<u32>,
    charge: Charge,
    records: u16,
    /// Whether a record of it says that it is of our connection.
    is_ours: bool,
}

impl LegTotal {
    fn of(record: &CarrierRecord) -> Self {
        Self {
            session: record.session,
            leg: record.leg,
            started_at: record.started_at,
            seconds: record.seconds,
            billed_seconds: record.billed_seconds,
            charge: record.charge,
            records: 1,
            is_ours: record.is_ours,
        }
    }

    fn take(&mut self, other: &Self) {
        self.session = match (self.session, other.session) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        self.is_ours |= other.is_ours;
        self.started_at = self.started_at.min(other.started_at);
        self.seconds = self.seconds.max(other.seconds);
        self.billed_seconds = self.billed_seconds.max(other.billed_seconds);
        self.charge = sum(self.charge, other.charge);
        self.records = self.records.saturating_add(other.records);
    }

    /// The session; a leg without any is one by itself.
    fn session(&self) -> CarrierId {
        self.session.unwrap_or(self.leg)
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
        let (most, mut legs) = (self.most.min(u32::MAX as usize), self.legs);
        if legs.len() > most {
            return Err(TooManyRecords(most));
        }
        legs.sort_unstable_by_key(|leg| (leg.session(), leg.leg));
        let mut by_leg: Vec<u32> = (0..).take(legs.len()).collect();
        by_leg.sort_unstable_by_key(|at| legs[*at as usize].leg);
        let [claimed, reserved] = [(); 2].map(|()| vec![false; legs.len()]);
        Ok(RecordTable { claimed, reserved, legs, by_leg })
    }

    fn put_together(&mut self) {
        self.legs.sort_by_key(|leg| leg.leg);
        self.legs.dedup_by(|next, kept| {
            let same = next.leg == kept.leg;
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

impl Claim {
    /// Millionths that are charged beyond what is known; `None` when currencies differ. Each record is rounded to a
    /// millionth, so as many are no difference.
    #[must_use]
    pub fn beyond(&self, known: Charge) -> Option<i64> {
        let rounding = i64::from(self.records);
        self.charge.beyond(known).map(|by| if by.abs() <= rounding { 0 } else { by })
    }
}

/// The records of a day. Each leg is claimed by one call at most.
#[derive(Debug)]
pub struct RecordTable {
    /// Ordered by session and leg.
    legs: Vec<LegTotal>,
    /// Numbers of legs, ordered by their ids.
    by_leg: Vec<u32>,
    claimed: Vec<bool>,
    /// Legs that are a call's own.
    reserved: Vec<bool>,
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

    /// Says that a leg is a call's own: no other call of its session gets it.
    pub fn reserve(&mut self, leg: CarrierId) {
        if let Some(at) = self.of_leg(leg) {
            self.reserved[at] = true;
        }
    }

    /// What the carrier has of the call, if anything, which no other call gets from then on: its own leg with all of its
    /// session that are no other call's own, or its own alone where only that is what we were told was charged.
    pub fn claim(&mut self, call: &OurCall) -> Option<Claim> {
        let own = self.of_leg(call.leg?).filter(|at| !self.claimed[*at]);
        let mut all = call.session.map(|session| self.of_session(session)).unwrap_or_default();
        all.retain(|at| !self.claimed[*at] && !self.reserved[*at] && Some(*at) != own);
        all.extend(own);
        let total = self.together(&all, call)?;
        let own: Vec<_> = own.into_iter().collect();
        let alone = self.together(&own, call);
        let is_told = |claim: &Claim| call.told.is_some_and(|told| claim.beyond(told) == Some(0));
        let (legs, claim) = match alone {
            Some(alone) if !is_told(&total) && is_told(&alone) => (own, alone),
            _ => (all, total),
        };
        for at in legs {
            self.claimed[at] = true;
        }
        Some(claim)
    }

    /// What no call has claimed, is surely ours, and began in the period.
    pub fn unclaimed(self, (from, to): (Time, Time)) -> impl Iterator<Item = Claim> {
        let left = self.legs.into_iter().zip(self.claimed).filter(|(_, claimed)| !claimed);
        let left = left.map(|(leg, _)| leg).filter(|leg| leg.is_ours);
        left.filter(move |leg| from <= leg.started_at && leg.started_at < to).map(|leg| claim_of(&leg))
    }

    fn of_leg(&self, leg: CarrierId) -> Option<usize> {
        let at = self.by_leg.binary_search_by_key(&leg, |at| self.legs[*at as usize].leg).ok()?;
        Some(self.by_leg[at] as usize)
    }

    fn of_session(&self, session: CarrierId) -> Vec<usize> {
        let from = self.legs.partition_point(|leg| leg.session() < session);
        (from..self.legs.len()).take_while(|at| self.legs[*at].session() == session).collect()
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
