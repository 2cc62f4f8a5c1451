//! Signatures of Stripe's webhooks: HMAC-SHA256 over the time and the raw body.

use domain::envelope::Time;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::hex::{decoded, encoded};

/// Header with the time of sending and the signatures.
pub const SIGNATURE_HEADER: &str = "stripe-signature";
/// How far Stripe's clock may differ from ours in either direction, in seconds.
const TOLERANCE: u64 = 300;
/// Longest header that is read, in bytes.
const MAX_HEADER: usize = 4_096;
/// Most signatures that are compared.
const MAX_SIGNATURES: usize = 16;

/// Why a webhook is rejected. No error text repeats what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("header stripe-signature is missing")]
    Missing,
    #[error("header stripe-signature has no time or no signature of the scheme v1")]
    Malformed,
    /// Sent too long ago, or in the future: a replay, or a wrong clock.
    #[error("webhook was sent {0} s before or after now, more than 300; check this machine's clock")]
    Stale(u64),
    /// Another body or secret.
    #[error("signature does not fit; check VOXLEDGER_STRIPE_WEBHOOK_SECRET")]
    Wrong,
}

/// Verifies a webhook received at `now` with any of the endpoint's secrets, each the whole text with `whsec_`. Takes the same
/// time for a right and a wrong signature.
pub fn verify(
    header: Option<&[u8]>,
    body: &[u8],
    secrets: &[String],
    now: Time,
) -> Result<(), SignatureError> {
    let header = header.ok_or(SignatureError::Missing)?;
    let text = std::str::from_utf8(header).map_err(|_| SignatureError::Malformed)?;
    if text.len() > MAX_HEADER {
        return Err(SignatureError::Malformed);
    }
    let (mut sent, mut signatures) = (None, Vec::new());
    for (name, value) in text.split(',').filter_map(|item| item.split_once('=')) {
        match name.trim() {
            "t" => sent = Some(value),
            "v1" if signatures.len() < MAX_SIGNATURES => signatures.push(value),
            _ => {}
        }
    }
    let sent = sent.ok_or(SignatureError::Malformed)?;
    let digits = !sent.is_empty() && sent.bytes().all(|byte| byte.is_ascii_digit());
    let at: i64 = sent.parse().ok().filter(|_| digits).ok_or(SignatureError::Malformed)?;
    if signatures.is_empty() || body.is_empty() {
        return Err(SignatureError::Malformed);
    }
    let claimed: Vec<Vec<u8>> = signatures.iter().filter_map(|hex| decoded(hex)).collect();
    let mut right = false;
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        for claimed in &claimed {
            let Ok(mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { continue };
            let mac = mac.chain_update(sent).chain_update(b".").chain_update(body);
            // compares in constant time
            right |= mac.verify_slice(claimed).is_ok();
        }
    }
    if !right {
        return Err(SignatureError::Wrong);
    }
    let apart = now.timestamp().abs_diff(at);
    if apart > TOLERANCE { Err(SignatureError::Stale(apart)) } else { Ok(()) }
}

/// The header of a webhook, as Stripe writes it: for its simulation.
#[must_use]
pub fn sign(secret: &str, at: i64, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes());
    let signature = mac.map(|mac| {
        let mac = mac.chain_update(at.to_string()).chain_update(b".").chain_update(body);
        encoded(&mac.finalize().into_bytes())
    });
    format!("t={at},v1={}", signature.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const S3_BODY: &str = "{\n  \"id\": \"evt_test_webhook\",\n  \"object\": \"event\"\n}";
    const S4_BODY: &str = r#"{"id":"evt_1TestCredit","object":"event","type":"checkout.session.completed"}"#;
    const S3: &str = "45969f456b3331a0f76e237ed33423d5f758908f1f0432d30e7d45ba89bb9edd";
    const S4: &str = "81fe1e25e71f8751730aca2a44a14d4cbc9cacafb60f3ea4a39d2cb4618eace8";
    const S5: &str = "5373fb830a987b8aee25811aa95d6fb2b1102266fbc0bcfb5d73f4cc62c3c779";

    fn outcome(header: &str, body: &str, secrets: &[&str], now: i64) -> Result<(), SignatureError> {
        let secrets: Vec<String> = secrets.iter().map(|secret| (*secret).to_owned()).collect();
        verify(Some(header.as_bytes()), body.as_bytes(), &secrets, Time::from_timestamp(now, 0).unwrap())
    }

    #[test]
    fn signatures_of_stripes_own_libraries_are_right_and_ours_are_theirs() {
        let node = ["whsec_test_secret"];
        assert_eq!(outcome(&format!("t=1234567890,v1={S3}"), S3_BODY, &node, 1_234_567_890), Ok(()));
        assert_eq!(outcome(&format!("t=1700000000,v1={S4}"), S4_BODY, &node, 1_700_000_000), Ok(()));
        assert_eq!(
            sign("whsec_test_secret", 1_700_000_000, S4_BODY.as_bytes()),
            format!("t=1700000000,v1={S4}")
        );
    }

    #[test]
    fn while_a_secret_is_replaced_either_is_right() {
        let both = format!("t=1700000000,v1={S4},v1={S5}");
        for secrets in [&["whsec_test_secret"][..], &["whsec_rolled_secret"], &["x", "whsec_rolled_secret"]] {
            assert_eq!(outcome(&both, S4_BODY, secrets, 1_700_000_000), Ok(()));
        }
        let with_rest = format!("v1={S4},v1=potato,v0=1,t=1700000000");
        assert_eq!(outcome(&with_rest, S4_BODY, &["whsec_test_secret"], 1_700_000_000), Ok(()));
    }

    #[test]
    fn what_is_not_signed_is_rejected() {
        use SignatureError::{Malformed, Missing, Stale, Wrong};
        let secret = ["whsec_test_secret"];
        let at = 1_700_000_000;
        let good = format!("t={at},v1={S4}");
        for apart in [300, -300] {
            assert_eq!(outcome(&good, S4_BODY, &secret, at + apart), Ok(()));
        }
        for apart in [301, -301] {
            assert_eq!(outcome(&good, S4_BODY, &secret, at + apart), Err(Stale(301)));
        }
        let cases = [
            ("bad_header".to_owned(), Malformed),
            (String::new(), Malformed),
            (format!("v1={S4}"), Malformed),
            (format!("t=,v1={S4}"), Malformed),
            (format!("t=+{at},v1={S4}"), Malformed),
            (format!("t={at}"), Malformed),
            (format!("t={at},v0={S4}"), Malformed),
            (format!("t={at},v1=bad_signature"), Wrong),
            (format!("t={at},v1={}", &S4[..62]), Wrong),
            (format!("t={},v1={S4}", at + 1), Wrong),
            (format!("t={at},v1={S5}"), Wrong),
            ("x".repeat(MAX_HEADER + 1), Malformed),
        ];
        for (header, error) in cases {
            assert_eq!(outcome(&header, S4_BODY, &secret, at), Err(error), "{header}");
        }
        assert_eq!(outcome(&good, &format!("{S4_BODY} "), &secret, at), Err(Wrong));
        assert_eq!(outcome(&good, "", &secret, at), Err(Malformed));
        // a secret with a blank at its end is another one
        assert_eq!(outcome(&good, S4_BODY, &["whsec_test_secret "], at), Err(Wrong));
        assert_eq!(outcome(&good, S4_BODY, &[""], at), Err(Wrong));
        assert_eq!(verify(None, b"{}", &[], Time::default()), Err(Missing));
    }
}
