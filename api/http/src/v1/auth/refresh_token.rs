//! Refresh tokens: `vxr_`, the login in base32, `_`, 256 random bits in base64url.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::ids::{LoginId, decode_type_id, encode_type_id};
use serde_bytes::ByteBuf;
use sha2::{Digest as _, Sha256};

/// Prefix that lets people and leak scanners recognise a refresh token.
const PREFIX: &str = "vxr";
/// Length of the login's base32 text, in characters.
const LOGIN: usize = 26;
const LENGTH: usize = PREFIX.len() + 1 + LOGIN + 1 + 43;

/// Writes the refresh token of a login.
pub(super) fn write(login: LoginId, random: [u8; 32]) -> String {
    format!("{}_{}", encode_type_id(PREFIX, login.0), URL_SAFE_NO_PAD.encode(random))
}

/// Login that a token names; `None` when the text is not a refresh token.
pub(super) fn login_of(token: &str) -> Option<LoginId> {
    let (login, _) = token.split_at_checked(PREFIX.len() + 1 + LOGIN)?;
    (token.len() == LENGTH).then(|| decode_type_id(PREFIX, login).ok().map(LoginId)).flatten()
}

/// SHA-256 of a token: the log stores this, never the token.
pub(super) fn hash(token: &str) -> ByteBuf {
    ByteBuf::from(Sha256::digest(token.as_bytes()).to_vec())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_token_names_its_login_and_nothing_else_does() {
        let login = LoginId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));
        let token = write(login, [7; 32]);
        assert_eq!(login_of(&token), Some(login));
        assert_ne!(hash(&token), hash(&write(login, [8; 32])));
        for bad in
            ["", "vxr_", &token[..token.len() - 1], &format!("{token}A"), &token.replace("vxr_", "vxs_")]
        {
            assert_eq!(login_of(bad), None, "{bad}");
        }
    }
}
