//! People: they sign in, refresh, sign out; wrong credentials of every kind.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tests::client::{Answer, Api};
use tests::world::World;

const USERS: &str = "/api/v1/auth/users";
const PASSWORD: &str = "correct horse battery";

fn text(value: &Value, field: &str) -> Result<String> {
    Ok(value[field].as_str().with_context(|| format!("no {field} in {value}"))?.to_owned())
}

async fn add(world: &World, email: &str, role: &str) -> Result<String> {
    let body = json!({"email": email, "password": PASSWORD, "role": role});
    let added = world.api.post(USERS, body).await?;
    assert_eq!(added.status, 201, "{}", added.body);
    Ok(format!("{USERS}/{}", text(&added.data()?, "id")?))
}

async fn sign_in(world: &World, email: &str, password: &str) -> Result<Answer> {
    let body = json!({"email": email, "password": password});
    world.api.with_key(None).post("/api/v1/auth/login", body).await
}

async fn tokens(world: &World, email: &str) -> Result<(Api, String)> {
    let signed_in = sign_in(world, email, PASSWORD).await?.data()?;
    assert_eq!((&signed_in["token_type"], &signed_in["expires_in"]), (&json!("Bearer"), &json!(900)));
    let api = world.api.with_key(Some(&text(&signed_in, "access_token")?));
    Ok((api, text(&signed_in, "refresh_token")?))
}

async fn refresh(world: &World, token: &str) -> Result<Answer> {
    world.api.with_key(None).post("/api/v1/auth/refresh", json!({"refresh_token": token})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_signs_in_and_does_what_the_role_allows() -> Result<()> {
    let world = World::start().await?;
    let path = add(&world, "Ann@Example.com", "viewer").await?;
    let (ann, _) = tokens(&world, "ann@example.COM").await?;
    let me = ann.get("/api/v1/auth/me").await?.data()?;
    assert_eq!((&me["principal"], &me["role"]), (&json!("user"), &json!("viewer")));
    assert_eq!(me["user"]["email"], "ann@example.com");
    assert_eq!(ann.get("/api/v1/calls").await?.status, 200);
    let number = json!({"number": "+12025550188", "route": {"type": "agent"}});
    assert_eq!(ann.post("/api/v1/numbers", number.clone()).await?.code(), "insufficient_scope");
    // another role holds at once, also for tokens given out before
    world.api.patch(&path, None, json!({"role": "developer"})).await?.data()?;
    assert_eq!(ann.post("/api/v1/numbers", number).await?.status, 201);
    // and what was done was done by her
    let history = world.api.list_all("/api/v1/numbers").await?;
    let events = world.api.list_all(&format!("/api/v1/numbers/{}/events", text(&history[0], "id")?)).await?;
    assert!(events[0]["metadata"]["actor"].to_string().contains("user"), "{}", events[0]["metadata"]);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_is_used_once_and_its_reuse_ends_the_login() -> Result<()> {
    let world = World::start().await?;
    add(&world, "ann@example.com", "owner").await?;
    let (before, first) = tokens(&world, "ann@example.com").await?;
    let next = refresh(&world, &first).await?.data()?;
    let (second, after) = (text(&next, "refresh_token")?, world.api.with_key(next["access_token"].as_str()));
    assert_eq!(after.get("/api/v1/calls").await?.status, 200);
    assert_ne!(first, second);
    let reused = refresh(&world, &first).await?;
    assert_eq!((reused.status, reused.code()), (401, "refresh_token_reused"));
    assert_eq!(refresh(&world, &second).await?.code(), "refresh_token_reused");
    for thief in [&before, &after] {
        assert_eq!(thief.get("/api/v1/calls").await?.code(), "token_revoked");
    }
    // another login of hers goes on
    let (other, _) = tokens(&world, "ann@example.com").await?;
    assert_eq!(other.get("/api/v1/calls").await?.status, 200);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_one_login_or_all() -> Result<()> {
    let world = World::start().await?;
    let path = add(&world, "ann@example.com", "owner").await?;
    let nobody = world.api.with_key(None);
    let ((one, token), (two, other)) =
        (tokens(&world, "ann@example.com").await?, tokens(&world, "ann@example.com").await?);
    let out = nobody.post("/api/v1/auth/revoke", json!({"refresh_token": token})).await?;
    assert_eq!(out.status, 204);
    assert_eq!(one.get("/api/v1/calls").await?.code(), "token_revoked");
    assert_eq!(refresh(&world, &token).await?.code(), "refresh_token_revoked");
    assert_eq!(two.get("/api/v1/calls").await?.status, 200);
    assert_eq!(two.post("/api/v1/auth/revoke-all", Value::Null).await?.status, 204);
    assert_eq!(two.get("/api/v1/calls").await?.code(), "token_revoked");
    assert_eq!(refresh(&world, &other).await?.code(), "refresh_token_revoked");
    // another password, and a user switched off, do the same
    let (three, _) = tokens(&world, "ann@example.com").await?;
    world.api.patch(&path, None, json!({"password": "another horse battery"})).await?.data()?;
    assert_eq!(three.get("/api/v1/calls").await?.code(), "token_revoked");
    assert_eq!(sign_in(&world, "ann@example.com", PASSWORD).await?.code(), "invalid_credentials");
    assert_eq!(sign_in(&world, "ann@example.com", "another horse battery").await?.status, 200);
    world.api.patch(&path, None, json!({"enabled": false})).await?.data()?;
    assert_eq!(
        sign_in(&world, "ann@example.com", "another horse battery").await?.code(),
        "invalid_credentials"
    );
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_signs_in_to_one_client_and_is_free_again_afterwards() -> Result<()> {
    let world = World::start().await?;
    let path = add(&world, "ann@example.com", "viewer").await?;
    let made = world.api.post("/api/v1/auth/clients", json!({"name": "Another"})).await?.data()?;
    let other = world.api.with_key(made["plain_key"].as_str());
    let body = json!({"email": " ANN@example.com", "password": PASSWORD, "role": "owner"});
    for api in [&world.api, &other] {
        let taken = api.post(USERS, body.clone()).await?;
        assert_eq!((taken.status, taken.code()), (409, "email_taken"));
    }
    assert_eq!(other.get(&path).await?.status, 404);
    assert_eq!(world.api.send("DELETE", &path, &[], None).await?.status, 204);
    assert_eq!(sign_in(&world, "ann@example.com", PASSWORD).await?.code(), "invalid_credentials");
    assert_eq!(other.post(USERS, body).await?.status, 201);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_want_an_address_at_once_get_it_once() -> Result<()> {
    let world = World::start().await?;
    let body = json!({"email": "ann@example.com", "password": PASSWORD, "role": "viewer"});
    let answers = futures::future::join_all((0..6).map(|_| world.api.post(USERS, body.clone()))).await;
    let statuses: Vec<_> = answers.into_iter().map(|answer| Ok(answer?.status)).collect::<Result<_>>()?;
    assert_eq!(statuses.iter().filter(|&&status| status == 201).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [201, 409].contains(status)), "{statuses:?}");
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_adds_or_changes_somebody_stronger_than_themselves() -> Result<()> {
    let world = World::start().await?;
    let owner = add(&world, "owner@example.com", "owner").await?;
    add(&world, "admin@example.com", "admin").await?;
    let (admin, _) = tokens(&world, "admin@example.com").await?;
    let body = json!({"email": "x@example.com", "password": PASSWORD, "role": "owner"});
    assert_eq!(admin.post(USERS, body).await?.code(), "would_exceed_yours");
    for body in [json!({"role": "viewer"}), json!({"password": "another horse battery"})] {
        assert_eq!(admin.patch(&owner, None, body).await?.code(), "would_exceed_yours");
    }
    assert_eq!(admin.send("DELETE", &owner, &[], None).await?.code(), "would_exceed_yours");
    let body = json!({"email": "x@example.com", "password": PASSWORD, "role": "developer"});
    assert_eq!(admin.post(USERS, body).await?.status, 201);
    // nor does an owner of a mere client look after the platform
    let made = world.api.post("/api/v1/auth/clients", json!({"name": "Another"})).await?.data()?;
    let other = world.api.with_key(made["plain_key"].as_str());
    let refused = other.post("/api/v1/auth/clients", json!({"name": "Third"})).await?;
    assert_eq!((refused.status, refused.code()), (403, "platform_only"));
    assert_eq!(other.list_all("/api/v1/auth/clients").await?.len(), 1);
    assert_eq!(world.api.list_all("/api/v1/auth/clients").await?.len(), 2);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_told_apart_only_where_that_helps_nobody_else() -> Result<()> {
    let world = World::start().await?;
    add(&world, "ann@example.com", "viewer").await?;
    let wrong = sign_in(&world, "ann@example.com", "incorrect horse").await?;
    let unknown = sign_in(&world, "bob@example.com", PASSWORD).await?;
    for answer in [&wrong, &unknown] {
        assert_eq!((answer.status, answer.code()), (401, "invalid_credentials"));
    }
    assert_eq!(wrong.body["detail"], unknown.body["detail"]);
    assert_eq!(sign_in(&world, "ann@example.com", &"x".repeat(100_000)).await?.code(), "invalid_credentials");
    assert_eq!(sign_in(&world, "a\0nn@example.com", "p\0").await?.code(), "invalid_credentials");
    for bad in ["", "vxr_x", "a.b.c"] {
        assert_eq!(refresh(&world, bad).await?.code(), "refresh_token_unknown");
    }
    let (_, token) = tokens(&world, "ann@example.com").await?;
    let forged = format!("{}{}", &token[..31], "A".repeat(43));
    assert_eq!(refresh(&world, &forged).await?.code(), "refresh_token_unknown");
    // a stranger's token does not end the login
    assert_eq!(refresh(&world, &token).await?.status, 200);
    for (email, password, field) in [
        ("ann", PASSWORD, "email"),
        ("bob@example.com", "short", "password"),
        ("bob@example.com", &"x".repeat(257), "password"),
    ] {
        let answer =
            world.api.post(USERS, json!({"email": email, "password": password, "role": "owner"})).await?;
        assert_eq!((answer.status, &answer.body["errors"][0]["field"]), (422, &json!(field)));
    }
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_login_costs_the_same_whatever_was_wrong() -> Result<()> {
    let world = World::with(|plan| {
        plan.options = plan.options.clone().set("LIMITS_LOGINS_PER_MINUTE", "1000");
    })
    .await?;
    add(&world, "ann@example.com", "viewer").await?;
    let gone = add(&world, "gone@example.com", "viewer").await?;
    world.api.patch(&gone, None, json!({"enabled": false})).await?.data()?;
    let long = "x".repeat(300);
    let ways = [
        ("a wrong password", "ann@example.com", "incorrect horse"),
        ("an unknown address", "bob@example.com", "incorrect horse"),
        ("no address", "bob", "incorrect horse"),
        ("a user switched off", "gone@example.com", PASSWORD),
        ("a long password", "ann@example.com", &long),
        ("a long password for nobody", "bob@example.com", &long),
        ("no password", "ann@example.com", ""),
    ];
    // the node's processor time: how long an answer takes depends on what else runs on this machine
    let node = world.node.server()?;
    let mut costs = vec![0.0; ways.len()];
    for _ in 0..20 {
        for ((_, email, password), cost) in ways.iter().zip(&mut costs) {
            let before = node.cpu_seconds()?;
            let answer = sign_in(&world, email, password).await?;
            *cost += node.cpu_seconds()? - before;
            assert_eq!(answer.code(), "invalid_credentials");
        }
    }
    // one hash each, and nothing beside it that weighs
    let (least, most) =
        (costs.iter().copied().fold(f64::MAX, f64::min), costs.iter().copied().fold(0.0, f64::max));
    assert!(least > 0.0 && most < least * 2.0, "{costs:?}");
    world.close().await?;
    Ok(())
}
