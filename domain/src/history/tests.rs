//! Bundles: what is good is found good, and nothing else is.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::envelope::{Metadata, Position, Recorded, StreamId, Time, Version};
use crate::ids::ClientId;
use crate::merkle::{Entry, Frontier, NoteSigner, origin, subtrees};

fn event(position: u64) -> Recorded {
    Recorded {
        position: Position(position),
        stream: StreamId::new("call", Uuid::from_u128(u128::from(position % 3))),
        version: Version(position / 3 + 1),
        id: Uuid::from_u128(u128::from(position) << 64),
        event_type: "call.noted".to_owned(),
        schema: 1,
        client_id: ClientId(Uuid::from_u128(u128::from(position % 2))),
        payload: position.to_be_bytes().to_vec().into(),
        metadata: serde_json::to_vec(&Metadata::system("test", Uuid::nil())).unwrap().into(),
        recorded_at: Time::from_timestamp_micros(1_767_225_600_000_001 + position as i64).unwrap(),
    }
}

const LOG: Uuid = Uuid::from_u128(7);

fn signer() -> NoteSigner {
    NoteSigner::new(origin(LOG), &[3; 32])
}

fn tree(from: u64, to: u64) -> Frontier {
    let mut tree = Frontier::default();
    (from..=to).for_each(|position| tree.push(Entry::of(LOG, &event(position)).leaf()));
    tree
}

fn gap(from: u64, to: u64) -> Line {
    let nodes = subtrees(from - 1, to);
    let hash = |node: &crate::merkle::Node| {
        tree((node.index << node.level) + 1, (node.index + 1) << node.level).root()
    };
    Line::Gap(Gap { from, to, hashes: nodes.iter().map(hash).collect() })
}

/// A bundle of the events of a log of `size` that fit.
fn bundle(size: u64, first: u64, last: u64, filter: HistoryFilter) -> Vec<Line> {
    let checkpoint = signer().sign(size, tree(1, size).root());
    let manifest = Manifest { format: FORMAT.to_owned(), log: LOG, checkpoint, first, last, filter };
    let wanted =
        |position: &u64| (first..=last).contains(position) && manifest.filter.wants(&event(*position));
    let (mut lines, mut at, mut events) = (Vec::new(), 1, 0);
    for position in (1..=size).filter(wanted) {
        if at < position {
            lines.push(gap(at, position - 1));
        }
        let event = event(position);
        let leaf = Entry::of(LOG, &event).leaf();
        lines.push(Line::Event(Box::new(BundledEvent::of(&event, leaf).unwrap())));
        (at, events) = (position + 1, events + 1);
    }
    if at <= size {
        lines.push(gap(at, size));
    }
    lines.insert(0, Line::Manifest(Box::new(manifest)));
    lines.push(Line::End(End { events }));
    lines
}

fn text(lines: &[Line]) -> String {
    lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect()
}

fn check(text: &str) -> Result<(Checked, Vec<Recorded>), BundleError> {
    let mut events = Vec::new();
    let checked = check_bundle(text.as_bytes(), &signer().verifier(), |event| {
        events.push(event);
        Ok(())
    })?;
    Ok((checked, events))
}

fn of_client() -> HistoryFilter {
    HistoryFilter { client: Some(ClientId(Uuid::from_u128(1))), ..HistoryFilter::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bundle_proves_its_events(size in 1_u64..60, first in 1_u64..60, length in 0_u64..60, mine in any::<bool>()) {
        let filter = if mine { of_client() } else { HistoryFilter::default() };
        let lines = bundle(size, first, first + length, filter.clone());
        let (checked, events) = check(&text(&lines)).unwrap();
        prop_assert_eq!(checked.tree_size, size);
        let range = first..=(first + length).min(size);
        let expected: Vec<_> = range.map(event).filter(|event| filter.wants(event)).collect();
        prop_assert_eq!(events, expected);
    }
}

#[test]
fn whatever_byte_of_a_bundle_is_changed_it_proves_nothing() {
    let good = text(&bundle(9, 2, 8, of_client()));
    check(&good).unwrap();
    let mut same = 0;
    for at in 0..good.len() {
        for flip in [1, 2, 4, 16, 32] {
            let mut bytes = good.clone().into_bytes();
            bytes[at] ^= flip;
            let Ok(text) = String::from_utf8(bytes) else { continue };
            let Ok((checked, events)) = check(&text) else { continue };
            // a range that asked for more than there is, and the case of a letter in an id, are the same bundle
            let (first, sound) = (checked.manifest.first, events.iter().all(|e| *e == event(e.position.0)));
            assert!(sound && first <= 3 && events.len() == 3, "byte {at} of {text}");
            same += 1;
        }
    }
    assert!(same < 200, "{same}");
}

#[test]
fn a_bundle_that_is_cut_off_anywhere_is_said_to_be() {
    let good = text(&bundle(9, 2, 8, of_client()));
    let first = good.find('\n').unwrap();
    for end in 0..good.len() - 1 {
        let error = check_bundle(&good.as_bytes()[..end], &signer().verifier(), |_| Ok(())).unwrap_err();
        let expected = matches!(error, BundleError::Truncated) || end <= first;
        assert!(expected, "cut at {end}: {error}");
    }
}

#[test]
fn lines_left_out_added_or_moved_are_found() {
    let good = bundle(20, 1, 20, of_client());
    for n in 0..good.len() {
        let mut less = good.clone();
        less.remove(n);
        assert!(check(&text(&less)).is_err(), "without line {n}");
        let mut more = good.clone();
        more.insert(n, good[n].clone());
        assert!(check(&text(&more)).is_err(), "line {n} twice");
        if n > 0 {
            let mut moved = good.clone();
            moved.swap(n - 1, n);
            assert!(check(&text(&moved)).is_err(), "line {n} moved");
        }
    }
}

#[test]
fn who_asked_for_everything_gets_everything() {
    let mut lines = bundle(20, 1, 20, HistoryFilter::default());
    check(&text(&lines)).unwrap();
    // a gap in place of an event makes up the same tree
    lines[5] = gap(5, 5);
    *lines.last_mut().unwrap() = Line::End(End { events: 19 });
    assert!(matches!(check(&text(&lines)), Err(BundleError::OutOfPlace(5))));
}

#[test]
fn another_key_or_another_log_vouches_for_nothing() {
    let good = text(&bundle(9, 1, 9, HistoryFilter::default()));
    for other in [NoteSigner::new(origin(LOG), &[4; 32]), NoteSigner::new(origin(Uuid::nil()), &[3; 32])] {
        let error = check_bundle(good.as_bytes(), &other.verifier(), |_| Ok(())).unwrap_err();
        assert!(matches!(error, BundleError::Checkpoint(_)), "{error}");
    }
    assert!(matches!(check("hello\n"), Err(BundleError::Format)));
    assert!(matches!(check(""), Err(BundleError::Truncated)));
}
