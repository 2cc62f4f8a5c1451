//! A parser of server-sent events (WHATWG HTML). Input may be cut anywhere, also inside a character. Lines end in
//! LF, CR or both.

use super::halves::text_of;

/// The most bytes of an event.
const MAX_EVENT: usize = 1 << 20;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SseEvent {
    /// Value of the `event:` line; `None` when there is none.
    pub name: Option<String>,
    /// The `data:` lines, joined by line feeds.
    pub data: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSse {
    /// The event is longer than any provider writes.
    #[error("an event is longer than 1 MiB")]
    TooLong,
}

#[derive(Debug, Default)]
pub struct SseParser {
    line: Vec<u8>,
    event: SseEvent,
    has_data: bool,
    /// The last line ended in CR: an LF that follows belongs to it.
    after_cr: bool,
}

impl SseParser {
    /// Takes the next bytes and adds the events that are complete with them.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut Vec<SseEvent>) -> Result<(), BadSse> {
        loop {
            if std::mem::take(&mut self.after_cr) {
                bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
            }
            let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else { break };
            self.line.extend_from_slice(&bytes[..end]);
            self.after_cr = bytes[end] == b'\r' && end + 1 == bytes.len();
            let both = bytes[end..].starts_with(b"\r\n");
            bytes = &bytes[end + 1 + usize::from(both)..];
            let line = std::mem::take(&mut self.line);
            self.take(&line, out)?;
            if self.after_cr {
                break;
            }
        }
        self.line.extend_from_slice(bytes);
        if self.line.len() + self.event.data.len() > MAX_EVENT { Err(BadSse::TooLong) } else { Ok(()) }
    }

    /// Takes the end of the input: an event without its final blank line counts as complete.
    pub fn end(&mut self, out: &mut Vec<SseEvent>) -> Result<(), BadSse> {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.take(&line, out)?;
        }
        self.take(b"", out)
    }

    fn take(&mut self, line: &[u8], out: &mut Vec<SseEvent>) -> Result<(), BadSse> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            if std::mem::take(&mut self.has_data) {
                out.push(event);
            }
            return Ok(());
        }
        let line = text_of(line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.has_data = true;
                self.event.data.push_str(value);
                if self.event.data.len() > MAX_EVENT {
                    return Err(BadSse::TooLong);
                }
            }
            "event" => self.event.name = Some(value.to_owned()),
            // llama.cpp sends errors in a field of their own
            "error" => {
                (self.event.name, self.has_data) = (Some("error".to_owned()), true);
                self.event.data.push_str(value);
            }
            // comments begin with a colon; ids and retries are not used
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str =
        ": hello\r\n\r\nevent: ping\r\ndata: {}\r\n\r\ndata: a\ndata:b\nid: 7\n\ndata: Grüß dich 👋\n\n";

    fn events(chunks: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Vec<(Option<String>, String)> {
        let (mut parser, mut out) = (SseParser::default(), Vec::new());
        chunks.into_iter().for_each(|chunk| parser.push(chunk.as_ref(), &mut out).unwrap());
        parser.end(&mut out).unwrap();
        out.into_iter().map(|event| (event.name, event.data)).collect()
    }

    #[test]
    fn events_are_the_same_wherever_the_bytes_are_cut() {
        let whole = events([STREAM]);
        assert_eq!(whole.len(), 3);
        assert_eq!(whole[0], (Some("ping".to_owned()), "{}".to_owned()));
        assert_eq!((whole[1].1.as_str(), whole[2].1.as_str()), ("a\nb", "Grüß dich 👋"));
        for size in 1..9 {
            assert_eq!(events(STREAM.as_bytes().chunks(size)), whole, "cut every {size} bytes");
        }
    }

    #[test]
    fn the_last_event_needs_no_blank_line() {
        assert_eq!(events(["data: [DONE]"]), [(None, "[DONE]".to_owned())]);
        assert_eq!(events([": nothing\n"]), []);
    }

    #[test]
    fn lines_end_in_any_of_three_ways() {
        let whole = events([STREAM]);
        for (ends, stream) in [
            ("LF", STREAM.replace("\r\n", "\n")),
            ("CR", STREAM.replace("\r\n", "\n").replace('\n', "\r")),
            ("CRLF", STREAM.replace("\r\n", "\n").replace('\n', "\r\n")),
        ] {
            for size in 1..9 {
                assert_eq!(events(stream.as_bytes().chunks(size)), whole, "{ends}, cut every {size} bytes");
            }
        }
    }

    #[test]
    fn what_never_ends_is_refused() {
        let mut out = Vec::new();
        let mut parser = SseParser::default();
        let long = vec![b'x'; MAX_EVENT + 1];
        assert_eq!(parser.push(&long, &mut out), Err(BadSse::TooLong));
    }
}
