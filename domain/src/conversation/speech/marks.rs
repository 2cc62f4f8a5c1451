//! Removes what the Markdown parser leaves in a line: unclosed formatting, marks of lists and tables that it
//! does not recognise, pictures, notes and long addresses.

/// Characters that begin list items written as plain text.
const BULLETS: [char; 9] = ['•', '‣', '◦', '▪', '●', '○', '·', '–', '—'];
/// Longest path of an address that is spoken, in bytes.
const SPOKEN_PATH: usize = 30;

/// Whether a character has neither width nor sound.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffc}' | '\u{e0000}'..='\u{e007f}')
}

/// Whether a character is a picture, such as an emoji.
pub(super) fn is_picture(c: char) -> bool {
    matches!(c,
        '\u{20e3}' | '\u{231a}'..='\u{231b}' | '\u{2328}' | '\u{23cf}' | '\u{23e9}'..='\u{23fa}' | '\u{25a0}'..='\u{27bf}'
        | '\u{2934}'..='\u{2935}' | '\u{2b05}'..='\u{2b07}' | '\u{2b1b}'..='\u{2b1c}' | '\u{2b50}' | '\u{2b55}'
        | '\u{1f000}'..='\u{1faff}')
}

/// A line as it is spoken; empty for a line of marks only.
pub(super) fn tidy(line: &str) -> String {
    let line = line.trim();
    if !line.is_empty() && line.chars().all(|c| "|-:=*_ +~".contains(c)) {
        return String::new();
    }
    let line =
        line.strip_prefix(BULLETS).filter(|rest| rest.starts_with(char::is_whitespace)).unwrap_or(line);
    let cells = line.trim().strip_prefix('|').and_then(|rest| rest.strip_suffix('|'));
    let row = cells.map(|cells| {
        let cells = cells.split('|').map(str::trim).filter(|cell| !cell.is_empty());
        cells.collect::<Vec<_>>().join(", ")
    });
    let line = without_notes(row.as_deref().unwrap_or(line));
    squeezed(&without_marks(&with_short_addresses(&line)))
}

/// The line without notes that point to sources: `【4†source】`, `word[1]`, `word[^note]`.
fn without_notes(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(['【', '[']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let source =
            from.starts_with('【').then(|| from.find('】').map(|end| end + '】'.len_utf8())).flatten();
        let note = || {
            let end = from.find(']')?;
            let name = from[1..end].strip_prefix('^');
            let attached = out.chars().next_back().is_some_and(|c| !c.is_whitespace() && !"([{".contains(c));
            let number = attached && end > 1 && end < 5 && from[1..end].bytes().all(|c| c.is_ascii_digit());
            // `list[1]` is code, and so is `a[1](2)`
            let prose = !from[end + 1..].starts_with(|c: char| c.is_alphanumeric() || c == '(');
            (name.is_some() || (number && prose)).then_some(end + 1)
        };
        let end = if from.starts_with('[') { note() } else { source };
        match end {
            Some(end) => rest = &from[end..],
            None => {
                let first = from.chars().next().map_or(0, char::len_utf8);
                out.push_str(&from[..first]);
                rest = &from[first..];
            }
        }
    }
    out + rest
}

/// The line with addresses shortened: without scheme, `www.`, query and long paths.
fn with_short_addresses(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("http") {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let address = from.strip_prefix("https://").or_else(|| from.strip_prefix("http://"));
        let Some(address) = address else {
            out.push_str("http");
            rest = &from[4..];
            continue;
        };
        let end =
            address.find(|c: char| c.is_whitespace() || "<>\"'|*`".contains(c)).unwrap_or(address.len());
        let whole = address[..end].trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']']);
        let plain = whole.split(['?', '#']).next().unwrap_or_default();
        let plain = plain.trim_start_matches("www.").trim_end_matches('/');
        let host = plain.split('/').next().unwrap_or_default();
        out.push_str(if plain.len() - host.len() > SPOKEN_PATH { host } else { plain });
        rest = &address[whole.len()..];
    }
    out + rest
}

/// The line without unclosed formatting marks and without pictures. Marks that are prose stay: `5 *
/// 3`, `snake_case`, `*67`, `C#`.
fn without_marks(line: &str) -> String {
    let chars: Vec<char> = line.chars().collect();
    let mut out = String::with_capacity(line.len());
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let run = chars[at..].iter().take_while(|&&next| next == c).count();
        let before = at.checked_sub(1).and_then(|at| chars.get(at)).copied().unwrap_or(' ');
        let after = chars.get(at + run).copied().unwrap_or(' ');
        let opens = !before.is_alphanumeric() && after.is_alphabetic();
        let closes = before.is_alphabetic() && !after.is_alphanumeric();
        let gone = match c {
            '`' => true,
            '~' => run > 1,
            '*' if run > 1 => !(before.is_numeric() && after.is_numeric()),
            '_' if run > 1 => !(before.is_alphanumeric() && after.is_alphanumeric()),
            '*' | '_' => opens || closes,
            '#' => run > 1 && after == ' ',
            _ => is_picture(c),
        };
        if gone {
            let blank = out.is_empty() || out.ends_with(' ');
            if blank && !matches!(c, '*' | '_' | '`' | '~') {
                // the text before a removed picture closes up to the punctuation after it
                at += run + chars[at + run..].iter().take_while(|&&next| next == ' ').count();
                let next = chars.get(at).copied().unwrap_or(' ');
                if ".,!?;:".contains(next) {
                    out.truncate(out.trim_end().len());
                }
                continue;
            }
        } else {
            out.extend(std::iter::repeat_n(c, run));
        }
        at += run;
    }
    out
}

/// Turns runs of blanks into one blank.
fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}
