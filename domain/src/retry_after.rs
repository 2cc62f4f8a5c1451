//! The `Retry-After` header, as servers write it.

use std::time::Duration;

use crate::envelope::Time;

/// Longest wait that is answered, in seconds (about 31 years); callers have shorter limits of their own.
const LONGEST: f64 = 1e9;

/// How long a `Retry-After` header asks to wait (RFC 9110 §10.2.3): seconds, also fractional, or a date in any of the
/// three forms of an HTTP date, or of an e-mail. Zero for a date that is past, `None` for anything else.
#[must_use]
pub fn retry_after(text: &str, now: Time) -> Option<Duration> {
    let text = text.trim();
    if text.bytes().all(|c| c.is_ascii_digit() || c == b'.') {
        let seconds: f64 = text.parse().ok()?;
        return Duration::try_from_secs_f64(seconds.min(LONGEST)).ok();
    }
    let date = match httpdate::parse_http_date(text) {
        Ok(date) => Time::from(date),
        Err(_) => chrono::DateTime::parse_from_rfc2822(text).ok()?.to_utc(),
    };
    let wait = (date - now).to_std().unwrap_or(Duration::ZERO);
    Some(wait.min(Duration::from_secs_f64(LONGEST)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::calls::at;

    #[test]
    fn it_is_seconds_or_a_date_in_any_of_three_forms() {
        let now = chrono::DateTime::parse_from_rfc3339("1994-11-06T08:49:30Z").unwrap().to_utc();
        let wait = |text| retry_after(text, now).map(|wait| wait.as_millis());
        for date in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            " Sun, 06 Nov 1994 08:49:37 GMT ",
            "Sun, 06 Nov 1994 08:49:37 +0000",
            "Sun, 06 Nov 1994 09:49:37 +0100",
        ] {
            assert_eq!(wait(date), Some(7_000), "{date}");
        }
        assert_eq!(wait("Sunday, 06-Nov-94 08:49:20 GMT"), Some(0), "it is past");
        assert_eq!(wait("Fri, 31 Dec 9999 23:59:59 GMT"), Some(1_000_000_000_000));
        assert_eq!((wait("120"), wait(" 1.25 "), wait("0")), (Some(120_000), Some(1_250), Some(0)));
        assert_eq!(wait("99999999999999999999"), Some(1_000_000_000_000));
        for bad in ["", "soon", "-1", "1e9", ".", "1.2.3", "NaN", "inf", "Sun, 06 Nov", "Sun Nov 6"] {
            assert_eq!(wait(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_us_fail(text in "\\PC*") {
            let _ = retry_after(&text, at(0));
        }
    }
}
