//! Access tokens: JWTs signed with Ed25519 (RFC 8037), good for 15 minutes.
//!
//! The signing keys are derived from one secret that all nodes share through the vault, a key a day. So they
//! rotate by themselves, nothing is stored, and every node knows every key that can still matter.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::envelope::Time;
use domain::ids::{ClientId, LoginId, UserId};
use domain::ports::clock::Clock;
use domain::user::Role;
use ed25519_dalek::SigningKey;
use hmac::{Hmac, Mac as _};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::directory::Bearer;

/// How long a token is good for.
pub const LIFETIME: Duration = Duration::from_secs(15 * 60);
/// How far the clocks of two nodes may be apart.
pub(super) const SKEW_SECONDS: i64 = 60;
/// How long a signing key signs.
const PERIOD_SECONDS: i64 = 24 * 3600;
const ISSUER: &str = "voxledger";

/// Gives access tokens out and reads them. `Debug` hides the secret.
pub struct Tokens {
    secret: [u8; 32],
    clock: Arc<dyn Clock>,
}

/// Why a token opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenProblem {
    /// It is none of ours: wrong form, algorithm, key or signature.
    #[error("the access token is not one of this node's")]
    Invalid,
    /// It was good once.
    #[error("the access token has expired")]
    Expired,
    /// It is the identity provider's, and names no client and role of this node's.
    #[error("the token names no client and role of this node's")]
    NobodyHere,
    /// It is the identity provider's, whose keys could not be fetched yet.
    #[error("the identity provider's keys are not known yet")]
    NoKeys,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    cid: String,
    role: String,
    sid: String,
    iat: i64,
    exp: i64,
    /// `iat` in microseconds: two things may happen in a second.
    at: i64,
}

impl Tokens {
    /// Tokens under a secret of the vault's.
    #[must_use]
    pub fn new(secret: [u8; 32], clock: Arc<dyn Clock>) -> Self {
        Self { secret, clock }
    }

    /// A token for a user who has just shown who they are.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn issue(
        &self,
        user: UserId,
        client: ClientId,
        role: Role,
        login: LoginId,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let at = self.clock.now();
        let now = at.timestamp();
        let period = now.div_euclid(PERIOD_SECONDS);
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(key_id(period));
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: user.to_string(),
            cid: client.to_string(),
            role: role.as_str().to_owned(),
            sid: login.to_string(),
            iat: now,
            exp: now + LIFETIME.as_secs() as i64,
            at: at.timestamp_micros(),
        };
        encode(&header, &claims, &EncodingKey::from_ed_der(&pkcs8(&self.seed(period))))
    }

    /// Reads a token. What it says of client and role is for the bearer's own information: the directory knows
    /// better.
    ///
    /// # Errors
    /// See [`TokenProblem`].
    pub fn read(&self, token: &str) -> Result<Bearer, TokenProblem> {
        let now = self.clock.now();
        let header = decode_header(token).map_err(|_| TokenProblem::Invalid)?;
        let period = header.kid.as_deref().and_then(period_of).ok_or(TokenProblem::Invalid)?;
        let current = now.timestamp().div_euclid(PERIOD_SECONDS);
        if !(current - 1..=current + 1).contains(&period) {
            return Err(TokenProblem::Invalid);
        }
        let public = SigningKey::from_bytes(&self.seed(period)).verifying_key();
        let key = DecodingKey::from_ed_components(&URL_SAFE_NO_PAD.encode(public.as_bytes()))
            .map_err(|_| TokenProblem::Invalid)?;
        // nothing but EdDSA: neither `none` nor an HMAC with the public key as its secret
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["iss", "sub", "exp"]);
        // times are checked below, by the node's clock
        validation.validate_exp = false;
        let claims = decode::<Claims>(token, &key, &validation).map_err(|_| TokenProblem::Invalid)?.claims;
        check_times(&claims, now)?;
        match (claims.sub.parse(), claims.sid.parse(), Time::from_timestamp_micros(claims.at)) {
            (Ok(user), Ok(login), Some(issued_at)) => Ok(Bearer { user, login, issued_at }),
            _ => Err(TokenProblem::Invalid),
        }
    }

    fn seed(&self, period: i64) -> [u8; 32] {
        // a key of any length will do for HMAC (RFC 2104 §3)
        let mac = Hmac::<Sha256>::new_from_slice(&self.secret).map(|mac| {
            mac.chain_update("access tokens of day ")
                .chain_update(period.to_be_bytes())
                .finalize()
                .into_bytes()
        });
        mac.map_or(self.secret, Into::into)
    }
}

fn check_times(claims: &Claims, now: Time) -> Result<(), TokenProblem> {
    let now = now.timestamp();
    if claims.iat > now + SKEW_SECONDS || claims.exp > claims.iat + LIFETIME.as_secs() as i64 {
        return Err(TokenProblem::Invalid);
    }
    if claims.exp <= now { Err(TokenProblem::Expired) } else { Ok(()) }
}

fn key_id(period: i64) -> String {
    format!("d{period}")
}

fn period_of(key_id: &str) -> Option<i64> {
    key_id.strip_prefix('d')?.parse().ok()
}

/// An Ed25519 private key in PKCS #8 (RFC 8410 §7).
pub(super) fn pkcs8(seed: &[u8; 32]) -> Vec<u8> {
    const HEAD: [u8; 16] =
        [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    [&HEAD[..], seed].concat()
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(…)")
    }
}

#[cfg(test)]
mod tests {
    use domain::testing::clock::ManualClock;
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;

    const ANN: UserId = UserId(Uuid::from_u128(1));
    const ACME: ClientId = ClientId(Uuid::from_u128(2));
    const LOGIN: LoginId = LoginId(Uuid::from_u128(3));

    fn start() -> Time {
        Time::from_timestamp(1_767_225_600, 0).unwrap()
    }

    fn tokens(secret: u8, clock: &Arc<ManualClock>) -> Tokens {
        Tokens::new([secret; 32], clock.clone())
    }

    fn issue(tokens: &Tokens) -> String {
        tokens.issue(ANN, ACME, Role::Viewer, LOGIN).unwrap()
    }

    fn part(token: &str, at: usize) -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(at).unwrap()).unwrap()).unwrap()
    }

    fn b64(value: &Value) -> String {
        URL_SAFE_NO_PAD.encode(value.to_string())
    }

    #[test]
    fn a_token_is_good_for_fifteen_minutes_on_every_node_with_the_secret() {
        let clock = Arc::new(ManualClock::at(start()));
        let token = issue(&tokens(1, &clock));
        let other = tokens(1, &clock);
        let bearer = Bearer { user: ANN, login: LOGIN, issued_at: start() };
        assert_eq!(other.read(&token), Ok(bearer));
        clock.advance(LIFETIME - Duration::from_secs(1));
        assert_eq!(other.read(&token), Ok(bearer));
        clock.advance(Duration::from_secs(1));
        assert_eq!(other.read(&token), Err(TokenProblem::Expired));
        assert_eq!(tokens(2, &clock).read(&token), Err(TokenProblem::Invalid));
    }

    #[test]
    fn the_signing_key_changes_every_day_and_the_last_tokens_of_a_day_outlive_it() {
        let clock = Arc::new(ManualClock::at(start() + Duration::from_secs(86_390)));
        let tokens = tokens(1, &clock);
        let evening = issue(&tokens);
        clock.advance(Duration::from_secs(20));
        let morning = issue(&tokens);
        assert_ne!(part(&evening, 0)["kid"], part(&morning, 0)["kid"]);
        assert!(tokens.read(&evening).is_ok() && tokens.read(&morning).is_ok());
    }

    #[test]
    fn a_forged_token_opens_nothing() {
        let clock = Arc::new(ManualClock::at(start()));
        let tokens = tokens(1, &clock);
        let good = issue(&tokens);
        let (header, claims) = (part(&good, 0), part(&good, 1));
        let signature = good.rsplit('.').next().unwrap();
        let with = |claims: &Value| format!("{}.{}.{signature}", b64(&header), b64(claims));
        let changed = |key: &str, value: Value| {
            let mut claims = claims.clone();
            claims[key] = value;
            with(&claims)
        };
        let none = format!("{}.{}.", b64(&json!({"alg": "none", "kid": header["kid"]})), b64(&claims));
        let public =
            SigningKey::from_bytes(&tokens.seed(start().timestamp() / PERIOD_SECONDS)).verifying_key();
        let mut hs256 = Header::new(Algorithm::HS256);
        hs256.kid = header["kid"].as_str().map(str::to_owned);
        let hmac = encode(&hs256, &claims, &EncodingKey::from_secret(public.as_bytes())).unwrap();
        for forged in [
            none,
            hmac,
            changed("sub", json!(UserId(Uuid::from_u128(9)).to_string())),
            changed("exp", json!(start().timestamp() + 9_000)),
            good[..good.len() - 2].to_owned(),
            format!("{good}A"),
            "a.b.c".to_owned(),
            String::new(),
        ] {
            assert_eq!(tokens.read(&forged), Err(TokenProblem::Invalid), "{forged}");
        }
    }

    #[test]
    fn a_token_of_the_future_or_of_too_long_a_life_opens_nothing_though_well_signed() {
        let clock = Arc::new(ManualClock::at(start()));
        let tokens = tokens(1, &clock);
        let good = part(&issue(&tokens), 1);
        let sign = |claims: &Value| {
            let period = start().timestamp() / PERIOD_SECONDS;
            let mut header = Header::new(Algorithm::EdDSA);
            header.kid = Some(key_id(period));
            encode(&header, claims, &EncodingKey::from_ed_der(&pkcs8(&tokens.seed(period)))).unwrap()
        };
        assert!(tokens.read(&sign(&good)).is_ok());
        for (iat, exp) in [(120, 900), (0, 901), (0, -1)] {
            let mut claims = good.clone();
            claims["iat"] = json!(start().timestamp() + iat);
            claims["exp"] = json!(start().timestamp() + exp);
            assert!(tokens.read(&sign(&claims)).is_err(), "{iat} {exp}");
        }
    }
}
