//! Finds personal values in MessagePack without decoding the rest.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;

/// The deepest nesting that is followed.
const DEPTH: u32 = 96;

/// The encoding of a personal value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `{"plain": value}`, as the domain writes it.
    Plain,
    /// `{"sealed": bytes}`, as the engine stores it.
    Sealed,
}

impl Form {
    /// The first bytes of the encoding: a map with one entry, and its key.
    pub(super) const fn head(self) -> &'static [u8] {
        match self {
            Self::Plain => b"\x81\xa5plain",
            Self::Sealed => b"\x81\xa6sealed",
        }
    }

    /// A quick check whether the payload may hold such a value.
    pub(super) fn may_be_in(self, payload: &[u8]) -> bool {
        static PLAIN: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(Form::Plain.head()));
        static SEALED: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(Form::Sealed.head()));
        let finder = match self {
            Self::Plain => &PLAIN,
            Self::Sealed => &SEALED,
        };
        finder.find(payload).is_some()
    }
}

/// A personal value in a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PersonalValue {
    /// Path of the value: field names and list indices joined by dots.
    pub path: String,
    /// The innermost name within `path`.
    field: Range<usize>,
    /// Byte range of the value with its marker.
    pub whole: Range<usize>,
    /// Byte range of the value without its marker.
    pub value: Range<usize>,
}

impl PersonalValue {
    pub(super) fn field(&self) -> &str {
        &self.path[self.field.clone()]
    }
}

/// All values of this form, in order; `None` if the payload is no MessagePack.
pub(super) fn find(payload: &[u8], form: Form) -> Option<Vec<PersonalValue>> {
    let mut walk = Walk { bytes: payload, form, path: Vec::with_capacity(8), found: Vec::new() };
    (walk.value(0, 0)? == payload.len()).then_some(walk.found)
}

/// The content of a MessagePack string or byte string.
pub(super) fn bytes_of(value: &[u8]) -> Option<&[u8]> {
    let number = |len: usize| -> Option<usize> {
        Some(value.get(1..1 + len)?.iter().fold(0, |number, &byte| number << 8 | usize::from(byte)))
    };
    let (head, len) = match *value.first()? {
        head @ 0xa0..=0xbf => (1, usize::from(head & 0x1f)),
        0xc4 | 0xd9 => (2, number(1)?),
        0xc5 | 0xda => (3, number(2)?),
        0xc6 | 0xdb => (5, number(4)?),
        _ => return None,
    };
    value.get(head..head + len).filter(|bytes| head + bytes.len() == value.len())
}

/// Writes the header of a byte string of `len` bytes.
pub(super) fn write_bytes(into: &mut Vec<u8>, len: usize) {
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len), _) => into.extend([0xc4, len]),
        (_, Ok(len)) => {
            into.push(0xc5);
            into.extend(len.to_be_bytes());
        }
        _ => {
            into.push(0xc6);
            into.extend((len as u32).to_be_bytes());
        }
    }
}

enum Step<'a> {
    Name(&'a str),
    Index(usize),
}

struct Walk<'a> {
    bytes: &'a [u8],
    form: Form,
    path: Vec<Step<'a>>,
    found: Vec<PersonalValue>,
}

impl<'a> Walk<'a> {
    fn number(&self, from: usize, len: usize) -> Option<usize> {
        Some(
            self.bytes.get(from..from + len)?.iter().fold(0, |number, &byte| number << 8 | usize::from(byte)),
        )
    }

    /// Finds the end of the value that begins at `at`, collecting personal values in it.
    fn value(&mut self, at: usize, depth: u32) -> Option<usize> {
        if depth > DEPTH {
            return None;
        }
        let sized = |len: usize| Some(at + 1 + len + self.number(at + 1, len)?);
        let end = match *self.bytes.get(at)? {
            0x81 if self.bytes[at..].starts_with(self.form.head()) => {
                let value = at + self.form.head().len();
                let end = skip(self.bytes, value, depth + 1)?;
                self.note(at, value..end);
                end
            }
            head @ 0x80..=0x8f => self.map(at + 1, usize::from(head & 0x0f), depth)?,
            0xde => self.map(at + 3, self.number(at + 1, 2)?, depth)?,
            0xdf => self.map(at + 5, self.number(at + 1, 4)?, depth)?,
            head @ 0x90..=0x9f => self.array(at + 1, usize::from(head & 0x0f), depth)?,
            0xdc => self.array(at + 3, self.number(at + 1, 2)?, depth)?,
            0xdd => self.array(at + 5, self.number(at + 1, 4)?, depth)?,
            0xc4 | 0xd9 => sized(1)?,
            0xc5 | 0xda => sized(2)?,
            0xc6 | 0xdb => sized(4)?,
            _ => skip(self.bytes, at, depth)?,
        };
        (end <= self.bytes.len()).then_some(end)
    }

    fn map(&mut self, mut at: usize, entries: usize, depth: u32) -> Option<usize> {
        for _ in 0..entries {
            let value = skip(self.bytes, at, depth)?;
            let name = bytes_of(self.bytes.get(at..value)?).and_then(|name| std::str::from_utf8(name).ok());
            self.path.push(Step::Name(name.unwrap_or_default()));
            at = self.value(value, depth + 1)?;
            self.path.pop();
        }
        Some(at)
    }

    fn array(&mut self, mut at: usize, items: usize, depth: u32) -> Option<usize> {
        for item in 0..items {
            self.path.push(Step::Index(item));
            at = self.value(at, depth + 1)?;
            self.path.pop();
        }
        Some(at)
    }

    fn note(&mut self, at: usize, value: Range<usize>) {
        let mut path = String::with_capacity(24);
        let mut field = 0..0;
        for step in &self.path {
            if !path.is_empty() {
                path.push('.');
            }
            match step {
                Step::Name(name) => {
                    field = path.len()..path.len() + name.len();
                    path.push_str(name);
                }
                Step::Index(index) => path.push_str(&index.to_string()),
            }
        }
        self.found.push(PersonalValue { path, field, whole: at..value.end, value });
    }
}

/// Finds the end of the value that begins at `at`, whatever is in it.
fn skip(bytes: &[u8], at: usize, depth: u32) -> Option<usize> {
    if depth > DEPTH {
        return None;
    }
    let number = |from: usize, len: usize| -> Option<usize> {
        Some(bytes.get(from..from + len)?.iter().fold(0, |number, &byte| number << 8 | usize::from(byte)))
    };
    let sized = |len: usize, more: usize| Some(at + 1 + len + more + number(at + 1, len)?);
    let many = |from: usize, count: usize| (0..count).try_fold(from, |at, _| skip(bytes, at, depth + 1));
    let end = match *bytes.get(at)? {
        0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => at + 1,
        head @ 0x80..=0x8f => many(at + 1, 2 * usize::from(head & 0x0f))?,
        head @ 0x90..=0x9f => many(at + 1, usize::from(head & 0x0f))?,
        head @ 0xa0..=0xbf => at + 1 + usize::from(head & 0x1f),
        0xc4 | 0xd9 => sized(1, 0)?,
        0xc5 | 0xda => sized(2, 0)?,
        0xc6 | 0xdb => sized(4, 0)?,
        0xc7 => sized(1, 1)?,
        0xc8 => sized(2, 1)?,
        0xc9 => sized(4, 1)?,
        0xcc | 0xd0 => at + 2,
        0xcd | 0xd1 | 0xd4 => at + 3,
        0xd5 => at + 4,
        0xca | 0xce | 0xd2 => at + 5,
        0xd6 => at + 6,
        0xcb | 0xcf | 0xd3 => at + 9,
        0xd7 => at + 10,
        0xd8 => at + 18,
        0xdc => many(at + 3, number(at + 1, 2)?)?,
        0xdd => many(at + 5, number(at + 1, 4)?)?,
        0xde => many(at + 3, 2 * number(at + 1, 2)?)?,
        0xdf => many(at + 5, 2 * number(at + 1, 4)?)?,
        0xc1 => return None,
    };
    (end <= bytes.len()).then_some(end)
}

#[cfg(test)]
mod tests {
    use domain::personal::Personal;
    use serde::Serialize;

    use super::*;

    #[derive(Serialize)]
    struct Inner {
        to: Personal<String>,
    }

    #[derive(Serialize)]
    struct Outer {
        text: Personal<String>,
        note: String,
        list: Vec<Inner>,
        none: Personal<u8>,
    }

    #[test]
    fn personal_values_are_found_with_their_paths_and_nothing_else_is() {
        let inner = |to: &str| Inner { to: to.to_owned().into() };
        let outer = Outer {
            text: "x".repeat(300).into(),
            note: "plain".to_owned(),
            list: vec![inner("a"), inner("b")],
            none: Personal::erased(),
        };
        let bytes = rmp_serde::to_vec_named(&outer).unwrap();
        let found = find(&bytes, Form::Plain).unwrap();
        let shown: Vec<_> = found.iter().map(|one| (one.path.as_str(), one.field())).collect();
        assert_eq!(shown, [("text", "text"), ("list.0.to", "to"), ("list.1.to", "to")]);
        assert_eq!(bytes_of(&bytes[found[2].value.clone()]), Some(&b"b"[..]));
        assert_eq!(bytes_of(&bytes[found[0].value.clone()]).map(<[u8]>::len), Some(300));
        assert_eq!(find(&bytes, Form::Sealed).unwrap(), []);
        assert!(Form::Plain.may_be_in(&bytes) && !Form::Sealed.may_be_in(&bytes));
    }

    #[test]
    fn bytes_that_are_no_messagepack_are_refused_wherever_they_break_off() {
        let bytes = rmp_serde::to_vec_named(&Inner { to: "x".repeat(40).into() }).unwrap();
        for end in 0..bytes.len() {
            assert_eq!(find(&bytes[..end], Form::Plain), None, "{end}");
        }
        let more = [&bytes[..], &[0]].concat();
        assert_eq!(find(&more, Form::Plain), None);
        assert_eq!(find(&[0x91; 1_000], Form::Plain), None, "endless nesting");
        assert_eq!(find(&[0xdf, 0xff, 0xff, 0xff, 0xff], Form::Plain), None);
    }

    #[test]
    fn byte_strings_of_every_length_are_written_as_they_are_read() {
        for len in [0, 1, 255, 256, 65_535, 65_536] {
            let mut value = Vec::new();
            write_bytes(&mut value, len);
            value.resize(value.len() + len, 7);
            assert_eq!(bytes_of(&value).map(<[u8]>::len), Some(len));
        }
    }
}
