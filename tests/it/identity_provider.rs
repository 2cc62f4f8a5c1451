//! The operator's own identity provider: its tokens open what its claims say.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use anyhow::Result;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tests::client::Api;
use tests::until::{SOON, until};
use tests::webhook::unix_now;
use tests::world::World;

/// An RSA key made for these tests, as PKCS #1.
const KEY: &[u8] = include_bytes!("../fixtures/identity_provider_of_the_tests.rsa.der");
/// Its modulus.
const N: &str = "ob2mEz0O9C0_uWdzY6Fr82xAOMbZTPbUgjK6091dU-fSDtRr8ZBgxxPJghnG_qKlCOkLb3LdygcajCvOmVudbJR6HOJGi-HhKMU7wa304oTi72b_2M9quPQgxC_4WJlIVc-5IizAaPXeoP_L76PKisvbXLg9lDmhtIaQOEbr_EQLkzvNNSNMmkCNaagZ6tITyvKg4Dmf8k5DG6iB2LdIdmJiqc-S_CGrzo4g7sPanhWVFjCmTX9BwFfJtduqJMdz4HhynpvZiJ3adHM8MZbk2uGcI8zfJ1wSyNvTZYiynNxkPGbra5VAKwAincFAYbcR-06CWdNf0R3CnBPvrGwI1w";
const ISSUER: &str = "https://login.example.com/";
const CLIENT: &str = "cli_01j0000000e008000000000001";

/// Serves a JWKS until the process ends; answers with its address.
fn publish() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let keys = json!({"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "of-the-tests", "n": N, "e": "AQAB"}]});
    let body = keys.to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
            let _ = write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    Ok(format!("http://{address}/.well-known/jwks.json"))
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
    let world = world(&publish()?).await?;
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
    let world = world(&publish()?).await?;
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
    let nobody = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let world = world(&format!("http://{nobody}/jwks.json")).await?;
    let answer = with(&world.api, &claims("auth0|ann", "owner"))?.get("/api/v1/auth/me").await?;
    assert_eq!((answer.status, answer.code()), (503, "unavailable"));
    assert_eq!(world.api.get("/api/v1/auth/me").await?.status, 200);
    world.close().await?;
    Ok(())
}
