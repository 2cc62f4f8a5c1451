//! Webhook signatures: Ed25519 over `timestamp|raw body`, valid for five minutes.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::envelope::Time;
use ed25519_dalek::{SIGNATURE_LENGTH, Signature, Signer as _, SigningKey, VerifyingKey};

/// Header with the signature; HTTP header names ignore case.
pub const SIGNATURE_HEADER: &str = "telnyx-signature-ed25519";
/// Header with the time of sending, in Unix seconds.
pub const TIMESTAMP_HEADER: &str = "telnyx-timestamp";
/// How far the carrier's clock may differ from ours in either direction, in seconds.
pub const TOLERANCE_SECS: u64 = 300;

/// Why a webhook is rejected. No error text repeats what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("header {0} is missing")]
    MissingHeader(&'static str),
    /// The timestamp is not a whole number of seconds.
    #[error("header telnyx-timestamp is not a number of unix seconds")]
    BadTimestamp,
    /// Sent too long ago: a replay, or a wrong clock.
    #[error("webhook was sent {0} s ago, more than 300 s; check this machine's clock")]
    Stale(u64),
    /// Sent in the future, so a clock is wrong.
    #[error("webhook is {0} s ahead of this machine's clock, more than 300 s; check the clock")]
    Future(u64),
    /// The signature is not base64 of 64 bytes.
    #[error("header telnyx-signature-ed25519 is not base64 of 64 bytes")]
    MalformedSignature,
    /// The signature belongs to another body, or was made with another key.
    #[error("signature does not fit the body; check that the public key is the one the Telnyx portal shows")]
    WrongSignature,
}

/// The text is not a usable public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    #[error("key is not base64 in the standard alphabet; copy it from the Telnyx portal as it stands")]
    NotBase64,
    /// The key has not 32 bytes; PEM and DER are not accepted.
    #[error("key has {0} bytes instead of 32; Telnyx shows the raw key, neither PEM nor DER")]
    WrongLength(usize),
    /// 32 bytes that are not a point of the curve, or one of the few weak points that would accept forgeries.
    #[error("key is not a usable Ed25519 public key")]
    NotAKey,
}

/// The signed parts of a webhook: two header values and the body, all exactly as received.
#[derive(Clone, Copy)]
pub struct SignedParts<'a> {
    /// Value of the header [`SIGNATURE_HEADER`].
    pub signature: Option<&'a [u8]>,
    /// Value of the header [`TIMESTAMP_HEADER`].
    pub timestamp: Option<&'a [u8]>,
    /// The body before any parsing.
    pub body: &'a [u8],
}

impl fmt::Debug for SignedParts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedParts").field("body_len", &self.body.len()).finish_non_exhaustive()
    }
}

/// Verifies that webhooks come from Telnyx.
///
/// Nothing here is secret (the key is public, the signature was sent to us), so timing reveals nothing;
/// verification needs no constant time, and the few comparisons have it anyway.
#[derive(Debug, Clone)]
pub struct WebhookVerifier {
    key: VerifyingKey,
}

impl WebhookVerifier {
    /// Takes the public key as the Telnyx portal shows it: standard base64 of 32 bytes. The error says what
    /// is wrong with it.
    pub fn from_base64(key: &str) -> Result<Self, BadKey> {
        let bytes = STANDARD.decode(key.trim()).map_err(|_| BadKey::NotBase64)?;
        let bytes = <[u8; 32]>::try_from(bytes).map_err(|bytes| BadKey::WrongLength(bytes.len()))?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| BadKey::NotAKey)?;
        if key.is_weak() { Err(BadKey::NotAKey) } else { Ok(Self { key }) }
    }

    /// Verifies a webhook received at `now`, in the order of Telnyx's own libraries: headers present, timestamp
    /// fresh, signature well formed, signature right. Each [`SignatureError`] becomes an HTTP 401.
    pub fn verify(&self, parts: &SignedParts<'_>, now: Time) -> Result<(), SignatureError> {
        let signature = parts.signature.ok_or(SignatureError::MissingHeader(SIGNATURE_HEADER))?;
        let timestamp = parts.timestamp.ok_or(SignatureError::MissingHeader(TIMESTAMP_HEADER))?;
        check_age(timestamp, now)?;
        let mut decoded = [0; SIGNATURE_LENGTH + 2]; // base64 is decoded in threes: room for the last one
        let length =
            STANDARD.decode_slice(signature, &mut decoded).map_err(|_| SignatureError::MalformedSignature)?;
        let signature =
            Signature::from_slice(&decoded[..length]).map_err(|_| SignatureError::MalformedSignature)?;
        let message = signed_bytes(timestamp, parts.body);
        // strict: also refuses signatures that only some implementations accept (RFC 8032 §8.4 and small-order
        // points)
        self.key.verify_strict(&message, &signature).map_err(|_| SignatureError::WrongSignature)
    }
}

impl SignedParts<'_> {
    /// How many seconds the sender's clock is ahead of `now`; negative when behind, which includes the transmission
    /// time. `None` without a readable timestamp.
    #[must_use]
    pub fn ahead_by(&self, now: Time) -> Option<i64> {
        let sent = self.timestamp.and_then(|timestamp| unix_seconds(timestamp).ok())?;
        Some(sent.saturating_sub(now.timestamp()))
    }
}

fn unix_seconds(timestamp: &[u8]) -> Result<i64, SignatureError> {
    let digits = std::str::from_utf8(timestamp).map_err(|_| SignatureError::BadTimestamp)?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(SignatureError::BadTimestamp);
    }
    digits.parse().map_err(|_| SignatureError::BadTimestamp)
}

fn check_age(timestamp: &[u8], now: Time) -> Result<(), SignatureError> {
    let sent = unix_seconds(timestamp)?;
    let now = now.timestamp();
    match now.abs_diff(sent) {
        apart if apart <= TOLERANCE_SECS => Ok(()),
        apart if sent < now => Err(SignatureError::Stale(apart)),
        apart => Err(SignatureError::Future(apart)),
    }
}

fn signed_bytes(timestamp: &[u8], body: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(timestamp.len() + 1 + body.len());
    message.extend_from_slice(timestamp);
    message.push(b'|');
    message.extend_from_slice(body);
    message
}

/// Signs webhooks as Telnyx does: for fakes and tests.
#[derive(Clone)]
pub struct Signer {
    key: SigningKey,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("public_key", &self.public_key_base64()).finish_non_exhaustive()
    }
}

impl Signer {
    /// Derives the key pair from a 32-byte seed (RFC 8032 §5.1.5).
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self { key: SigningKey::from_bytes(seed) }
    }

    /// The public key as the portal would show it.
    #[must_use]
    pub fn public_key_base64(&self) -> String {
        STANDARD.encode(self.key.verifying_key().as_bytes())
    }

    /// The value of [`SIGNATURE_HEADER`] for a body sent at `timestamp`.
    #[must_use]
    pub fn sign(&self, timestamp: &str, body: &[u8]) -> String {
        STANDARD.encode(self.key.sign(&signed_bytes(timestamp.as_bytes(), body)).to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    // The key pair of Telnyx's own Java suite, which is public: for tests only.
    const SEED: &str = "i1xxSkIuQOY9H8laaRslIoYGTJ1NwBAFdjsQwiwJH04=";
    const PUBLIC: &str = "jrMBoswHlhhVx2W2Www72WU/xn4UMpjreslD0m2u0qs=";
    const BODY_B: &str = concat!(
        r#"{"data":{"event_type":"call.hangup","id":"7f1c2d3e-0a1b-4c2d-8e3f-405162738495","#,
        r#""occurred_at":"2026-01-01T00:00:00.000000Z","payload":{"call_control_id":"v3:abcDEF-123_xyz","#,
        r#""client_state":null,"from":"+15550100","hangup_cause":"normal_clearing","to":"+15550199"},"#,
        r#""record_type":"event"},"meta":{"attempt":1,"delivered_to":"https://voice.example.test/hooks/telnyx"}}"#
    );
    const BODY_C: &str = "{\"data\":{\"event_type\":\"call.initiated\",\"id\":\"1\",\"payload\":{\"caller_id_name\":\"Zoë\"}}}\n";
    const VECTORS: [(&str, &str, &str); 3] = [
        (
            "1700000000",
            r#"{"event_type":"test","id":"abc123"}"#,
            "7o3u2izfEtn5PFPE0nDvo9y8RErRmfHM5wIO04wRV6VTNaq6RiLj1ehc7uMJuIMihJobi2u3HYyB1Ie61c2XCQ==",
        ),
        (
            "1767225600",
            BODY_B,
            "cMJlL5JILRIwcshByhR9D55wIzYaYQNQBTKISBIDwBuqwBknANig160MqjwYr/Z0QUCf9mc7DDWTXulhbmdtAw==",
        ),
        (
            "1767225600",
            BODY_C,
            "arO5RF03tWaFgvLe++81xnnv7dsLrYff1HRg/wVRRkxTrlNY8HnibfTyLCRFvZ6d7XDHaIeD+sPAlN+AFngeBw==",
        ),
    ];

    fn seconds(at: i64) -> Time {
        DateTime::from_timestamp(at, 0).unwrap()
    }

    fn check(signature: &str, timestamp: &str, body: &str, now: i64) -> Result<(), SignatureError> {
        let parts = SignedParts {
            signature: Some(signature.as_bytes()),
            timestamp: Some(timestamp.as_bytes()),
            body: body.as_bytes(),
        };
        WebhookVerifier::from_base64(PUBLIC).unwrap().verify(&parts, seconds(now))
    }

    #[test]
    fn known_webhooks_are_believed_and_signed_alike() {
        let seed = <[u8; 32]>::try_from(STANDARD.decode(SEED).unwrap()).unwrap();
        let signer = Signer::from_seed(&seed);
        assert_eq!(signer.public_key_base64(), PUBLIC);
        assert_eq!((BODY_B.len(), BODY_C.len()), (364, 86));
        for (timestamp, body, signature) in VECTORS {
            assert_eq!(signer.sign(timestamp, body.as_bytes()), signature);
            assert_eq!(check(signature, timestamp, body, timestamp.parse().unwrap()), Ok(()));
        }
    }

    #[test]
    fn a_changed_byte_a_changed_second_or_another_signature_is_refused() {
        let (timestamp, body, signature) = VECTORS[2];
        let now = timestamp.parse().unwrap();
        assert_eq!(check(signature, timestamp, body.trim_end(), now), Err(SignatureError::WrongSignature));
        let spaced = BODY_B.replace(':', ": ");
        assert_eq!(check(VECTORS[1].2, timestamp, &spaced, now), Err(SignatureError::WrongSignature));
        for (timestamp, body, signature) in VECTORS {
            let sent: i64 = timestamp.parse().unwrap();
            for moved in [sent - 1, sent + 1] {
                assert_eq!(
                    check(signature, &moved.to_string(), body, sent),
                    Err(SignatureError::WrongSignature)
                );
            }
            let zeros = STANDARD.encode([0; 64]);
            assert_eq!(check(&zeros, timestamp, body, sent), Err(SignatureError::WrongSignature));
        }
    }

    #[test]
    fn every_bit_of_the_signature_counts() {
        let (timestamp, body, signature) = VECTORS[0];
        let good = STANDARD.decode(signature).unwrap();
        for bit in 0..512 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let refused = check(&STANDARD.encode(bad), timestamp, body, timestamp.parse().unwrap());
            assert_eq!(refused, Err(SignatureError::WrongSignature), "bit {bit}");
        }
    }

    #[test]
    fn a_webhook_is_fresh_for_five_minutes_before_and_after() {
        let (timestamp, body, signature) = VECTORS[0];
        let sent: i64 = timestamp.parse().unwrap();
        for (offset, expected) in [
            (300, Ok(())),
            (301, Err(SignatureError::Stale(301))),
            (-300, Ok(())),
            (-301, Err(SignatureError::Future(301))),
        ] {
            assert_eq!(check(signature, timestamp, body, sent + offset), expected, "{offset}");
        }
    }

    #[test]
    fn how_far_the_senders_clock_is_ahead_is_told() {
        let ahead = |timestamp: Option<&'static str>, now| {
            let timestamp = timestamp.map(str::as_bytes);
            SignedParts { signature: None, timestamp, body: b"" }.ahead_by(seconds(now))
        };
        assert_eq!(ahead(Some("1700000010"), 1_700_000_000), Some(10));
        assert_eq!(ahead(Some("1700000000"), 1_700_000_002), Some(-2));
        assert_eq!((ahead(Some("soon"), 1), ahead(None, 1)), (None, None));
    }

    #[test]
    fn a_timestamp_is_whole_seconds_in_digits() {
        let (_, body, signature) = VECTORS[0];
        for bad in [
            "",
            " 1700000000",
            "+1700000000",
            "-1",
            "1.7e9",
            "1700000000.0",
            "0x6553f100",
            "99999999999999999999",
        ] {
            assert_eq!(
                check(signature, bad, body, 1_700_000_000),
                Err(SignatureError::BadTimestamp),
                "{bad}"
            );
        }
        assert!(matches!(
            check(signature, "9223372036854775807", body, 1_700_000_000),
            Err(SignatureError::Future(_))
        ));
    }

    #[test]
    fn a_signature_is_base64_of_64_bytes() {
        let (timestamp, body, signature) = VECTORS[0];
        let long = STANDARD.encode([7; 65]);
        let longer = STANDARD.encode([7; 200]);
        let unpadded = signature.trim_end_matches('=');
        let url_safe = signature.replace('+', "-").replace('/', "_") + "!";
        for bad in ["", "AAAA", unpadded, &url_safe, &signature[..86], &long, &longer] {
            let refused = check(bad, timestamp, body, timestamp.parse().unwrap());
            assert_eq!(refused, Err(SignatureError::MalformedSignature), "{bad}");
        }
    }

    #[test]
    fn both_headers_are_needed_and_are_looked_at_first() {
        let verifier = WebhookVerifier::from_base64(PUBLIC).unwrap();
        let (timestamp, signature) = (Some(&b"not a number"[..]), Some(&b"not base64"[..]));
        for (signature, timestamp, missing) in [
            (None, timestamp, SIGNATURE_HEADER),
            (signature, None, TIMESTAMP_HEADER),
            (None, None, SIGNATURE_HEADER),
        ] {
            let parts = SignedParts { signature, timestamp, body: b"" };
            assert_eq!(
                verifier.verify(&parts, seconds(0)),
                Err(SignatureError::MissingHeader(missing)),
                "{missing}"
            );
        }
        let parts = SignedParts { signature, timestamp: Some(b"1"), body: b"" };
        assert_eq!(
            verifier.verify(&parts, seconds(9_999)),
            Err(SignatureError::Stale(9_998)),
            "age before form"
        );
    }

    #[test]
    fn a_key_is_base64_of_a_strong_raw_point() {
        let spki = STANDARD
            .encode([&[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0][..], &[1; 32]].concat());
        let identity = STANDARD.encode([&[1][..], &[0; 31]].concat());
        for (bad, why) in [
            ("-----BEGIN PUBLIC KEY-----", BadKey::NotBase64),
            ("", BadKey::WrongLength(0)),
            (&spki, BadKey::WrongLength(44)),
            (&identity, BadKey::NotAKey),
            (&STANDARD.encode([2; 32]), BadKey::NotAKey),
        ] {
            assert_eq!(WebhookVerifier::from_base64(bad).unwrap_err(), why, "{bad}");
        }
        assert!(WebhookVerifier::from_base64(&format!(" {PUBLIC}\n")).is_ok(), "pasted with white space");
    }
}
