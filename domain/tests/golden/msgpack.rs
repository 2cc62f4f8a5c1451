//! Just enough MessagePack to take a payload apart by field and to put it together again.

use std::ops::Range;

/// The entries of a map with text keys: key, and where the whole entry and its value stand.
pub fn entries(bytes: &[u8]) -> Vec<(String, Range<usize>, Range<usize>)> {
    let (count, mut at) = match bytes[0] {
        head @ 0x80..=0x8f => (usize::from(head & 0x0f), 1),
        0xde => (usize::from(u16::from_be_bytes([bytes[1], bytes[2]])), 3),
        head => panic!("a payload is a map, not {head:#x}"),
    };
    let mut found = Vec::new();
    for _ in 0..count {
        let value = end(bytes, at);
        let next = end(bytes, value);
        let key = rmp_serde::from_slice(&bytes[at..value]).unwrap();
        found.push((key, at..next, value..next));
        at = next;
    }
    assert_eq!(at, bytes.len(), "nothing stands behind the map");
    found
}

/// A map of already encoded entries.
pub fn map<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let entries: Vec<&[u8]> = entries.into_iter().collect();
    let mut bytes = vec![0xde];
    bytes.extend(u16::try_from(entries.len()).unwrap().to_be_bytes());
    bytes.extend(entries.concat());
    bytes
}

/// The names of the fields that are personal, at any depth.
pub fn personal(bytes: &[u8]) -> Vec<String> {
    fn walk(value: &[u8], name: &str, found: &mut Vec<String>) {
        match value[0] {
            0x81 if value[1..].starts_with(b"\xa5plain") => found.push(name.to_owned()),
            0x80..=0x8f | 0xde => {
                for (key, _, inner) in entries(value) {
                    walk(&value[inner], &key, found);
                }
            }
            head @ 0x90..=0x9f => {
                let mut at = 1;
                for _ in 0..head & 0x0f {
                    let next = end(value, at);
                    walk(&value[at..next], name, found);
                    at = next;
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(bytes, "", &mut found);
    found
}

/// Where the value that begins at `at` ends.
fn end(bytes: &[u8], at: usize) -> usize {
    let number = |from: usize, len: usize| -> usize {
        bytes[from..from + len].iter().fold(0, |number, &byte| number << 8 | usize::from(byte))
    };
    let sized = |len: usize| at + 1 + len + number(at + 1, len);
    let many = |from: usize, count: usize| (0..count).fold(from, |at, _| end(bytes, at));
    match bytes[at] {
        0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => at + 1,
        head @ 0x80..=0x8f => many(at + 1, 2 * usize::from(head & 0x0f)),
        head @ 0x90..=0x9f => many(at + 1, usize::from(head & 0x0f)),
        head @ 0xa0..=0xbf => at + 1 + usize::from(head & 0x1f),
        0xc4 | 0xd9 => sized(1),
        0xc5 | 0xda => sized(2),
        0xc6 | 0xdb => sized(4),
        0xcc | 0xd0 => at + 2,
        0xcd | 0xd1 => at + 3,
        0xca | 0xce | 0xd2 => at + 5,
        0xcb | 0xcf | 0xd3 => at + 9,
        0xdc => many(at + 3, number(at + 1, 2)),
        0xde => many(at + 3, 2 * number(at + 1, 2)),
        head => panic!("no payload holds {head:#x}"),
    }
}
