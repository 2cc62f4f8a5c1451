//! Splits the body of an answer into chunks: server-sent events, one JSON document, or one document a line.

use serde_json::Value;

use super::dialect::protocol;
use super::halves::{text_of, with_halves};
use super::sse::{SseEvent, SseParser};
use domain::ports::llm::LlmFailure;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A part of an answer's body.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// Name of the server-sent event; `None` when it has none.
    pub name: Option<String>,
    /// The JSON object that was sent, or the text of an `error` event.
    pub value: Value,
}

/// Parses a body. A provider may answer in another form than the request asked for.
#[derive(Debug, Default)]
pub(super) struct Body {
    kind: Kind,
    /// Bytes that are not parsed yet.
    raw: Vec<u8>,
    done: bool,
    nonsense: bool,
}

#[derive(Debug, Default)]
enum Kind {
    #[default]
    Unknown,
    Events(SseParser),
    Json,
}

impl Body {
    /// Takes more bytes, and adds the chunks that are complete with them. Fails when a chunk is too long or broken.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<Chunk>) -> Result<(), LlmFailure> {
        match &mut self.kind {
            Kind::Events(_) => self.events(bytes, out),
            Kind::Json => {
                self.raw.extend_from_slice(bytes);
                Ok(())
            }
            Kind::Unknown => {
                self.raw.extend_from_slice(bytes);
                self.tell_kind(false, out)
            }
        }
    }

    fn tell_kind(&mut self, last: bool, out: &mut Vec<Chunk>) -> Result<(), LlmFailure> {
        if !last && self.raw.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(&self.raw) {
            return Ok(());
        }
        if self.raw.starts_with(BYTE_ORDER_MARK) {
            self.raw.drain(..BYTE_ORDER_MARK.len());
        }
        match self.raw.iter().find(|byte| !byte.is_ascii_whitespace()) {
            None => Ok(()),
            Some(b'{' | b'[') => {
                self.kind = Kind::Json;
                Ok(())
            }
            Some(_) => {
                self.kind = Kind::Events(SseParser::default());
                let raw = std::mem::take(&mut self.raw);
                self.events(&raw, out)
            }
        }
    }

    fn events(&mut self, bytes: &[u8], out: &mut Vec<Chunk>) -> Result<(), LlmFailure> {
        let Kind::Events(parser) = &mut self.kind else { return Ok(()) };
        let mut events = Vec::new();
        let pushed = parser.push(bytes, &mut events);
        events.into_iter().try_for_each(|event| self.event(event, out))?;
        pushed.map_err(|bad| protocol(bad.to_string()))
    }

    /// Takes the end of the body. Fails when the body was in none of the known forms.
    pub(super) fn end(&mut self, out: &mut Vec<Chunk>) -> Result<(), LlmFailure> {
        if matches!(self.kind, Kind::Unknown) {
            self.tell_kind(true, out)?;
        }
        match &mut self.kind {
            Kind::Unknown => {}
            Kind::Events(parser) => {
                let mut events = Vec::new();
                let ended = parser.end(&mut events);
                events.into_iter().try_for_each(|event| self.event(event, out))?;
                ended.map_err(|bad| protocol(bad.to_string()))?;
            }
            Kind::Json => {
                let raw = std::mem::take(&mut self.raw);
                let (values, whole) = documents(&text_of(&raw));
                if values.is_empty() {
                    return Err(protocol("not JSON"));
                }
                // what follows the last document does not matter: the decoder decides whether the answer is
                // complete
                self.nonsense |= !whole;
                values.into_iter().for_each(|value| spread(None, value, out));
            }
        }
        Ok(())
    }

    /// Whether the protocol's end marker (`[DONE]`) was received.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// Whether bytes were received that are not part of the protocol.
    pub(super) fn has_nonsense(&self) -> bool {
        self.nonsense
    }

    /// Whether a JSON document is still being received.
    pub(super) fn is_coming(&self) -> bool {
        matches!(self.kind, Kind::Json)
    }

    fn event(&mut self, event: SseEvent, out: &mut Vec<Chunk>) -> Result<(), LlmFailure> {
        let SseEvent { name, data } = event;
        if is_done(&data) {
            self.done = true;
            return Ok(());
        }
        let (values, whole) = documents(&data);
        if whole {
            values.into_iter().for_each(|value| spread(name.as_deref(), value, out));
            return Ok(());
        }
        // events that are not separated by a blank line
        for line in data.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if is_done(line) {
                self.done = true;
                continue;
            }
            let (values, whole) = documents(line);
            if !whole && line.starts_with(['{', '[']) {
                return Err(protocol("not JSON"));
            }
            if !whole && name.as_deref() == Some("error") {
                out.push(Chunk { name: name.clone(), value: Value::Null });
            }
            self.nonsense |= !whole;
            values.into_iter().for_each(|value| spread(name.as_deref(), value, out));
        }
        Ok(())
    }
}

fn is_done(data: &str) -> bool {
    data.trim().trim_matches('"').eq_ignore_ascii_case("[done]")
}

/// The consecutive JSON documents of a text, and whether nothing else is in it.
fn documents(text: &str) -> (Vec<Value>, bool) {
    let read = |text: &str| {
        let mut values = Vec::new();
        for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
            match value {
                Ok(value) => values.push(value),
                Err(_) => return (values, false),
            }
        }
        (values, true)
    };
    let (values, whole) = read(text);
    if whole { (values, whole) } else { read(&with_halves(text)) }
}

/// Turns each element of a list into a chunk of its own; an empty value gives no chunk.
fn spread(name: Option<&str>, value: Value, out: &mut Vec<Chunk>) {
    match value {
        Value::Array(values) => values.into_iter().for_each(|value| spread(name, value, out)),
        Value::Object(_) => out.push(Chunk { name: name.map(str::to_owned), value }),
        Value::String(_) if name == Some("error") => out.push(Chunk { name: name.map(str::to_owned), value }),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(bytes: &[u8], size: usize) -> Result<(Vec<Value>, bool), LlmFailure> {
        let (mut body, mut out) = (Body::default(), Vec::new());
        bytes.chunks(size).try_for_each(|bytes| body.push(bytes, &mut out))?;
        body.end(&mut out)?;
        Ok((out.into_iter().map(|chunk| chunk.value).collect(), body.is_done()))
    }

    #[test]
    fn a_body_is_read_in_whatever_form_it_comes() {
        let two = vec![json!({"n": 1}), json!({"n": 2})];
        for (body, done) in [
            ("data: {\"n\":1}\n\ndata: {\"n\":2}\n\ndata: [DONE]\n\n", true),
            ("\u{feff}data: {\"n\":1}\r\rdata: {\"n\":2}\r\r", false),
            ("\n\n: hello\n\ndata: {\"n\":1}\ndata: {\"n\":2}\ndata: [DONE]", true),
            ("data: null\n\ndata:\n\ndata: {\"n\":1}{\"n\":2}\n\n", false),
            ("data: {\ndata: \"n\": 1}\n\ndata: [{\"n\":2}]\n\n", false),
            ("{\"n\":1}\n{\"n\":2}\n", false),
            ("\u{feff}[{\"n\":1},\n{\"n\":2}]", false),
            ("data: ping\n\ndata: {\"n\":1}\n\ndata: {\"n\":2}\n\n", false),
        ] {
            for size in [1, 2, 3, 1_000] {
                assert_eq!(read(body.as_bytes(), size), Ok((two.clone(), done)), "{body:?} cut every {size}");
            }
        }
        assert_eq!(read(b"", 1), Ok((vec![], false)));
        assert!(read(b"{\"n\":", 1).is_err() && read(b"data: {\"n\":\n\n", 1).is_err());
    }

    #[test]
    fn half_a_character_is_no_reason_to_throw_an_event_away() {
        assert_eq!(read(b"data: {\"n\":\"\\ud83d\"}\n\n", 9).unwrap().0.len(), 1);
        assert_eq!(read(b"data: {\"n\":\"\xf0\x9f\"}\n\n", 9).unwrap().0.len(), 1);
    }
}
