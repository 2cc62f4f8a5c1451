//! Access tokens: JWTs signed with Ed25519 (RFC 8037), valid for 15 minutes.
//!
//! The signing keys are derived from one secret that all nodes share through the vault, one key per day. So they
//! rotate by themselves, nothing is stored, and every node knows every key that can still be in use.

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
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Sha256;
use utoipa::ToSchema;

use super::directory::Bearer;

/// How long a token is valid.
pub const LIFETIME: Duration = Duration::from_secs(15 * 60);
/// Largest assumed difference between the clocks of two nodes, in seconds.
pub(super) const SKEW_SECONDS: i64 = 60;
/// How long a key signs new tokens, in seconds: one day.
const PERIOD_SECONDS: i64 = 24 * 3600;
const ISSUER: &str = "voxledger";

/// Issues and verifies access tokens. `Debug` hides the secret.
pub struct Tokens {
    secret: [u8; 32],
    clock: Arc<dyn Clock>,
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenProblem {
    #[error("{0}")]
    Invalid(Fault),
    #[error("the access token has expired")]
    Expired,
    /// The identity provider signed it, but it names no client or role of this node.
    #[error("the token names no client and role of this node's")]
    UnknownTenant,
    /// The identity provider's keys have not been fetched yet.
    #[error("the identity provider's keys are not known yet")]
    NoKeys,
}

/// What is wrong with a token: for the log only, never for the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is not three parts of base64url with JSON in them.
    #[error("it is no JWT")]
    Form,
    /// Its header has `crit` (RFC 7515 §4.1.11).
    #[error("its header demands extensions (`crit`), and none is known here")]
    Critical,
    /// Its `kid` is missing or unknown.
    #[error("its `kid` is missing or no known key's")]
    UnknownKey,
    /// Its `alg` is not one that its key signs with.
    #[error("its `alg` is none that its key signs with")]
    Algorithm,
    #[error("its signature is wrong")]
    Signature,
    #[error("its `iss` is another")]
    Issuer,
    #[error("its `aud` is another")]
    Audience,
    #[error("a claim is missing or has the wrong form")]
    UniqueNames,
    /// Its `iat` or `nbf` is in the future.
    #[error("its time has not come")]
    Early,
    /// Its lifetime exceeds [`LIFETIME`].
    #[error("it lives too long")]
    Life,
}

impl From<jsonwebtoken::errors::Error> for Fault {
    fn from(error: jsonwebtoken::errors::Error) -> Self {
        match error.kind() {
            ErrorKind::InvalidSignature => Self::Signature,
            ErrorKind::InvalidIssuer => Self::Issuer,
            ErrorKind::InvalidAudience => Self::Audience,
            ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => Self::Algorithm,
            ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidSubject => Self::UniqueNames,
            _ => Self::Form,
        }
    }
}

impl From<Fault> for TokenProblem {
    fn from(fault: Fault) -> Self {
        Self::Invalid(fault)
    }
}

/// Reads a token's header. Refuses every `crit` extension, because this node supports none.
pub(super) fn header_of(token: &str) -> Result<Header, Fault> {
    let json =
        token.split('.').next().and_then(|part| URL_SAFE_NO_PAD.decode(part).ok()).ok_or(Fault::Form)?;
    let header: serde_json::Map<String, Value> = serde_json::from_slice(&json).map_err(|_| Fault::Form)?;
    if header.contains_key("crit") {
        return Err(Fault::Critical);
    }
    // the library refuses a header with an unknown algorithm, such as `none`
    decode_header(token).map_err(|_| Fault::Algorithm)
}

/// The public keys that check this node's access tokens (RFC 7517, RFC 8037).
#[derive(Debug, Serialize, ToSchema)]
pub struct Jwks {
    /// Keys of the day before, the current day and the next one (UTC).
    keys: Vec<PublicKey>,
}

/// A public key in JWK form.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JsonWebKey)]
struct PublicKey {
    /// Key type, which is always `OKP`.
    #[schema(example = "OKP")]
    kty: &'static str,
    /// Curve, which is always `Ed25519`.
    #[schema(example = "Ed25519")]
    crv: &'static str,
    /// Algorithm, which is always `EdDSA`.
    #[schema(example = "EdDSA")]
    alg: &'static str,
    /// Use of the key, which is always `sig`.
    #[serde(rename = "use")]
    #[schema(example = "sig")]
    purpose: &'static str,
    /// Key id, as in the header of tokens that it signed.
    #[schema(example = "d20454")]
    kid: String,
    /// The public key in base64url.
    x: String,
}

#[derive(Serialize, Deserialize)]
struct UniqueNames {
    iss: String,
    sub: String,
    cid: String,
    role: String,
    sid: String,
    iat: i64,
    exp: i64,
    /// `iat` in microseconds, because a second is too coarse to compare with a sign-out.
    at: i64,
}

impl Tokens {
    /// `secret` is the vault's, shared by all nodes; the signing keys derive from it.
    #[must_use]
    pub fn new(secret: [u8; 32], clock: Arc<dyn Clock>) -> Self {
        Self { secret, clock }
    }

    /// Issues a token to a user who has just signed in. Fails when it cannot be signed.
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
        let claims = UniqueNames {
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

    /// Verifies a token. Its claims about client and role are only for the bearer: the directory decides.
    pub fn read(&self, token: &str) -> Result<Bearer, TokenProblem> {
        let now = self.clock.now();
        let header = header_of(token)?;
        let period = header.kid.as_deref().and_then(period_of).ok_or(Fault::UnknownKey)?;
        if !periods(now).contains(&period) {
            return Err(Fault::UnknownKey.into());
        }
        if header.alg != Algorithm::EdDSA {
            return Err(Fault::Algorithm.into());
        }
        let key = DecodingKey::from_ed_components(&self.public(period)).map_err(Fault::from)?;
        // accepts only EdDSA: refuses `none`, and an HMAC made with the public key
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["iss", "sub", "exp"]);
        // times are checked below, by the node's clock
        validation.validate_exp = false;
        let claims = decode::<UniqueNames>(token, &key, &validation).map_err(Fault::from)?.claims;
        check_times(&claims, now)?;
        let times = (Time::from_timestamp_micros(claims.at), Time::from_timestamp(claims.exp, 0));
        match (claims.sub.parse(), claims.sid.parse(), times) {
            (Ok(user), Ok(login), (Some(issued_at), Some(expires_at))) => {
                Ok(Bearer { user, login, issued_at, expires_at })
            }
            _ => Err(Fault::UniqueNames.into()),
        }
    }

    /// Public keys that verify current tokens. All nodes publish the same keys.
    #[must_use]
    pub fn jwks(&self) -> Jwks {
        let key = |period| PublicKey {
            kty: "OKP",
            crv: "Ed25519",
            alg: "EdDSA",
            purpose: "sig",
            kid: key_id(period),
            x: self.public(period),
        };
        Jwks { keys: periods(self.clock.now()).map(key).collect() }
    }

    fn public(&self, period: i64) -> String {
        URL_SAFE_NO_PAD.encode(SigningKey::from_bytes(&self.seed(period)).verifying_key().as_bytes())
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

fn check_times(claims: &UniqueNames, now: Time) -> Result<(), TokenProblem> {
    let now = now.timestamp();
    if claims.iat > now + SKEW_SECONDS {
        return Err(Fault::Early.into());
    }
    if claims.exp > claims.iat + LIFETIME.as_secs() as i64 {
        return Err(Fault::Life.into());
    }
    if claims.exp <= now { Err(TokenProblem::Expired) } else { Ok(()) }
}

/// Days whose keys may be in use: the clocks of nodes differ, and a token outlives midnight.
fn periods(now: Time) -> std::ops::RangeInclusive<i64> {
    let current = now.timestamp().div_euclid(PERIOD_SECONDS);
    current - 1..=current + 1
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
    use conformance::fakes::clock::ManualClock;
    use serde_json::json;
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
        let bearer = Bearer { user: ANN, login: LOGIN, issued_at: start(), expires_at: start() + LIFETIME };
        assert_eq!(other.read(&token), Ok(bearer));
        clock.advance(LIFETIME - Duration::from_secs(1));
        assert_eq!(other.read(&token), Ok(bearer));
        clock.advance(Duration::from_secs(1));
        assert_eq!(other.read(&token), Err(TokenProblem::Expired));
        assert_eq!(tokens(2, &clock).read(&token), Err(Fault::Signature.into()));
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
        let kid = header["kid"].clone();
        let critical = json!({"alg": "EdDSA", "kid": kid, "crit": ["b64"], "b64": false});
        let of_day =
            |day: i64| json!({"alg": "EdDSA", "kid": key_id(start().timestamp() / PERIOD_SECONDS + day)});
        let under = |header: Value| format!("{}.{}.{signature}", b64(&header), b64(&claims));
        for (forged, fault) in [
            (none, Fault::Algorithm),
            (hmac, Fault::Algorithm),
            (changed("sub", json!(UserId(Uuid::from_u128(9)).to_string())), Fault::Signature),
            (changed("exp", json!(start().timestamp() + 9_000)), Fault::Signature),
            (under(critical), Fault::Critical),
            (under(of_day(2)), Fault::UnknownKey),
            (under(of_day(1)), Fault::Signature),
            (under(json!({"alg": "EdDSA"})), Fault::UnknownKey),
            ("a.b.c".to_owned(), Fault::Form),
            (String::new(), Fault::Form),
        ] {
            assert_eq!(tokens.read(&forged), Err(TokenProblem::Invalid(fault)), "{forged}");
        }
        for cut in [good[..good.len() - 2].to_owned(), format!("{good}A")] {
            assert!(matches!(tokens.read(&cut), Err(TokenProblem::Invalid(_))), "{cut}");
        }
    }

    #[test]
    fn whoever_fetches_the_keys_checks_a_token_with_them_also_after_midnight() {
        let clock = Arc::new(ManualClock::at(start() + Duration::from_secs(86_390)));
        let tokens = tokens(1, &clock);
        let evening = issue(&tokens);
        clock.advance(Duration::from_secs(20));
        let jwks: jsonwebtoken::jwk::JwkSet = serde_json::from_value(json!(tokens.jwks())).unwrap();
        for token in [evening, issue(&tokens)] {
            let kid = decode_header(&token).unwrap().kid.unwrap();
            let key = DecodingKey::from_jwk(jwks.find(&kid).unwrap()).unwrap();
            let mut validation = Validation::new(Algorithm::EdDSA);
            validation.validate_exp = false;
            assert_eq!(decode::<Value>(&token, &key, &validation).unwrap().claims["sub"], ANN.to_string());
        }
        assert!(!json!(tokens.jwks()).to_string().contains("\"d\""), "no private key");
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
