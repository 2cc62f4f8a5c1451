//! Repairs characters that a server cut in two: one surrogate of a pair per escape, or half of a character's bytes
//! per event. The halves are encoded as private-use characters until both have arrived.

use std::borrow::Cow;

/// First of the private-use characters that encode single bytes; this one stands for 0x80.
const BYTES: u32 = 0x0010_F700;
/// First of the private-use characters that encode single surrogates; this one stands for 0xD800.
const SURROGATES: u32 = 0x0010_F800;

/// The decoded meaning of such a private-use character.
enum Half {
    Byte(u8),
    High(u32),
    Low(u32),
}

fn half(c: char) -> Option<Half> {
    match u32::from(c) {
        c @ 0x0010_F780..=0x0010_F7FF => u8::try_from(c - BYTES).ok().map(Half::Byte),
        c @ 0x0010_F800..=0x0010_FBFF => Some(Half::High(c - SURROGATES)),
        c @ 0x0010_FC00.. => Some(Half::Low(c - SURROGATES - 0x400)),
        _ => None,
    }
}

/// Decodes bytes as UTF-8, invalid bytes as halves.
pub(super) fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() * 2);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().filter_map(|&byte| char::from_u32(BYTES + u32::from(byte))));
    }
    Cow::Owned(text)
}

/// JSON with its escapes of single surrogates, which JSON forbids, replaced by halves.
pub(super) fn with_halves(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let unit = |text: &str| {
            let digits = text.strip_prefix("\\u").and_then(|text| text.get(..4))?;
            u32::from_str_radix(digits, 16).ok()
        };
        let second = rest.get(6..).and_then(unit).is_some_and(|unit| (0xDC00..0xE000).contains(&unit));
        let taken = match unit(rest) {
            Some(0xD800..0xDC00) if second => 12,
            Some(unit @ 0xD800..0xE000) => {
                out.extend(char::from_u32(SURROGATES + unit - 0xD800));
                rest = &rest[6..];
                continue;
            }
            // the escape and what it escapes, which may be a backslash
            _ => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
        };
        out.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    out + rest
}

/// Joins halves that arrive one after the other.
#[derive(Debug, Default)]
pub(super) struct Halves(String);

impl Halves {
    /// Takes more text and returns the complete part. Halves at its end wait for what follows.
    pub(super) fn push(&mut self, more: String) -> String {
        if self.0.is_empty() && !more.chars().any(|c| half(c).is_some()) {
            return more;
        }
        let text = std::mem::take(&mut self.0) + &more;
        let whole = text.trim_end_matches(|c| half(c).is_some()).len();
        // a character has at most four bytes
        let whole = if text[whole..].chars().count() > 4 { text.len() } else { whole };
        let (ready, open) = text.split_at(whole);
        let complete = joined(open);
        if complete.is_empty() || complete.contains(char::REPLACEMENT_CHARACTER) {
            self.0 = open.to_owned();
            return joined(ready);
        }
        joined(ready) + &complete
    }

    /// The halves whose other half never came, as replacement characters.
    pub(super) fn end(&mut self) -> String {
        joined(&std::mem::take(&mut self.0))
    }
}

/// Text with its halves joined; a half alone becomes a replacement character.
pub(super) fn joined(text: &str) -> String {
    if !text.chars().any(|c| half(c).is_some()) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let (mut high, mut bytes) = (None::<u32>, Vec::new());
    for c in text.chars() {
        let next = half(c);
        if !matches!(next, Some(Half::Byte(_))) && !bytes.is_empty() {
            out.push_str(&String::from_utf8_lossy(&std::mem::take(&mut bytes)));
        }
        if let Some(before) = high.take() {
            if let Some(Half::Low(low)) = next {
                out.extend(char::from_u32(0x1_0000 + (before << 10) + low));
                continue;
            }
            out.push(char::REPLACEMENT_CHARACTER);
        }
        match next {
            None => out.push(c),
            Some(Half::Byte(byte)) => bytes.push(byte),
            Some(Half::High(unit)) => high = Some(unit),
            Some(Half::Low(_)) => out.push(char::REPLACEMENT_CHARACTER),
        }
    }
    out.push_str(&String::from_utf8_lossy(&bytes));
    out.extend(high.map(|_| char::REPLACEMENT_CHARACTER));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        serde_json::from_str(&with_halves(text)).unwrap()
    }

    #[test]
    fn halves_of_a_pair_are_one_character_wherever_it_was_cut() {
        let (first, second) = (json(r#""Hi \ud83d""#), json(r#""\udc4b!""#));
        let mut halves = Halves::default();
        assert_eq!(halves.push(first), "Hi ");
        assert_eq!(halves.push(second), "👋!");
        assert_eq!(
            joined(&json(r#""\ud83d\udc4b \\ud83d \ud83d x \udc4b""#)),
            "👋 \\ud83d \u{fffd} x \u{fffd}"
        );
        assert_eq!(halves.push(json(r#""\ud83d""#)), "");
        assert_eq!(halves.end(), "\u{fffd}");
    }

    #[test]
    fn halves_of_bytes_are_one_character_wherever_they_were_cut() {
        let bytes = "é👋".as_bytes();
        for cut in 0..=bytes.len() {
            let mut halves = Halves::default();
            let mut text = halves.push(text_of(&bytes[..cut]).into_owned());
            text += &halves.push(text_of(&bytes[cut..]).into_owned());
            assert_eq!(text + &halves.end(), "é👋", "cut at {cut}");
        }
        assert_eq!(joined(&text_of(b"a\xffb\xc3")), "a\u{fffd}b\u{fffd}");
    }

    #[test]
    fn what_is_whole_stays_as_it_is() {
        for text in [r#""a\\\"b\n\u00e9\uD83D\uDC4B""#, r#"{"a":"\\u"}"#, "\\", "\"\\u12"] {
            assert_eq!(with_halves(text), text);
        }
    }
}
