//! The layout of an entry, byte by byte.

use uuid::Uuid;

use super::*;

fn entry() -> Entry<'static> {
    Entry {
        log: Uuid::from_u128(1),
        position: 2,
        stream: "call-1",
        version: 3,
        id: Uuid::from_u128(4),
        event_type: "call.ended",
        schema: 5,
        recorded_at: 6,
        client: Uuid::from_u128(7),
        metadata: Hash([8; 32]),
        payload: Hash([9; 32]),
    }
}

#[test]
fn the_layout_is_what_it_was_when_it_was_released() {
    let number = |n: u64| n.to_be_bytes().to_vec();
    let id = |n: u128| n.to_be_bytes().to_vec();
    let text = |text: &str| [&(text.len() as u32).to_be_bytes(), text.as_bytes()].concat();
    let expected = [
        text("voxledger/entry/v1"),
        id(1),
        number(2),
        text("call-1"),
        number(3),
        id(4),
        text("call.ended"),
        vec![0, 5],
        number(6),
        id(7),
        vec![8; 32],
        vec![9; 32],
    ]
    .concat();
    let mut bytes = Vec::new();
    entry().write(&mut bytes);
    assert_eq!(bytes, expected);
    assert_eq!(entry().leaf(), leaf_hash(&expected));
    assert_eq!(entry().leaf().to_string(), "Ftpr1HKpf4DKqnLcUOkIlDblXmbkLvYK3qkyaACoG1E=");
}

#[test]
fn every_part_of_an_event_is_in_its_leaf() {
    let e = entry();
    let changed = [
        Entry { log: Uuid::from_u128(2), ..e },
        Entry { position: 3, ..e },
        Entry { stream: "call-2", ..e },
        Entry { version: 4, ..e },
        Entry { id: Uuid::from_u128(5), ..e },
        Entry { event_type: "call.endee", ..e },
        Entry { schema: 6, ..e },
        Entry { recorded_at: 7, ..e },
        Entry { client: Uuid::from_u128(8), ..e },
        Entry { metadata: Hash([9; 32]), ..e },
        Entry { payload: Hash([8; 32]), ..e },
        // what one text loses the other gains
        Entry { stream: "call-1c", event_type: "all.ended", ..e },
    ];
    for other in changed {
        assert_ne!(other.leaf(), e.leaf(), "{other:?}");
    }
}
