//! What a file is, by its first bytes and not by what somebody says of it.

/// So many first bytes decide.
pub const HEAD: usize = 16;

/// MIME type of the formats that this node takes or fetches; `None` for any other content.
#[must_use]
pub fn sniff(head: &[u8]) -> Option<&'static str> {
    let at = |from: usize, magic: &[u8]| head.get(from..from + magic.len()) == Some(magic);
    if at(0, b"ID3") || is_mpeg_audio(head) {
        return Some("audio/mpeg");
    }
    if at(0, b"RIFF") && at(8, b"WAVE") {
        return Some("audio/wav");
    }
    if at(0, b"OggS") {
        return Some("audio/ogg");
    }
    if at(0, b"fLaC") {
        return Some("audio/flac");
    }
    at(0, b"%PDF-").then_some("application/pdf")
}

/// Whether an MPEG audio frame of layer 1, 2 or 3 begins here: eleven bits of synchronisation, and no reserved value.
fn is_mpeg_audio(head: &[u8]) -> bool {
    let [0xff, second, third, ..] = *head else { return false };
    let (version, layer) = (second >> 3 & 3, second >> 1 & 3);
    let (bit_rate, sampling) = (third >> 4, third >> 2 & 3);
    second >= 0xe0 && version != 1 && layer != 0 && bit_rate != 15 && sampling != 3
}

/// Whether it is sound.
#[must_use]
pub fn is_sound(content_type: &str) -> bool {
    content_type.starts_with("audio/")
}

/// Whether content that begins with `head` may be declared as `declared`. Types without a signature of their own, such
/// as texts, are taken at their word, unless the content is something else for certain.
#[must_use]
pub fn may_be(declared: &str, head: &[u8]) -> bool {
    let declared = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let declared = match declared.as_str() {
        "audio/mp3" => "audio/mpeg",
        "audio/x-wav" | "audio/wave" => "audio/wav",
        other => other,
    };
    let known = ["audio/mpeg", "audio/wav", "audio/ogg", "audio/flac", "application/pdf"].contains(&declared);
    match sniff(head) {
        Some(found) => found == declared,
        None => !known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_first_bytes() {
        for (head, kind) in [
            (&b"ID3\x04\0\0"[..], "audio/mpeg"),
            (&[0xff, 0xfb, 0x10, 0xc4], "audio/mpeg"),
            (b"RIFF\x24\x06\0\0WAVEfmt ", "audio/wav"),
            (b"OggS\0\x02", "audio/ogg"),
            (b"%PDF-1.7", "application/pdf"),
        ] {
            assert_eq!(sniff(head), Some(kind));
        }
        for other in [
            &b""[..],
            b"<html>",
            b"{\"errors\":[]}",
            b"RIFF\x24\x06\0\0AVI ",
            &[0xff, 0xff, 0xff, 0xff],
            &[0xff],
        ] {
            assert_eq!(sniff(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_type_that_lies_is_found_out() {
        assert!(may_be("audio/mpeg", b"ID3\x04") && may_be("Audio/MP3; x=1", b"ID3\x04"));
        assert!(may_be("text/csv", b"a,b\n") && may_be("application/zip", b"PK\x03\x04"));
        assert!(!may_be("audio/wav", b"ID3\x04"), "another sound");
        assert!(!may_be("audio/mpeg", b"<html>"), "no sound");
        assert!(!may_be("text/plain", b"%PDF-1.7"), "no text");
        assert!(!may_be("audio/mpeg", b""), "nothing");
    }
}
