//! Signatures by Standard Webhooks 1.0 (<https://www.standardwebhooks.com>), symmetric: HMAC-SHA256.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The fewest bytes of a secret.
pub const MIN_SECRET: usize = 24;
/// The most bytes of a secret.
pub const MAX_SECRET: usize = 64;
const PREFIX: &str = "whsec_";

/// A secret that the node and a receiver share. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Vec<u8>);

/// The text is not a signing secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret is whsec_ and the padded base64 of 24 to 64 random bytes")]
pub struct BadSecret;

impl SigningSecret {
    /// A secret of these bytes. Fails when they are fewer than 24 or more than 64.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Result<Self, BadSecret> {
        let bytes = bytes.into();
        if (MIN_SECRET..=MAX_SECRET).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(BadSecret) }
    }

    /// The bytes, to be sealed.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// `whsec_…`, to be shown once.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    /// The token that signs one message: `v1,` and the base64 of the HMAC over id, time and
    /// body with dots between.
    #[must_use]
    pub fn sign(&self, id: &str, unix_seconds: i64, body: &[u8]) -> String {
        // HMAC takes a key of any length, so this cannot fail
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(id.as_bytes());
        mac.update(b".");
        mac.update(unix_seconds.to_string().as_bytes());
        mac.update(b".");
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// The `webhook-signature` header: one token for each secret, the newest first.
#[must_use]
pub fn signature<'s>(
    secrets: impl IntoIterator<Item = &'s SigningSecret>,
    id: &str,
    unix_seconds: i64,
    body: &[u8],
) -> String {
    let tokens: Vec<_> = secrets.into_iter().map(|secret| secret.sign(id, unix_seconds, body)).collect();
    tokens.join(" ")
}

/// The headers that sign one message with each of the secrets, the newest first.
#[must_use]
pub fn headers<'s>(
    secrets: impl IntoIterator<Item = &'s SigningSecret>,
    id: &str,
    unix_seconds: i64,
    body: &[u8],
) -> [(&'static str, String); 3] {
    let signature = signature(secrets, id, unix_seconds, body);
    [
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", unix_seconds.to_string()),
        ("webhook-signature", signature),
    ]
}

impl FromStr for SigningSecret {
    type Err = BadSecret;

    fn from_str(text: &str) -> Result<Self, BadSecret> {
        let bytes = text.strip_prefix(PREFIX).and_then(|rest| STANDARD.decode(rest).ok());
        bytes.ok_or(BadSecret).and_then(Self::from_bytes)
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const W1: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const W2: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";

    fn secret(text: &str) -> SigningSecret {
        text.parse().unwrap()
    }

    #[test]
    fn signatures_agree_with_the_published_vectors() {
        // from the reference libraries of Standard Webhooks (JS, Go, Python, Rust), and three derived from them
        let vectors: [(&str, &str, i64, &str, &str); 5] = [
            (
                W1,
                ID,
                1_614_265_330,
                r#"{"test": 2432232314}"#,
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
            (
                W2,
                "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
                1_649_367_553,
                r#"{"email":"test@example.com","username":"test_user"}"#,
                "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
            ),
            (
                W2,
                ID,
                1_614_265_330,
                r#"{"test": 2432232314}"#,
                "v1,78nXHjpFP0tVJQW5D0SBwmVyyW87BV/rL6MgfM/Bw44=",
            ),
            (W1, ID, 1_614_265_330, "", "v1,v48jdbgvh29KJz2Qc+ghw8G6vG3nAKnujWBg8oM/62A="),
            (
                W1,
                ID,
                1_614_265_330,
                r#"{"name":"Zoë 📞"}"#,
                "v1,PojjuE7uSIO2w91rHkWem+9NSizRwbHGSgSf8szbK7c=",
            ),
        ];
        for (key, id, time, body, expected) in vectors {
            assert_eq!(secret(key).sign(id, time, body.as_bytes()), expected);
        }
    }

    #[test]
    fn while_a_secret_is_rotated_both_sign() {
        let both = signature([&secret(W1), &secret(W2)], ID, 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(
            both,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1,78nXHjpFP0tVJQW5D0SBwmVyyW87BV/rL6MgfM/Bw44="
        );
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        // the list of Svix's server
        for bad in [
            "w",
            "",
            "whsec_",
            "whsec_%",
            "whsec_wronglength",
            "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
            "hwsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_V09IYXZUaFJoSnFobnpJQkpPMXdpdGFNWnJsRzAxdXZCeTVndVpwRmxSSXFsc0oyYzBTRWRUekJhYnlaZ0JSRGNPQ3BGZG1xYjFVVmRGQ3UK",
        ] {
            assert_eq!(bad.parse::<SigningSecret>(), Err(BadSecret), "{bad}");
        }
        let longest =
            "whsec_TUdfVE5UMnZlci1TeWxOYXQtX1ZlTW1kLTRtMFdhYmEwanIxdHJvenRCbmlTQ2hFdzBnbHhFbWdFaTJLdzQwSA==";
        assert_eq!(secret(longest).reveal(), longest);
        assert_eq!(format!("{:?}", secret(W1)), "<secret>");
    }

    proptest! {
        #[test]
        fn a_secret_survives_its_text(bytes in proptest::collection::vec(any::<u8>(), 24..=64)) {
            let secret = SigningSecret::from_bytes(bytes).unwrap();
            prop_assert_eq!(secret.reveal().parse(), Ok(secret));
        }
    }
}
