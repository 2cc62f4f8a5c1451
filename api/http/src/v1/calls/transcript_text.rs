//! A transcript as a text: subtitles (WebVTT), plain lines, or a table (CSV).

use chrono::TimeDelta;
use domain::call::terms::LineKind;
use domain::envelope::Time;
use projections::edge::format_time;
use projections::transcripts::LineView;

use super::super::text::{escaped, harmless};

/// How long a line is shown that has no end and no line behind it.
const SHOWN: TimeDelta = TimeDelta::seconds(4);

/// A text form of a transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextForm {
    Vtt,
    Plain,
    Csv,
}

impl TextForm {
    /// The form with this MIME type, without parameters.
    pub(super) fn of(essence: &str) -> Option<Self> {
        match essence {
            "text/vtt" => Some(Self::Vtt),
            "text/plain" => Some(Self::Plain),
            "text/csv" => Some(Self::Csv),
            _ => None,
        }
    }

    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Vtt => "text/vtt; charset=utf-8",
            Self::Plain => "text/plain; charset=utf-8",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }

    /// The lines in this form. `from` is where subtitles count from: the answer, as recordings do.
    pub(super) fn write(self, lines: &[LineView], from: Option<Time>) -> Result<String, csv::Error> {
        match self {
            Self::Vtt => Ok(vtt(lines, from)),
            Self::Plain => Ok(plain(lines)),
            Self::Csv => table(lines),
        }
    }
}

/// The words of a line; keys are marked as such. `None` where nothing is kept.
fn words(line: &LineView) -> Option<String> {
    let text = line.text.as_deref()?;
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(if line.kind == LineKind::Dtmf { format!("[keys {one_line}]") } else { one_line })
}

fn plain(lines: &[LineView]) -> String {
    let mut text = String::new();
    for line in lines {
        let words = words(line).unwrap_or_else(|| "[not kept]".to_owned());
        text.push_str(&format!("{} {}: {words}\n", format_time(line.at), line.role));
    }
    text
}

/// WebVTT (<https://www.w3.org/TR/webvtt1/>): a cue for each line, with its speaker as the voice.
fn vtt(lines: &[LineView], from: Option<Time>) -> String {
    let Some(from) = from.or_else(|| lines.first().map(|line| line.at)) else { return "WEBVTT\n".to_owned() };
    let begin = |line: &LineView| match line.start_ms.and_then(|ms| i64::try_from(ms).ok()) {
        Some(ms) => TimeDelta::milliseconds(ms),
        None => (line.at - from).max(TimeDelta::zero()),
    };
    let mut text = String::from("WEBVTT\n");
    for (n, line) in lines.iter().enumerate() {
        let Some(words) = words(line) else { continue };
        let start = begin(line);
        let told = line.end_ms.and_then(|ms| i64::try_from(ms).ok()).map(TimeDelta::milliseconds);
        let next = lines.get(n + 1).map(&begin).filter(|next| *next > start);
        let end = told.or(next).unwrap_or(start + SHOWN).max(start + TimeDelta::milliseconds(1));
        let (start, end) = (clock(start), clock(end));
        text.push_str(&format!("\n{}\n{start} --> {end}\n<v {}>{}\n", line.seq, line.role, escaped(&words)));
    }
    text
}

fn clock(since: TimeDelta) -> String {
    let ms = since.num_milliseconds().max(0);
    format!("{:02}:{:02}:{:02}.{:03}", ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60, ms % 1_000)
}

fn table(lines: &[LineView]) -> Result<String, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["seq", "role", "kind", "text", "start_ms", "end_ms", "confidence", "at"])?;
    let number = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
    for line in lines {
        let confidence = line.confidence.map_or_else(String::new, |value| value.to_string());
        writer.write_record([
            line.seq.to_string(),
            line.role.to_string(),
            line.kind.to_string(),
            harmless(line.text.as_deref().unwrap_or_default()),
            number(line.start_ms),
            number(line.end_ms),
            confidence,
            format_time(line.at),
        ])?;
    }
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use domain::call::terms::Speaker;

    use super::*;

    fn at(seconds: i64) -> Time {
        Time::from_timestamp_micros(1_767_225_600_000_000 + seconds * 1_000_000).unwrap()
    }

    fn line(seq: u32, role: Speaker, text: &str, second: i64) -> LineView {
        LineView {
            seq,
            role,
            kind: LineKind::Utterance,
            text: Some(text.to_owned()),
            start_ms: None,
            end_ms: None,
            confidence: None,
            at: at(second),
        }
    }

    fn talk() -> Vec<LineView> {
        let keys = LineView { kind: LineKind::Dtmf, ..line(3, Speaker::Caller, "12", 9) };
        let lost = LineView { text: None, ..line(4, Speaker::Caller, "", 11) };
        vec![
            line(1, Speaker::Agent, "Hello & <welcome>", 2),
            line(2, Speaker::Caller, "is it\n\n00:01 --> 00:02", 5),
            keys,
            lost,
        ]
    }

    #[test]
    fn subtitles_count_from_the_answer_and_no_speech_breaks_them() {
        let text = TextForm::Vtt.write(&talk(), Some(at(1))).unwrap();
        assert_eq!(
            text,
            "WEBVTT\n\n1\n00:00:01.000 --> 00:00:04.000\n<v agent>Hello &amp; &lt;welcome&gt;\n\n2\n\
             00:00:04.000 --> 00:00:08.000\n<v caller>is it 00:01 --&gt; 00:02\n\n3\n\
             00:00:08.000 --> 00:00:10.000\n<v caller>[keys 12]\n"
        );
        assert_eq!(TextForm::Vtt.write(&[], None).unwrap(), "WEBVTT\n");
        // a line from before the answer, by another clock
        assert!(TextForm::Vtt.write(&talk(), Some(at(60))).unwrap().contains("00:00:00.000 --> "));
    }

    #[test]
    fn plain_lines_say_who_and_when() {
        let text = TextForm::Plain.write(&talk(), None).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[0].ends_with(" agent: Hello & <welcome>") && lines[3].ends_with(" caller: [not kept]"));
    }

    #[test]
    fn no_cell_of_the_table_is_a_formula() {
        for spoken in ["=1+1", "+cmd|' /C calc'!A0", "-2", "@SUM(A1)", " =1", "\t=1", "＝1"] {
            let text = TextForm::Csv.write(&[line(1, Speaker::Caller, spoken, 1)], None).unwrap();
            let mut rows = csv::Reader::from_reader(text.as_bytes());
            let row = rows.records().next().unwrap().unwrap();
            assert_eq!(row[3], format!("'{spoken}"), "{spoken:?}");
        }
        let text = TextForm::Csv.write(&talk(), None).unwrap();
        assert!(text.starts_with(
            "seq,role,kind,text,start_ms,end_ms,confidence,at\n1,agent,utterance,Hello & <welcome>,"
        ));
    }
}
