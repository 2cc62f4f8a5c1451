//! The operator's own identity provider: its tokens open what its claims say.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use adapters::telephony::telnyx::Signer;
use adapters::testing::ports::Refusing;
use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::future::try_join_all;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use serde_json::{Value, json};
use tests::client::Api;
use tests::until::{SOON, until};
use tests::webhook::{SEED, unix_now};
use tests::world::World;

/// An RSA key made for these tests, as PKCS #1.
const KEY: &[u8] = include_bytes!("../fixtures/identity_provider_of_the_tests.rsa.der");
const N: &str = "ob2mEz0O9C0_uWdzY6Fr82xAOMbZTPbUgjK6091dU-fSDtRr8ZBgxxPJghnG_qKlCOkLb3LdygcajCvOmVudbJR6HOJGi-HhKMU7wa304oTi72b_2M9quPQgxC_4WJlIVc-5IizAaPXeoP_L76PKisvbXLg9lDmhtIaQOEbr_EQLkzvNNSNMmkCNaagZ6tITyvKg4Dmf8k5DG6iB2LdIdmJiqc-S_CGrzo4g7sPanhWVFjCmTX9BwFfJtduqJMdz4HhynpvZiJ3adHM8MZbk2uGcI8zfJ1wSyNvTZYiynNxkPGbra5VAKwAincFAYbcR-06CWdNf0R3CnBPvrGwI1w";
const ISSUER: &str = "https://login.example.com/";
const CLIENT: &str = "cli_01j0000000e008000000000001";

/// A provider on this machine, until the process ends.
struct Provider {
    base: String,
    keys: Arc<Mutex<Vec<Value>>>,
    fetches: Arc<AtomicUsize>,
}

impl Provider {
    fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let base = format!("http://{}", listener.local_addr()?);
        let rsa =
            json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "of-the-tests", "n": N, "e": "AQAB"});
        let (keys, fetches) = (Arc::new(Mutex::new(vec![rsa])), Arc::new(AtomicUsize::new(0)));
        let provider = Self { base: base.clone(), keys: keys.clone(), fetches: fetches.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut request = [0; 4096];
                let read = stream.read(&mut request).unwrap_or(0);
                let body = if request[..read].starts_with(b"GET /.well-known/openid-configuration ") {
                    json!({"issuer": format!("{base}/"), "jwks_uri": format!("{base}/keys")})
                } else {
                    fetches.fetch_add(1, Ordering::Relaxed);
                    json!({"keys": *keys.lock().unwrap_or_else(PoisonError::into_inner)})
                };
                let body = body.to_string();
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
                let _ = write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            }
        });
        Ok(provider)
    }

    fn jwks_url(&self) -> String {
        format!("{}/keys", self.base)
    }

    /// Publishes another key beside those there are.
    fn publish(&self, kid: &str) {
        let x = Signer::from_seed(&SEED).public_key_base64();
        let x = x.replace('+', "-").replace('/', "_").replace('=', "");
        let key = json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": kid, "x": x});
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).push(key);
    }
}

/// A token under a key that [`Provider::publish`] publishes.
fn under(kid: &str, claims: &Value) -> Result<String> {
    // RFC 8410 §7
    const HEAD: [u8; 16] =
        [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(kid.to_owned());
    Ok(encode(&header, claims, &EncodingKey::from_ed_der(&[&HEAD[..], &SEED].concat()))?)
}

fn claims(subject: &str, role: &str) -> Value {
    let now = unix_now();
    json!({"iss": ISSUER, "aud": "voxledger", "sub": subject, "iat": now, "exp": now + 3600,
        "https://example.com/client": CLIENT, "realm_access": {"roles": ["offline_access", role]}})
}

fn token(claims: &Value) -> Result<String> {
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some("of-the-tests".to_owned());
    Ok(encode(&header, claims, &EncodingKey::from_rsa_der(KEY))?)
}

async fn world(jwks_url: &str) -> Result<World> {
    World::with(|plan| {
        for (name, value) in [
            ("IDENTITY_PROVIDER_JWKS_URL", jwks_url),
            ("IDENTITY_PROVIDER_ISSUER", ISSUER),
            ("IDENTITY_PROVIDER_AUDIENCE", "voxledger"),
            ("IDENTITY_PROVIDER_CLIENT_CLAIM", "/https:~1~1example.com~1client"),
            ("IDENTITY_PROVIDER_ROLE_CLAIM", "/realm_access/roles"),
        ] {
            plan.options = plan.options.clone().set(name, value);
        }
    })
    .await
}

fn with(api: &Api, claims: &Value) -> Result<Api> {
    Ok(api.with_key(Some(&token(claims)?)))
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_the_provider_vouches_for_does_what_the_role_allows() -> Result<()> {
    let world = world(&Provider::start()?.jwks_url()).await?;
    let ann = with(&world.api, &claims("auth0|ann", "developer"))?;
    let me = until("the provider's keys", SOON, async || {
        let me = ann.get("/api/v1/auth/me").await?;
        Ok((me.status == 200).then_some(me))
    })
    .await?
    .data()?;
    assert_eq!((&me["client"], &me["role"]), (&json!(CLIENT), &json!("developer")), "{me}");
    let number = json!({"number": "+12025550199", "route": {"type": "reject"}});
    assert_eq!(ann.post("/api/v1/numbers", number.clone()).await?.status, 201);
    let audit = world.api.list_all("/api/v1/audit/log?action=NUMBER_ADDED").await?;
    assert_eq!(audit[0]["actor"]["type"], "user", "{audit:?}");

    let bob = with(&world.api, &claims("auth0|bob", "viewer"))?;
    let refused = bob.post("/api/v1/numbers", number).await?;
    assert_eq!((refused.status, refused.code()), (403, "insufficient_scope"));
    assert_eq!(bob.list_all("/api/v1/numbers").await?.len(), 1);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_meant_for_this_node_opens_nothing() -> Result<()> {
    let world = world(&Provider::start()?.jwks_url()).await?;
    let good = claims("auth0|ann", "developer");
    let ann = with(&world.api, &good)?;
    until("the provider's keys", SOON, async || {
        Ok((ann.get("/api/v1/auth/me").await?.status == 200).then_some(()))
    })
    .await?;
    let changed = |field: &str, value: Value| {
        let mut claims = good.clone();
        claims[field] = value;
        claims
    };
    let cases = [
        (changed("aud", json!("another application")), 401, "token_invalid"),
        (changed("iss", json!("https://login.example.org/")), 401, "token_invalid"),
        (changed("exp", json!(unix_now() - 1)), 401, "token_expired"),
        (changed("https://example.com/client", Value::Null), 403, "not_a_member"),
        (changed("https://example.com/client", json!("cli_7zzzzzzzzzzzzzzzzzzzzzzzzz")), 403, "not_a_member"),
        (changed("realm_access", json!({"roles": ["root"]})), 403, "not_a_member"),
    ];
    for (claims, status, code) in cases {
        let answer = with(&world.api, &claims)?.get("/api/v1/auth/me").await?;
        assert_eq!((answer.status, answer.code()), (status, code), "{claims}");
    }
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_providers_keys_its_tokens_wait_and_everything_else_goes_on() -> Result<()> {
    let nobody = Refusing::start()?;
    let world = world(&format!("http://{}/jwks.json", nobody.address)).await?;
    let answer = with(&world.api, &claims("auth0|ann", "owner"))?.get("/api/v1/auth/me").await?;
    assert_eq!((answer.status, answer.code()), (503, "unavailable"));
    assert_eq!(world.api.get("/api/v1/auth/me").await?.status, 200);
    world.close().await?;
    Ok(())
}

/// Waits until the provider's first keys are there.
async fn let_in(api: &Api) -> Result<()> {
    until("the provider's keys", SOON, async || {
        Ok((api.get("/api/v1/auth/me").await?.status == 200).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_under_the_providers_next_key_is_let_in_by_its_first_request() -> Result<()> {
    let provider = Provider::start()?;
    let world = world(&provider.jwks_url()).await?;
    let_in(&with(&world.api, &claims("auth0|ann", "developer"))?).await?;
    provider.publish("next");
    let bob = world.api.with_key(Some(&under("next", &claims("auth0|bob", "developer"))?));
    // by a request that is carried out once, too
    let number = json!({"number": "+12025550199", "route": {"type": "reject"}});
    let made = bob.post_once("/api/v1/numbers", "once", &number).await?;
    assert_eq!(made.status, 201, "{}", made.body);
    let again = bob.post_once("/api/v1/numbers", "once", &number).await?;
    assert_eq!((again.status, again.header("idempotent-replayed")), (201, Some("true")));

    // whoever makes keys up has them fetched a few times, however often they ask
    let before = provider.fetches.load(Ordering::Relaxed);
    let stranger = world.api.with_key(Some(&under("made-up", &claims("auth0|eve", "owner"))?));
    for _ in 0..5 {
        let answers = try_join_all((0..20).map(|_| stranger.get("/api/v1/auth/me"))).await?;
        assert!(answers.iter().all(|answer| answer.code() == "token_invalid"));
    }
    let fetched = provider.fetches.load(Ordering::Relaxed) - before;
    assert!(fetched <= 6, "{fetched} fetches");
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_issuer_says_where_its_keys_are() -> Result<()> {
    let provider = Provider::start()?;
    let issuer = format!("{}/", provider.base);
    let world = World::with(|plan| {
        for (name, value) in [
            ("IDENTITY_PROVIDER_DISCOVERY", "true"),
            ("IDENTITY_PROVIDER_ISSUER", &issuer),
            ("IDENTITY_PROVIDER_AUDIENCE", "voxledger"),
            ("IDENTITY_PROVIDER_CLIENT_CLAIM", "/https:~1~1example.com~1client"),
            ("IDENTITY_PROVIDER_ROLE_CLAIM", "/realm_access/roles"),
        ] {
            plan.options = plan.options.clone().set(name, value);
        }
    })
    .await?;
    let mut of_issuer = claims("auth0|ann", "viewer");
    of_issuer["iss"] = json!(issuer);
    let_in(&with(&world.api, &of_issuer)?).await?;
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_token_demands_is_not_passed_over_and_the_log_says_why_without_the_token() -> Result<()> {
    let provider = Provider::start()?;
    let jwks_url = provider.jwks_url();
    let world = World::with(|plan| {
        for (name, value) in [
            ("LOG", "info"),
            ("IDENTITY_PROVIDER_JWKS_URL", &jwks_url),
            ("IDENTITY_PROVIDER_ISSUER", ISSUER),
            ("IDENTITY_PROVIDER_AUDIENCE", "voxledger"),
            ("IDENTITY_PROVIDER_CLIENT_CLAIM", "/https:~1~1example.com~1client"),
            ("IDENTITY_PROVIDER_ROLE_CLAIM", "/realm_access/roles"),
        ] {
            plan.options = plan.options.clone().set(name, value);
        }
    })
    .await?;
    provider.publish("next");
    let good = claims("auth0|ann", "developer");
    let_in(&world.api.with_key(Some(&under("next", &good)?))).await?;
    // signed well, with an extension that nobody here knows
    let header = json!({"alg": "EdDSA", "kid": "next", "crit": ["exp"], "exp": 1});
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(good.to_string())
    );
    let der = [&[0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20][..], &SEED].concat();
    let key = EncodingKey::from_ed_der(&der);
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::EdDSA)?;
    let critical = format!("{signed}.{signature}");
    let line = until("a line about it", SOON, async || {
        let refused = world.api.with_key(Some(&critical)).get("/api/v1/auth/me").await?;
        assert_eq!((refused.status, refused.code()), (401, "token_invalid"));
        let printed = world.node.server()?.printed();
        // of several in a second the first is told of
        Ok(printed.lines().find(|line| line.contains("`crit`")).map(str::to_owned))
    })
    .await?;
    assert!(line.contains("an access token was refused"), "{line}");
    let printed = world.node.server()?.printed();
    assert!(!printed.contains(&signature) && !printed.contains(&signed), "{printed}");
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_of_the_nodes_own_is_checked_with_the_keys_it_publishes() -> Result<()> {
    let world = World::start().await?;
    let user = json!({"email": "ann@example.com", "password": "correct horse battery", "role": "viewer"});
    let user = world.api.post("/api/v1/auth/users", user).await?.data()?;
    let nobody = world.api.with_key(None);
    let login = json!({"email": "ann@example.com", "password": "correct horse battery"});
    let token = nobody.post("/api/v1/auth/login", login).await?.data()?["access_token"].clone();
    let token = token.as_str().context("a token")?;
    let published = nobody.get("/.well-known/jwks.json").await?;
    assert_eq!(published.status, 200);
    let keys: JwkSet = serde_json::from_value(published.body)?;
    let kid = decode_header(token)?.kid.context("a kid")?;
    let key = DecodingKey::from_jwk(keys.find(&kid).context("the key is not published")?)?;
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&["voxledger"]);
    let claims = decode::<Value>(token, &key, &validation)?.claims;
    assert_eq!(claims["sub"], user["id"]);
    world.close().await?;
    Ok(())
}
