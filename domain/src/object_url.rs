//! The node's own signed URLs of objects: a token that says what may be done, until when, and who signed it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::envelope::Time;
use crate::ids::{CallId, ClientId, UploadId};
use crate::ports::objects::ObjectKey;

/// Longest token that is read; real ones have about 300 characters.
const LONGEST: usize = 1_024;
/// Bytes of the signature.
const MAC: usize = 32;

/// What the holder of a token may do. It holds ids only, nothing personal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Grant {
    /// Fetch a file of a call.
    #[serde(rename = "d")]
    Download {
        #[serde(rename = "c")]
        client: ClientId,
        /// The call, which knows the key that the object is encrypted under.
        #[serde(rename = "o")]
        call: CallId,
        #[serde(rename = "k")]
        object: String,
        #[serde(rename = "t")]
        content_type: String,
    },
    /// Put the file of an upload, once. The upload knows its size and type.
    #[serde(rename = "u")]
    Upload {
        #[serde(rename = "c")]
        client: ClientId,
        #[serde(rename = "u")]
        upload: UploadId,
    },
}

impl Grant {
    /// Key of the object of a download; `None` for an upload, or when it is not one of its client.
    #[must_use]
    pub fn object(&self) -> Option<ObjectKey> {
        match self {
            Self::Download { client, object, .. } => {
                object.parse().ok().filter(|key: &ObjectKey| key.is_of(*client))
            }
            Self::Upload { .. } => None,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Claims {
    #[serde(rename = "g")]
    grant: Grant,
    /// Unix time in seconds; from then on the token is worthless.
    #[serde(rename = "e")]
    expires: i64,
}

/// Why a token gives no right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// It was changed, cut, made up, or signed by somebody else.
    #[error("the token is not one of this node's")]
    Forged,
    #[error("the token has expired")]
    Expired,
}

/// Signs tokens, and checks them. `Debug` hides the key.
#[derive(Clone)]
pub struct TokenSigner {
    key: [u8; 32],
}

impl std::fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenSigner(…)")
    }
}

impl TokenSigner {
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// A token for the path of a URL, worthless from `expires_at` on, in whole seconds.
    #[must_use]
    pub fn sign(&self, grant: Grant, expires_at: Time) -> String {
        let claims = Claims { grant, expires: expires_at.timestamp() };
        // plain structs of texts and numbers always have a form
        let mut bytes = rmp_serde::to_vec(&claims).unwrap_or_default();
        if let Some(mac) = self.mac(&bytes) {
            bytes.extend(mac.finalize().into_bytes());
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What the token grants at `now`. The signature is compared in constant time, and before anything is read.
    pub fn verify(&self, token: &str, now: Time) -> Result<Grant, BadToken> {
        if token.len() > LONGEST {
            return Err(BadToken::Forged);
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| BadToken::Forged)?;
        let claims = bytes.len().checked_sub(MAC).map(|at| bytes.split_at(at));
        let (claims, signature) = claims.ok_or(BadToken::Forged)?;
        let mac = self.mac(claims).ok_or(BadToken::Forged)?;
        mac.verify_slice(signature).map_err(|_| BadToken::Forged)?;
        let claims: Claims = rmp_serde::from_slice(claims).map_err(|_| BadToken::Forged)?;
        if now.timestamp() >= claims.expires { Err(BadToken::Expired) } else { Ok(claims.grant) }
    }

    fn mac(&self, claims: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        mac.update(b"voxledger object url\0");
        mac.update(claims);
        Some(mac)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::testing::calls::{CALL, CLIENT, at};

    fn grant() -> Grant {
        let object = ObjectKey::of_recording(CLIENT, CALL.0, Uuid::from_u128(5), "mp3");
        Grant::Download {
            client: CLIENT,
            call: CALL,
            object: object.to_string(),
            content_type: "audio/mpeg".to_owned(),
        }
    }

    #[test]
    fn a_token_is_good_until_its_second_and_not_at_another_node() {
        let signer = TokenSigner::new([1; 32]);
        let token = signer.sign(grant(), at(60));
        assert_eq!(signer.verify(&token, at(59)), Ok(grant()));
        assert_eq!(signer.verify(&token, at(60)), Err(BadToken::Expired));
        assert_eq!(TokenSigner::new([2; 32]).verify(&token, at(0)), Err(BadToken::Forged));
        let upload = Grant::Upload { client: CLIENT, upload: UploadId(Uuid::from_u128(3)) };
        assert_eq!(signer.verify(&signer.sign(upload.clone(), at(60)), at(0)), Ok(upload));
        assert!(!format!("{signer:?}").contains('1') && token.len() < 400, "{}", token.len());
    }

    #[test]
    fn a_token_with_any_character_changed_or_missing_is_forged() {
        let signer = TokenSigner::new([1; 32]);
        let token = signer.sign(grant(), at(60));
        for at_char in 0..token.len() {
            let mut other = token.clone().into_bytes();
            other[at_char] = if other[at_char] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).unwrap();
            assert_eq!(signer.verify(&other, at(0)), Err(BadToken::Forged), "{at_char}");
            assert_eq!(signer.verify(&token[..at_char], at(0)), Err(BadToken::Forged), "{at_char}");
        }
        for nonsense in ["", "A", "%", &"A".repeat(2_000)] {
            assert_eq!(signer.verify(nonsense, at(0)), Err(BadToken::Forged));
        }
    }

    #[test]
    fn a_download_names_an_object_of_its_own_client() {
        assert!(grant().object().is_some());
        let Grant::Download { call, object, content_type, .. } = grant() else { panic!() };
        let client = ClientId(Uuid::from_u128(9));
        assert_eq!(Grant::Download { client, call, object, content_type }.object(), None);
    }
}
