//! Tokens of the operator's own identity provider: JWTs signed with a key of its JWKS (RFC 7515,
//! RFC 7517, RFC 7519).

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::envelope::Time;
use domain::ids::{ClientId, UserId, derive};
use domain::ports::clock::Clock;
use domain::user::Role;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode};
use parking_lot::RwLock;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{Notify, watch};

use super::tokens::{Fault, SKEW_SECONDS, TokenProblem, header_of};

/// Longest time that a request waits for the keys to be fetched.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the provider's tokens must say, and in which claims.
#[derive(Debug, Clone)]
pub struct GuestRules {
    /// Required `iss` of the tokens.
    pub issuer: String,
    /// Must be among the `aud` of the tokens.
    pub audience: String,
    /// JSON pointer to the claim that holds the client's id.
    pub client_claim: String,
    /// JSON pointer to the claim that holds the role or a list of roles.
    pub role_claim: String,
}

/// A person whose token the identity provider signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// Derived id: the same for the same `sub` of the same issuer and client.
    pub user: UserId,
    pub client: ClientId,
    pub role: Role,
    /// When the token expires.
    pub expires_at: Time,
    /// `kid` of the provider's key that signed the token.
    pub key: Arc<str>,
}

/// Verifies the provider's tokens. Another task fetches the keys: reading a token makes no request.
pub struct ExternalIdentities {
    rules: GuestRules,
    clock: Arc<dyn Clock>,
    keys: RwLock<Option<HashMap<Arc<str>, Arc<GuestKey>>>>,
    replaced: watch::Sender<()>,
    wanted: Notify,
    fetches: watch::Sender<Fetches>,
}

/// Number of fetches so far, and whether another one is not allowed yet.
#[derive(Debug, Clone, Copy, Default)]
struct Fetches {
    done: u64,
    resting: bool,
}

struct GuestKey {
    key: DecodingKey,
    algorithms: Vec<Algorithm>,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

impl ExternalIdentities {
    /// Without keys: every token is refused until [`Self::replace_keys`] succeeds.
    #[must_use]
    pub fn new(rules: GuestRules, clock: Arc<dyn Clock>) -> Self {
        Self {
            rules,
            clock,
            keys: RwLock::default(),
            replaced: watch::Sender::new(()),
            wanted: Notify::new(),
            fetches: watch::Sender::new(Fetches { done: 0, resting: true }),
        }
    }

    /// Replaces all known keys and returns their number. Skips encryption keys, keys without a `kid` and keys of
    /// unsupported kinds. Fails when the text is no JWKS or has no usable key; then the known keys stay.
    pub fn replace_keys(&self, jwks: &[u8]) -> Result<usize, NoKeys> {
        let set: KeySet = serde_json::from_slice(jwks).map_err(|_| NoKeys)?;
        let keys: HashMap<_, _> = set.keys.into_iter().filter_map(usable).collect();
        let count = keys.len();
        if count == 0 {
            return Err(NoKeys);
        }
        *self.keys.write() = Some(keys);
        self.replaced.send_replace(());
        Ok(count)
    }

    /// Subscribes to replacements of the provider's keys.
    #[must_use]
    pub fn replaced(&self) -> watch::Receiver<()> {
        self.replaced.subscribe()
    }

    /// Whether the key is among the provider's current keys.
    #[must_use]
    pub fn know(&self, kid: &str) -> bool {
        let keys = self.keys.read();
        keys.as_ref().is_some_and(|keys| keys.contains_key(kid))
    }

    /// Asks for a fetch because a token names an unknown key, and waits for it: any number of requests cause one
    /// fetch. Returns at once when the last fetch was too recent, and after [`PATIENCE`] at the latest.
    pub async fn look_again(&self) {
        let mut fetches = self.fetches.subscribe();
        let Fetches { done, resting } = *fetches.borrow_and_update();
        if !resting {
            self.wanted.notify_one();
            let fetched = fetches.wait_for(|now| now.done > done);
            // the next look-up shows whether the fetch brought the key
            let _ = tokio::time::timeout(PATIENCE, fetched).await;
        }
    }

    /// Resolves when a request asks for a fetch ([`Self::look_again`]).
    pub async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// Reports that a fetch succeeded or failed; `resting` forbids further fetches until [`Self::rested`].
    pub fn fetched(&self, resting: bool) {
        self.fetches.send_modify(|fetches| *fetches = Fetches { done: fetches.done + 1, resting });
    }

    /// Allows fetching the keys again.
    pub fn rested(&self) {
        self.fetches.send_modify(|fetches| fetches.resting = false);
    }

    /// Whether the token's `iss` is this provider's. The token is not verified yet.
    #[must_use]
    pub fn may_be_theirs(&self, token: &str) -> bool {
        let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let claims = claims.and_then(|json| serde_json::from_slice::<Value>(&json).ok());
        claims.is_some_and(|claims| claims["iss"] == *self.rules.issuer)
    }

    /// Verifies a token and reads its claims.
    pub fn read(&self, token: &str) -> Result<Guest, TokenProblem> {
        let header = header_of(token)?;
        let (kid, key) = self.key(&header)?;
        // the key decides the algorithm, not the token: this refuses `none`, and an HMAC made with the public key
        if !key.algorithms.contains(&header.alg) {
            return Err(Fault::Algorithm.into());
        }
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[&self.rules.issuer]);
        validation.set_audience(&[&self.rules.audience]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        // times are checked below, by the node's clock
        validation.validate_exp = false;
        let claims = decode::<Value>(token, &key.key, &validation).map_err(Fault::from)?.claims;
        let expires_at = check_times(&claims, self.clock.now())?;
        let text = |pointer: &str| claims.pointer(pointer).and_then(Value::as_str);
        let subject = text("/sub").filter(|sub| !sub.is_empty()).ok_or(Fault::UniqueNames)?;
        let client = text(&self.rules.client_claim).and_then(|client| client.parse::<ClientId>().ok());
        let client = client.ok_or(TokenProblem::UnknownTenant)?;
        let role =
            claims.pointer(&self.rules.role_claim).and_then(role_of).ok_or(TokenProblem::UnknownTenant)?;
        let user = UserId(derive(client.0, &format!("{}\n{subject}", self.rules.issuer)));
        Ok(Guest { user, client, role, expires_at, key: kid })
    }

    fn key(&self, header: &Header) -> Result<(Arc<str>, Arc<GuestKey>), TokenProblem> {
        let keys = self.keys.read();
        let Some(known) = &*keys else { return Err(TokenProblem::NoKeys) };
        let found = header.kid.as_ref().and_then(|kid| known.get_key_value(kid.as_str()));
        found.map(|(kid, key)| (kid.clone(), key.clone())).ok_or(Fault::UnknownKey.into())
    }
}

/// The fetched text has no usable key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer is no JWKS with a signing key that has a kid (RSA, P-256, P-384 or Ed25519)")]
pub struct NoKeys;

fn usable(json: Value) -> Option<(Arc<str>, Arc<GuestKey>)> {
    let jwk: Jwk = serde_json::from_value(json).ok()?;
    if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    let kind: &[Algorithm] = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => &[
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ],
        AlgorithmParameters::EllipticCurve(_) => &[Algorithm::ES256, Algorithm::ES384],
        AlgorithmParameters::OctetKeyPair(_) => &[Algorithm::EdDSA],
        // a symmetric key that is published is no secret
        AlgorithmParameters::OctetKey(_) => return None,
    };
    let says = |algorithm: &Algorithm| {
        jwk.common.key_algorithm.is_none_or(|said| said.to_string() == format!("{algorithm:?}"))
    };
    let algorithms: Vec<_> = kind.iter().copied().filter(says).collect();
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    let kid = jwk.common.key_id.filter(|_| !algorithms.is_empty())?;
    Some((kid.into(), Arc::new(GuestKey { key, algorithms })))
}

fn role_of(claim: &Value) -> Option<Role> {
    match claim {
        Value::String(role) => Role::from_name(role),
        Value::Array(roles) => roles.iter().filter_map(Value::as_str).find_map(Role::from_name),
        _ => None,
    }
}

/// Checks `exp`, `nbf` and `iat`, which may have a fraction (RFC 7519 §2), and returns when the token expires.
fn check_times(claims: &Value, now: Time) -> Result<Time, TokenProblem> {
    let now = now.timestamp_millis() as f64 / 1_000.0;
    let time = |claim: &str| claims[claim].as_f64();
    let until = time("exp").ok_or(Fault::UniqueNames)?;
    let from = time("nbf").into_iter().chain(time("iat")).fold(f64::MIN, f64::max);
    if from > now + SKEW_SECONDS as f64 {
        return Err(Fault::Early.into());
    }
    if until <= now {
        return Err(TokenProblem::Expired);
    }
    // an expiry beyond the calendar means the last representable time
    Ok(Time::from_timestamp_millis((until * 1_000.0) as i64).unwrap_or(Time::MAX_UTC))
}

impl fmt::Debug for ExternalIdentities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalIdentities").field("rules", &self.rules).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use conformance::fakes::clock::ManualClock;
    use ed25519_dalek::SigningKey;
    use jsonwebtoken::{EncodingKey, encode};
    use serde_json::json;
    use uuid::Uuid;

    use super::super::tokens::pkcs8;
    use super::*;

    const ISSUER: &str = "https://login.example.com/";
    const ACME: ClientId = ClientId(Uuid::from_u128(7));

    fn start() -> Time {
        Time::from_timestamp(1_767_225_600, 0).unwrap()
    }

    fn public(seed: u8) -> [u8; 32] {
        SigningKey::from_bytes(&[seed; 32]).verifying_key().to_bytes()
    }

    fn jwk(kid: &str, seed: u8) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "use": "sig", "alg": "EdDSA",
            "x": URL_SAFE_NO_PAD.encode(public(seed))})
    }

    fn guests(keys: &[Value]) -> ExternalIdentities {
        let rules = GuestRules {
            issuer: ISSUER.to_owned(),
            audience: "voxledger".to_owned(),
            client_claim: "/app_metadata/client".to_owned(),
            role_claim: "/roles".to_owned(),
        };
        let guests = ExternalIdentities::new(rules, Arc::new(ManualClock::at(start())));
        if !keys.is_empty() {
            guests.replace_keys(json!({"keys": keys}).to_string().as_bytes()).unwrap();
        }
        guests
    }

    fn claims() -> Value {
        let now = start().timestamp();
        json!({"iss": ISSUER, "aud": ["voxledger", "other"], "sub": "auth0|7", "iat": now, "exp": now + 3600,
            "app_metadata": {"client": ACME.to_string()}, "roles": ["offline_access", "developer", "owner"]})
    }

    fn with(field: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[field] = value;
        claims
    }

    fn signed(kid: &str, seed: u8, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(kid.to_owned());
        encode(&header, claims, &EncodingKey::from_ed_der(&pkcs8(&[seed; 32]))).unwrap()
    }

    #[test]
    fn a_token_names_its_bearer_client_and_first_known_role() {
        let guests = guests(&[jwk("a", 1), jwk("b", 2)]);
        let guest = guests.read(&signed("a", 1, &claims())).unwrap();
        assert_eq!((guest.client, guest.role), (ACME, Role::Developer));
        let again = guests.read(&signed("b", 2, &with("roles", json!("viewer")))).unwrap();
        assert_eq!(
            (again.user, again.role),
            (guest.user, Role::Viewer),
            "the same person, under another key"
        );
        let another = guests.read(&signed("a", 1, &with("sub", json!("auth0|8")))).unwrap();
        assert_ne!(another.user, guest.user);
    }

    #[test]
    fn what_the_provider_did_not_sign_for_us_opens_nothing() {
        let guests = guests(&[jwk("a", 1)]);
        let good = claims();
        let none = {
            let b64 = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
            format!("{}.{}.", b64(json!({"alg": "none", "kid": "a"})), b64(good.clone()))
        };
        let mut hs256 = Header::new(Algorithm::HS256);
        hs256.kid = Some("a".to_owned());
        let hmac = encode(&hs256, &good, &EncodingKey::from_secret(&public(1))).unwrap();
        let critical = {
            let token = signed("a", 1, &good);
            let (_, rest) = token.split_once('.').unwrap();
            let header = json!({"alg": "EdDSA", "kid": "a", "crit": ["exp"], "exp": 0});
            format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
        };
        for (forged, fault) in [
            (none, Fault::Algorithm),
            (hmac, Fault::Algorithm),
            (critical, Fault::Critical),
            (signed("a", 2, &good), Fault::Signature),
            (signed("c", 1, &good), Fault::UnknownKey),
        ] {
            assert_eq!(guests.read(&forged), Err(TokenProblem::Invalid(fault)), "{forged}");
        }
        let now = start().timestamp();
        for (field, value, fault) in [
            ("iss", json!("https://login.example.org/"), Fault::Issuer),
            ("aud", json!("another application"), Fault::Audience),
            ("sub", json!(""), Fault::UniqueNames),
            ("nbf", json!(now + 61), Fault::Early),
            ("iat", json!(now + 61), Fault::Early),
        ] {
            let token = signed("a", 1, &with(field, value.clone()));
            assert_eq!(guests.read(&token), Err(TokenProblem::Invalid(fault)), "{field} {value}");
        }
        for field in ["aud", "exp"] {
            let read = guests.read(&signed("a", 1, &with(field, Value::Null)));
            assert!(matches!(read, Err(TokenProblem::Invalid(_))), "{field}: {read:?}");
        }
        let expired = signed("a", 1, &with("exp", json!(now)));
        assert_eq!(guests.read(&expired), Err(TokenProblem::Expired));
    }

    #[test]
    fn whoever_names_no_client_or_no_role_is_nobody_here() {
        let guests = guests(&[jwk("a", 1)]);
        for (field, value) in [
            ("app_metadata", json!({})),
            ("app_metadata", json!({"client": "acme"})),
            ("roles", json!(["root"])),
            ("roles", json!(7)),
        ] {
            let token = signed("a", 1, &with(field, value.clone()));
            assert_eq!(guests.read(&token), Err(TokenProblem::UnknownTenant), "{field} {value}");
        }
    }

    #[test]
    fn keys_are_replaced_as_a_whole_and_useless_ones_change_nothing() {
        let guests = guests(&[]);
        let token = signed("a", 1, &claims());
        assert_eq!(guests.read(&token), Err(TokenProblem::NoKeys));
        let of_use = json!({"keys": [jwk("a", 1), {"kty": "EC", "crv": "secp256k1", "kid": "z"}, 7]});
        assert_eq!(guests.replace_keys(of_use.to_string().as_bytes()), Ok(1));
        assert!(guests.read(&token).is_ok());
        let encryption = json!({"kty": "OKP", "crv": "Ed25519", "kid": "a", "use": "enc", "x": "AA"});
        let secret = json!({"kty": "oct", "kid": "a", "k": "c2VjcmV0"});
        for useless in [json!({"keys": [encryption, secret]}), json!({"keys": []}), json!("keys")] {
            assert_eq!(guests.replace_keys(useless.to_string().as_bytes()), Err(NoKeys));
        }
        assert!(guests.read(&token).is_ok());
        guests.replace_keys(json!({"keys": [jwk("b", 1)]}).to_string().as_bytes()).unwrap();
        assert_eq!(guests.read(&token), Err(Fault::UnknownKey.into()), "a key that is gone signs no more");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_names_an_unknown_key_waits_for_one_fetch_and_not_for_one_that_is_too_soon() {
        let guests = Arc::new(guests(&[jwk("a", 1)]));
        let token = signed("b", 2, &claims());
        // fetches are not allowed yet
        guests.look_again().await;
        guests.rested();
        let asking = (0..5).map(|_| {
            let (guests, token) = (guests.clone(), token.clone());
            tokio::spawn(async move {
                guests.look_again().await;
                guests.read(&token).is_ok()
            })
        });
        let asking: Vec<_> = asking.collect();
        guests.wanted().await;
        tokio::task::yield_now().await;
        guests.replace_keys(json!({"keys": [jwk("b", 2)]}).to_string().as_bytes()).unwrap();
        guests.fetched(true);
        for asked in asking {
            assert!(asked.await.unwrap());
        }
        guests.look_again().await;
        // a provider that does not answer delays a request only for a bounded time
        guests.rested();
        guests.look_again().await;
    }

    #[test]
    fn a_token_of_another_issuer_is_not_taken_for_theirs() {
        let guests = guests(&[]);
        assert!(guests.may_be_theirs(&signed("a", 1, &claims())));
        assert!(!guests.may_be_theirs(&signed("a", 1, &with("iss", json!("voxledger")))));
        for odd in ["", "a.b.c", "..", "e30.e30.e30"] {
            assert!(!guests.may_be_theirs(odd), "{odd}");
        }
    }
}
