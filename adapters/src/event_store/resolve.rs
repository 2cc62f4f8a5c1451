//! Decides for each append of a batch whether it is written. Pure: the state of the log arrives as data.

use std::collections::{HashMap, HashSet};

use domain::envelope::{Position, Recorded, StreamId, Version};
use domain::ports::event_store::Expected;
use uuid::Uuid;

use super::versions::Versions;

/// An append to decide about.
#[derive(Debug, Clone, Copy)]
pub(super) struct AppendRequest<'a> {
    pub(super) stream: &'a StreamId,
    pub(super) expected: Expected,
    pub(super) events: &'a [Recorded],
}

/// Place of a stored event in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) stream: StreamId,
    pub(super) version: Version,
    pub(super) position: Position,
}

/// What the store answered about streams and ids; true as of the moment it was asked.
#[derive(Debug, Default)]
pub(super) struct StoreState {
    /// Versions of all streams that were asked for, also of those without events.
    pub(super) versions: HashMap<StreamId, Version>,
    /// Places of those asked ids that are stored.
    pub(super) places: HashMap<Uuid, Place>,
    pub(super) asked: HashSet<Uuid>,
}

impl StoreState {
    pub(super) fn merge(&mut self, newer: StoreState) {
        self.versions.extend(newer.versions);
        self.places.extend(newer.places);
        self.asked.extend(newer.asked);
    }
}

/// Position of an event that a outcome names: in the log, or in the batch about to be committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Location {
    Stored(Position),
    /// Index of a row of the batch, from 0.
    Row(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The append's events become the rows from `row` on, the first with this version.
    Write { row: usize, first_version: Version },
    /// The append is already stored, or another append of the batch is about to store it.
    Repeat { first: Location, last: Location, version: Version },
    /// The expected version does not match the stream's `current` one.
    Conflict { current: Version },
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Resolved {
    /// One outcome for each claim, in the same order.
    Outcomes(Vec<Outcome>),
    /// The writer must ask the store about these first, then resolve_batch again.
    Ask { streams: Vec<StreamId>, ids: Vec<Uuid> },
}

/// The changes that the batch itself has made so far.
#[derive(Default)]
struct Pending<'a> {
    versions: HashMap<&'a StreamId, Version>,
    ids: HashMap<Uuid, (&'a StreamId, Version, usize)>,
    rows: usize,
}

/// Judges the claims in order, each as if those before it were already written.
///
/// A claim that memory (`recent`) allows is written without asking the store; the store's constraints catch a wrong
/// guess, and then everything is looked up and judged again. Refusals and repeats are decided only from `truth`.
pub(super) fn resolve_batch(claims: &[AppendRequest<'_>], recent: &Versions, truth: &StoreState) -> Resolved {
    let mut pending = Pending::default();
    let mut outcomes = Vec::with_capacity(claims.len());
    let (mut streams, mut ids) = (HashSet::new(), Vec::new());
    for claim in claims {
        if let Some(first_version) = guess(claim, recent, truth, &pending) {
            outcomes.push(pending.write(claim, first_version));
            continue;
        }
        let known = truth.versions.get(claim.stream);
        let asked = claim.events.iter().all(|event| truth.asked.contains(&event.id));
        let Some(stored) = known.filter(|_| asked) else {
            streams.insert(claim.stream);
            ids.extend(claim.events.iter().map(|event| event.id));
            continue;
        };
        let current = pending.versions.get(claim.stream).unwrap_or(stored);
        outcomes.push(decide(claim, *current, truth, &mut pending));
    }
    if streams.is_empty() {
        Resolved::Outcomes(outcomes)
    } else {
        Resolved::Ask { streams: streams.into_iter().cloned().collect(), ids }
    }
}

/// The version of the claim's first event, if nothing known here forbids to write it.
fn guess(
    claim: &AppendRequest<'_>,
    recent: &Versions,
    truth: &StoreState,
    pending: &Pending<'_>,
) -> Option<Version> {
    let fresh = matches!(claim.expected, Expected::NoStream | Expected::Exact(Version::NONE));
    let current = (pending.versions.get(claim.stream).copied())
        .or_else(|| truth.versions.get(claim.stream).copied())
        .or_else(|| recent.get(claim.stream))
        .or_else(|| fresh.then_some(Version::NONE))?;
    let seen = |id: &Uuid| truth.places.contains_key(id) || pending.ids.contains_key(id);
    let allowed = claim.expected.allows(current) && !claim.events.iter().any(|event| seen(&event.id));
    allowed.then_some(Version(current.0 + 1))
}

/// Decides a claim once the store has answered about its stream and ids.
fn decide<'a>(
    claim: &AppendRequest<'a>,
    current: Version,
    truth: &StoreState,
    pending: &mut Pending<'a>,
) -> Outcome {
    let found: Vec<_> = claim.events.iter().filter_map(|event| pending.find(event.id, truth)).collect();
    if found.is_empty() && claim.expected.allows(current) {
        return pending.write(claim, Version(current.0 + 1));
    }
    let conflict = Outcome::Conflict { current };
    let (Some(&(_, before, first)), Some(&(_, version, last))) = (found.first(), found.last()) else {
        return conflict;
    };
    let whole = found.len() == claim.events.len();
    let in_order = found
        .iter()
        .zip(before.0..)
        .all(|(&(stream, version, _), n)| stream == claim.stream && version.0 == n);
    let where_expected = match claim.expected {
        Expected::Any => true,
        Expected::NoStream => before == Version(1),
        Expected::Exact(expected) => before.0 == expected.0 + 1,
    };
    if whole && in_order && where_expected { Outcome::Repeat { first, last, version } } else { conflict }
}

impl<'a> Pending<'a> {
    fn write(&mut self, claim: &AppendRequest<'a>, first_version: Version) -> Outcome {
        let row = self.rows;
        for (n, event) in claim.events.iter().enumerate() {
            self.ids.insert(event.id, (claim.stream, Version(first_version.0 + n as u64), row + n));
        }
        self.rows += claim.events.len();
        self.versions.insert(claim.stream, Version(first_version.0 + claim.events.len() as u64 - 1));
        Outcome::Write { row, first_version }
    }

    fn find<'b>(&self, id: Uuid, truth: &'b StoreState) -> Option<(&'b StreamId, Version, Location)>
    where
        'a: 'b,
    {
        if let Some(place) = truth.places.get(&id) {
            return Some((&place.stream, place.version, Location::Stored(place.position)));
        }
        self.ids.get(&id).map(|&(stream, version, row)| (stream, version, Location::Row(row)))
    }
}

#[cfg(test)]
mod tests {
    use domain::ids::ClientId;

    use super::*;

    fn stream(n: u128) -> StreamId {
        StreamId::new("call", Uuid::from_u128(n))
    }

    fn events(ids: &[u128]) -> Vec<Recorded> {
        let event = |id: &u128| Recorded {
            position: Position::START,
            stream: stream(1),
            version: Version::NONE,
            id: Uuid::from_u128(*id),
            event_type: "call.noted".to_owned(),
            schema: 1,
            client_id: ClientId(Uuid::nil()),
            payload: Vec::new().into(),
            metadata: Vec::new().into(),
            recorded_at: Default::default(),
        };
        ids.iter().map(event).collect()
    }

    #[test]
    fn what_memory_allows_is_written_without_asking() {
        let (new, known, other) = (stream(1), stream(2), stream(3));
        let mut recent = Versions::default();
        recent.set(&known, Version(5));
        let events = [events(&[1, 2]), events(&[3]), events(&[4]), events(&[5])];
        let exactly = |n| Expected::Exact(Version(n));
        let claims = [
            AppendRequest { stream: &new, expected: Expected::NoStream, events: &events[0] },
            AppendRequest { stream: &known, expected: exactly(5), events: &events[1] },
            AppendRequest { stream: &new, expected: exactly(2), events: &events[2] },
        ];
        let wanted = [(0, 1), (2, 6), (3, 3)]
            .map(|(row, first)| Outcome::Write { row, first_version: Version(first) })
            .to_vec();
        assert_eq!(resolve_batch(&claims, &recent, &StoreState::default()), Resolved::Outcomes(wanted));

        let unknown = [AppendRequest { stream: &other, expected: exactly(1), events: &events[3] }];
        let ask = Resolved::Ask { streams: vec![other.clone()], ids: vec![Uuid::from_u128(5)] };
        assert_eq!(resolve_batch(&unknown, &recent, &StoreState::default()), ask);
    }

    #[test]
    fn a_refusal_is_never_told_from_memory() {
        let known = stream(1);
        let mut recent = Versions::default();
        recent.set(&known, Version(5));
        let events = events(&[1]);
        let claims =
            [AppendRequest { stream: &known, expected: Expected::Exact(Version(7)), events: &events }];
        assert!(matches!(resolve_batch(&claims, &recent, &StoreState::default()), Resolved::Ask { .. }));

        let mut truth = StoreState::default();
        truth.asked.insert(Uuid::from_u128(1));
        truth.versions.insert(known.clone(), Version(7));
        let written = Outcome::Write { row: 0, first_version: Version(8) };
        assert_eq!(resolve_batch(&claims, &recent, &truth), Resolved::Outcomes(vec![written]));
        truth.versions.insert(known.clone(), Version(8));
        let lost = Outcome::Conflict { current: Version(8) };
        assert_eq!(resolve_batch(&claims, &recent, &truth), Resolved::Outcomes(vec![lost]));
    }
}
