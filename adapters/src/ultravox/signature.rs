//! Signatures of Ultravox's webhooks: HMAC-SHA256 over the raw body, followed by the text of the timestamp header.

use chrono::{DateTime, NaiveDateTime};
use domain::envelope::Time;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::hex::{decoded, encoded};

/// Header with the signatures, one for each secret: lower-case hexadecimal, separated by commas.
pub const SIGNATURE_HEADER: &str = "x-ultravox-webhook-signature";
/// Header with the time of sending, in ISO 8601.
pub const TIMESTAMP_HEADER: &str = "x-ultravox-webhook-timestamp";
/// How far Ultravox's clock may differ from ours in either direction, in seconds.
const TOLERANCE: u64 = 300;
/// Longest header that is read, in bytes.
const MAX_HEADER: usize = 4_096;
/// Most signatures that are compared.
const MAX_SIGNATURES: usize = 16;

/// Why a webhook is rejected. No error text repeats what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("header {0} is missing")]
    Missing(&'static str),
    #[error("header x-ultravox-webhook-timestamp is not a time in ISO 8601")]
    BadTimestamp,
    /// Sent too long ago, or in the future: a replay, or a wrong clock.
    #[error("webhook was sent {0} s before or after now, more than 300; check this machine's clock")]
    Stale(u64),
    /// Another body or secret.
    #[error("signature does not fit; check the secrets of the webhook")]
    Wrong,
}

/// What is signed, as received.
#[derive(Clone, Copy)]
pub struct SignedParts<'a> {
    /// Value of the header [`SIGNATURE_HEADER`].
    pub signature: Option<&'a [u8]>,
    /// Value of the header [`TIMESTAMP_HEADER`].
    pub timestamp: Option<&'a [u8]>,
    /// The body before any parsing.
    pub body: &'a [u8],
}

impl std::fmt::Debug for SignedParts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignedParts").field("body_len", &self.body.len()).finish_non_exhaustive()
    }
}

/// Verifies a webhook received at `now` with any of the secrets, each as it was entered. Takes the same time for a
/// right and a wrong signature.
pub fn verify(parts: &SignedParts<'_>, secrets: &[String], now: Time) -> Result<(), SignatureError> {
    let signature = parts.signature.ok_or(SignatureError::Missing(SIGNATURE_HEADER))?;
    let timestamp = parts.timestamp.ok_or(SignatureError::Missing(TIMESTAMP_HEADER))?;
    let sent = std::str::from_utf8(timestamp).ok().filter(|text| text.len() <= MAX_HEADER);
    let sent = sent.and_then(time).ok_or(SignatureError::BadTimestamp)?;
    let claimed = std::str::from_utf8(signature).ok().filter(|text| text.len() <= MAX_HEADER);
    let claimed = claimed.unwrap_or_default().split(',').take(MAX_SIGNATURES);
    let claimed: Vec<Vec<u8>> = claimed.filter_map(|hex| decoded(hex.trim())).collect();
    let mut right = false;
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        for claimed in &claimed {
            let Ok(mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { continue };
            // the body first, and nothing in between; compares in constant time
            right |= mac.chain_update(parts.body).chain_update(timestamp).verify_slice(claimed).is_ok();
        }
    }
    if !right {
        return Err(SignatureError::Wrong);
    }
    let apart = now.timestamp().abs_diff(sent.timestamp());
    if apart > TOLERANCE { Err(SignatureError::Stale(apart)) } else { Ok(()) }
}

/// A signature of a webhook, as Ultravox writes it: for its simulation.
#[must_use]
pub fn sign(secret: &str, timestamp: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes());
    mac.map(|mac| encoded(&mac.chain_update(body).chain_update(timestamp).finalize().into_bytes()))
        .unwrap_or_default()
}

/// The secret by which Ultravox signs what it tells of the calls that this node places for `owner`.
#[must_use]
pub fn callback_secret(seed: &[u8; 32], owner: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(seed);
    mac.map(|mac| encoded(&mac.chain_update(owner).finalize().into_bytes())).unwrap_or_default()
}

/// Reads a time with an offset, with `Z` or with neither, which is UTC.
pub(super) fn time(text: &str) -> Option<Time> {
    let text = text.trim();
    match DateTime::parse_from_rfc3339(text) {
        Ok(time) => Some(time.to_utc()),
        Err(_) => NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok().map(|time| time.and_utc()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"event":"call.ended","call":{"callId":"7d1f0f6e-5d0b-4a9e-9c55-0b7f3f6b2a11","endReason":"hangup"}}"#;
    const SENT: &str = "2026-05-01T12:34:56.789012+00:00";
    const ONE: &str = "e604696cbd14b6b90187666ded0c887f520617d091eb1b610f1e2959b0bb9988";
    const TWO: &str = "a3705d68d35b188481bf6b18cd99eb414d0a64aae02540928721e0f80bc0cdb7";

    fn outcome(
        signature: &str,
        sent: &str,
        body: &str,
        secrets: &[&str],
        ahead: i64,
    ) -> Result<(), SignatureError> {
        let secrets: Vec<String> = secrets.iter().map(|secret| (*secret).to_owned()).collect();
        let (signature, timestamp) = (Some(signature.as_bytes()), Some(sent.as_bytes()));
        let now = time(SENT).unwrap() + chrono::TimeDelta::seconds(ahead);
        verify(&SignedParts { signature, timestamp, body: body.as_bytes() }, &secrets, now)
    }

    #[test]
    fn known_signatures_are_right_under_either_secret_and_ours_are_the_same() {
        for (secret, signature) in [("uvx-test-secret-one", ONE), ("uvx-test-secret-two", TWO)] {
            assert_eq!(sign(secret, SENT, BODY.as_bytes()), signature);
            assert_eq!(outcome(signature, SENT, BODY, &[secret], 0), Ok(()));
            assert_eq!(outcome(&format!("{ONE} , {TWO}"), SENT, BODY, &[secret], 0), Ok(()));
            assert_eq!(outcome(signature, SENT, BODY, &["another", secret], 0), Ok(()));
        }
    }

    #[test]
    fn another_order_body_secret_or_time_is_refused() {
        let one = ["uvx-test-secret-one"];
        for wrong in [
            "4da2e5a06563b34cc122cdabe6d9297f90c3074d04c711474087026dd9668fe7",
            "4c182b3e4a0fa5202a787ae085781c11fe4c9ac6399dcf09233ccfa6a9bf9f4e",
            TWO,
            "",
            "potato",
            &ONE[..62],
        ] {
            assert_eq!(outcome(wrong, SENT, BODY, &one, 0), Err(SignatureError::Wrong), "{wrong}");
        }
        assert_eq!(outcome(ONE, SENT, &format!("{BODY} "), &one, 0), Err(SignatureError::Wrong));
        assert_eq!(outcome(ONE, SENT, BODY, &[""], 0), Err(SignatureError::Wrong));
        let other = "2026-05-01T12:34:56.789013+00:00";
        assert_eq!(outcome(ONE, other, BODY, &one, 0), Err(SignatureError::Wrong));
    }

    #[test]
    fn a_webhook_is_fresh_for_five_minutes_before_and_after() {
        for ahead in [-300, 300] {
            assert_eq!(outcome(ONE, SENT, BODY, &["uvx-test-secret-one"], ahead), Ok(()), "{ahead}");
        }
        for ahead in [-301, 301] {
            let stale = Err(SignatureError::Stale(301));
            assert_eq!(outcome(ONE, SENT, BODY, &["uvx-test-secret-one"], ahead), stale, "{ahead}");
        }
    }

    #[test]
    fn a_time_has_an_offset_or_none_and_up_to_nine_digits() {
        let same = time("2026-05-01T12:34:56Z");
        for text in ["2026-05-01T12:34:56", "2026-05-01T14:34:56+02:00", " 2026-05-01T12:34:56.000000000 "] {
            assert_eq!(time(text), same, "{text}");
        }
        assert_ne!(time("2026-05-01T12:34:56.123456789"), same);
        for bad in ["", "now", "1777638896", "2026-05-01"] {
            assert_eq!(outcome(ONE, bad, BODY, &["x"], 0), Err(SignatureError::BadTimestamp), "{bad}");
        }
    }
}
