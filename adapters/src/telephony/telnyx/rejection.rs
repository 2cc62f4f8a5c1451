//! Translates HTTP error answers into carrier errors.

use std::time::Duration;

use domain::envelope::Time;
use domain::ports::telephony::{CarrierError, RefusedBecause};
use domain::retry_after::retry_after;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::Deserialize;

/// Pause after a 429 that does not say how long.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause that a carrier may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// From this value on, `x-ratelimit-reset` is a Unix time, below it a number of seconds.
const EPOCH_BEGINS: u64 = 1_000_000_000;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Errors {
    errors: Vec<Item>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Item {
    code: String,
    title: String,
}

/// Translates an answer that is not 2xx. The status decides first: code 10011 means "too many requests" with 429
/// and something else with 422.
pub(super) fn rejection(status: StatusCode, headers: &HeaderMap, body: &[u8], now: Time) -> CarrierError {
    let Item { code, title } = first_error(body);
    match status.as_u16() {
        429 => CarrierError::Unavailable {
            reason: "the carrier asks for a pause (429)".to_owned(),
            retry_after: Some(pause(headers, now)),
        },
        // 408: the sender of the 408 says that the request did not arrive whole; a proxy may say so of one that did
        408 | 500..=599 => {
            CarrierError::Unknown { reason: format!("the carrier answered {}", status.as_u16()) }
        }
        status => match code.as_str() {
            "90018" | "90015" => CarrierError::Gone { code },
            "90034" => CarrierError::NotReady { code },
            _ => CarrierError::Refused {
                because: because(status, &code),
                status,
                code: if code.is_empty() { "none".to_owned() } else { code },
                title,
            },
        },
    }
}

/// The reason of a refusal, by the codes that Telnyx documents for voice.
fn because(status: u16, code: &str) -> RefusedBecause {
    match (status, code) {
        (_, "10038" | "10039" | "90041" | "90042" | "90043") => RefusedBecause::Limit,
        (401 | 403, _) | (_, "10004" | "10015") => RefusedBecause::Settings,
        (_, "10016") => RefusedBecause::BadNumber,
        _ => RefusedBecause::Other,
    }
}

/// The first error's `code` and `title` only: `detail` may repeat a phone number.
fn first_error(body: &[u8]) -> Item {
    let errors: Errors = serde_json::from_slice(body).unwrap_or_default();
    let mut item = errors.errors.into_iter().next().unwrap_or_default();
    item.code = item.code.chars().take(32).collect();
    item.title = item.title.chars().take(120).collect();
    item
}

fn pause(headers: &HeaderMap, now: Time) -> Duration {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let number = |name: &str| text(name).and_then(|value| value.parse::<u64>().ok());
    let until =
        |epoch: i64| Duration::from_secs(u64::try_from(epoch.saturating_sub(now.timestamp())).unwrap_or(0));
    let wish = number("retry-after-ms").map(Duration::from_millis);
    let wish = wish.or_else(|| retry_after(text(RETRY_AFTER.as_str())?, now));
    let wish = wish.or_else(|| match number("x-ratelimit-reset")? {
        epoch if epoch > EPOCH_BEGINS => Some(until(i64::try_from(epoch).ok()?)),
        seconds => Some(Duration::from_secs(seconds)),
    });
    wish.unwrap_or(DEFAULT_PAUSE).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    const NOW: i64 = 1_767_225_600;

    fn answer(status: u16, code: &str) -> CarrierError {
        let body =
            format!(r#"{{"errors":[{{"code":"{code}","title":"T","detail":"+12025550123 is bad"}}]}}"#);
        let status = StatusCode::from_u16(status).unwrap();
        rejection(status, &HeaderMap::new(), body.as_bytes(), DateTime::from_timestamp(NOW, 0).unwrap())
    }

    #[test]
    fn the_status_decides_before_the_code() {
        assert!(matches!(answer(429, "10011"), CarrierError::Unavailable { retry_after: Some(_), .. }));
        assert!(matches!(answer(422, "10011"), CarrierError::Refused { status: 422, .. }));
        for status in [408, 500, 502, 503, 504] {
            assert!(matches!(answer(status, "10007"), CarrierError::Unknown { .. }), "{status}");
        }
        for (status, code, because) in [
            (400, "10015", RefusedBecause::Settings),
            (401, "10009", RefusedBecause::Settings),
            (403, "10010", RefusedBecause::Settings),
            (404, "10005", RefusedBecause::Other),
            (422, "10016", RefusedBecause::BadNumber),
            (403, "10039", RefusedBecause::Limit),
            (422, "90041", RefusedBecause::Limit),
        ] {
            let refused =
                CarrierError::Refused { because, status, code: code.to_owned(), title: "T".to_owned() };
            assert_eq!(answer(status, code), refused);
        }
        assert!(
            matches!(answer(301, ""), CarrierError::Refused { status: 301, .. }),
            "a redirect is not followed"
        );
    }

    #[test]
    fn an_ended_an_unknown_and_an_unanswered_call_are_told_apart() {
        assert_eq!(answer(422, "90018"), CarrierError::Gone { code: "90018".to_owned() });
        assert_eq!(answer(422, "90015"), CarrierError::Gone { code: "90015".to_owned() });
        assert_eq!(answer(422, "90034"), CarrierError::NotReady { code: "90034".to_owned() });
    }

    #[test]
    fn the_detail_of_an_error_is_never_kept() {
        assert!(!format!("{} {:?}", answer(422, "10016"), answer(422, "10016")).contains("2025550123"));
    }

    #[test]
    fn an_answer_that_is_not_telnyx_json_is_still_an_answer() {
        for body in
            ["", "<html>", "[]", r#"{"errors":[]}"#, r#"{"errors":{"code":1}}"#, r#"{"errors":[{"code":7}]}"#]
        {
            let error = rejection(
                StatusCode::FORBIDDEN,
                &HeaderMap::new(),
                body.as_bytes(),
                DateTime::from_timestamp(NOW, 0).unwrap(),
            );
            assert!(matches!(error, CarrierError::Refused { status: 403, .. }), "{body}");
        }
    }

    #[test]
    fn a_pause_is_read_in_every_form_it_is_sent_in() {
        for (name, value, seconds) in [
            ("retry-after", "7", 7.0),
            ("retry-after-ms", "250", 0.25),
            ("retry-after", "Thu, 01 Jan 2026 00:00:05 +0000", 5.0),
            ("retry-after", "Thu, 01 Jan 2026 00:00:05 GMT", 5.0),
            ("retry-after", "Thursday, 01-Jan-26 00:00:05 GMT", 5.0),
            ("retry-after", "Thu Jan  1 00:00:05 2026", 5.0),
            ("retry-after", "1.5", 1.5),
            ("x-ratelimit-reset", "12", 12.0),
            ("x-ratelimit-reset", "1767225630", 30.0),
            ("x-ratelimit-reset", "1767225000", 0.0),
            ("retry-after", "999999", 600.0),
            ("retry-after", "soon", 1.0),
        ] {
            let name = HeaderName::from_static(name);
            let headers = HeaderMap::from_iter([(name.clone(), HeaderValue::from_static(value))]);
            let found = pause(&headers, DateTime::from_timestamp(NOW, 0).unwrap());
            assert_eq!(found, Duration::from_secs_f64(seconds), "{name}: {value}");
        }
    }
}
