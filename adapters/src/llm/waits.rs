//! Parses how long a provider wants clients to wait, in whatever form it says so.

use std::time::Duration;

use domain::envelope::Time;
use domain::retry_after::retry_after;
use reqwest::header::HeaderMap;

/// The longest wait that is accepted as plausible.
const LONGEST: Duration = Duration::from_secs(10_000_000);

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// The wait in the headers of a 429 received at `now`: `retry-after-ms`, `retry-after`, or the reset time
/// of the exhausted limit.
pub(super) fn of_headers(headers: &HeaderMap, now: Time) -> Option<Duration> {
    let millis = text(headers, "retry-after-ms").and_then(|text| text.trim().parse::<f64>().ok());
    let said = millis.and_then(|millis| of_seconds(millis / 1_000.0));
    let said = said.or_else(|| retry_after(text(headers, "retry-after")?, now).map(|wait| wait.min(LONGEST)));
    said.or_else(|| {
        let used_up = |what: &&str| {
            text(headers, &format!("x-ratelimit-remaining-{what}")).is_some_and(|left| left.trim() == "0")
        };
        let reset = |what: &str| of_text(text(headers, &format!("x-ratelimit-reset-{what}"))?);
        ["requests", "tokens"].into_iter().filter(used_up).filter_map(reset).max()
    })
}

fn of_seconds(seconds: f64) -> Option<Duration> {
    (seconds.is_finite() && (0.0..=1e7).contains(&seconds)).then(|| Duration::from_secs_f64(seconds))
}

/// Parses a duration as Go and Google write it: `12ms`, `7.66s`, `2m59.56s`, `22s`.
pub(super) fn of_text(text: &str) -> Option<Duration> {
    let (mut rest, mut total) = (text.trim(), Duration::ZERO);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let seconds = match &rest[..unit] {
            "ms" => number / 1_000.0,
            "s" => number,
            "m" => number * 60.0,
            "h" => number * 3_600.0,
            "d" => number * 86_400.0,
            _ => return None,
        };
        total += of_seconds(seconds)?;
        rest = &rest[unit..];
    }
    Some(total)
}

/// The duration in a sentence like `… try again in 5.289s…`.
pub(super) fn of_sentence(sentence: &str) -> Option<Duration> {
    let (_, rest) = sentence.split_once("try again in ")?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(rest.len());
    of_text(rest[..end].trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_read_in_whatever_form_it_is_said() {
        let millis = |text| of_text(text).map(|wait| wait.as_millis());
        assert_eq!(millis("12ms"), Some(12));
        assert_eq!(millis("7.66s"), Some(7_660));
        assert_eq!(millis("2m59.56s"), Some(179_560));
        assert_eq!(millis("6m0s"), Some(360_000));
        assert_eq!(millis("1h"), Some(3_600_000));
        for bad in ["", "soon", "5", "1e99s", "5x", "-1s", "99999999999d"] {
            assert_eq!(millis(bad), None, "{bad}");
        }
        let sentence = "Rate limit reached for model. Please try again in 5.289s. Visit the console";
        assert_eq!(of_sentence(sentence).map(|wait| wait.as_millis()), Some(5_289));
        assert_eq!(of_sentence("later"), None);
    }

    #[test]
    fn of_the_headers_the_most_exact_one_counts() {
        let wait = |headers: &[(&'static str, &'static str)]| {
            let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            let now = chrono::DateTime::parse_from_rfc3339("1994-11-06T08:49:30Z").unwrap().to_utc();
            of_headers(&headers.collect(), now).map(|wait| wait.as_millis())
        };
        assert_eq!(wait(&[("retry-after", "2"), ("retry-after-ms", "1500")]), Some(1_500));
        assert_eq!(wait(&[("retry-after", "2")]), Some(2_000));
        let reset = [("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "7.66s")];
        assert_eq!(wait(&reset), Some(7_660));
        // the reset time of a limit that is not exhausted is ignored
        assert_eq!(
            wait(&[("x-ratelimit-remaining-requests", "3"), ("x-ratelimit-reset-requests", "1h")]),
            None
        );
        for date in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(wait(&[("retry-after", date)]), Some(7_000), "{date}");
        }
        assert_eq!(wait(&[("retry-after", "Fri, 31 Dec 1993 23:59:59 GMT")]), Some(0), "it is past");
        assert_eq!(wait(&[("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT")]), Some(LONGEST.as_millis()));
    }
}
