//! Every operation of the contract: nobody without credentials, nobody without the scope, nothing of another client.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use simulator::fake_stripe::FakeStripe;
use tests::client::Api;
use tests::until::{SOON, until};
use tests::world::World;

/// Operations that ask for no credentials; a carrier's webhook asks for a signature.
const OPEN: &[&str] = &[
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
    "GET /version",
    "GET /.well-known/jwks.json",
    "POST /api/v1/auth/login",
    "POST /api/v1/auth/refresh",
    "POST /api/v1/auth/revoke",
    "GET /api/v1/objects/{token}",
    "PUT /api/v1/objects/{token}",
    "POST /api/v1/webhooks/telnyx",
    "POST /api/v1/webhooks/telnyx/{client_id}",
    "POST /api/v1/webhooks/ultravox",
    "POST /api/v1/webhooks/ultravox/{client_id}",
    "POST /api/v1/webhooks/hubspot",
    "POST /api/v1/webhooks/hubspot/{client_id}",
    "POST /api/v1/webhooks/stripe",
];
/// Operations that any credentials open.
const ANYBODY: &[&str] = &[
    "GET /api/v1/auth/me",
    "GET /api/v1/auth/clients",
    "GET /api/v1/auth/clients/{id}",
    "GET /api/v1/auth/clients/{id}/events",
    "POST /api/v1/auth/revoke-all",
];
const RESOURCES: &[&str] = &[
    "calls",
    "conversations",
    "ivr",
    "webhooks",
    "agents",
    "tools",
    "numbers",
    "customers",
    "kb",
    "billing",
    "keys",
    "users",
    "providers",
];
/// Scopes of resources that are only read, or only changed, by them.
const ALONE: &[&str] = &["analytics:read", "audit:read", "privacy:write"];

struct Operation {
    method: String,
    path: String,
}

impl Operation {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The path with ids of things that exist: another client's, for whoever is not theirs.
    fn filled(&self, ids: &BTreeMap<&str, String>) -> Result<String> {
        if self.path.contains("{kind}") {
            return Ok(self.path.replace("{kind}", "telephony"));
        }
        if let Some(proof) = self.path.strip_prefix("/api/v1/audit/proofs/") {
            let of = if proof == "inclusion" { "position" } else { "from" };
            return Ok(format!("{}?{of}=1", self.path));
        }
        if self.path.contains("{month}") {
            return Ok(self.path.replace("{month}", "2026-05"));
        }
        if self.path.contains("{date}") {
            return Ok(self.path.replace("{date}", "2026-05-01"));
        }
        let Some((before, _)) = self.path.split_once("{id}") else { return Ok(self.path.clone()) };
        let id = ids.get(before).with_context(|| format!("an id for {}", self.path))?;
        let document = ids.get("/api/v1/kb/{id}/documents/").context("a document")?;
        Ok(self.path.replace("{id}", id).replace("{document_id}", document))
    }

    async fn send(&self, api: &Api, path: &str) -> Result<(u16, String)> {
        api.outcome(&self.method, path, (self.method != "GET").then_some("{}")).await
    }
}

async fn operations(world: &World) -> Result<Vec<Operation>> {
    let document = world.api.with_key(None).get("/api/v1/openapi.json").await?.body;
    let paths = document["paths"].as_object().context("paths")?;
    let mut operations = Vec::new();
    for (path, methods) in paths {
        for method in methods.as_object().context("methods")?.keys() {
            let method = method.to_uppercase();
            if ["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method.as_str()) {
                operations.push(Operation { method, path: path.clone() });
            }
        }
    }
    assert!(operations.len() > 30, "the document is not whole");
    Ok(operations)
}

/// Something of each kind that belongs to the first client.
async fn things(world: &World, stripe: &FakeStripe) -> Result<BTreeMap<&'static str, String>> {
    let id = |made: Value| made["id"].as_str().map(str::to_owned).context("an id");
    let number = json!({"number": "+12025550199", "route": {"type": "reject"}});
    let number = id(world.api.post("/api/v1/numbers", number).await?.data()?)?;
    let call = id(world.api.post("/api/v1/calls", json!({"to": "+12025550123"})).await?.data()?)?;
    let key = json!({"name": "k", "scopes": ["calls:read"]});
    let key = id(world.api.post("/api/v1/auth/api-keys", key).await?.data()?)?;
    let user = json!({"email": "ann@example.com", "password": "correct horse battery", "role": "viewer"});
    let user = id(world.api.post("/api/v1/auth/users", user).await?.data()?)?;
    let client = world.api.get("/api/v1/auth/me").await?.data()?["client"].clone();
    let client = client.as_str().context("a client")?.to_owned();
    let menu = json!({"name": "Main", "prompt": "Hello.", "timeout_ms": 60_000});
    let menu = id(world.api.post("/api/v1/ivr/menus", menu).await?.data()?)?;
    let session = json!({"menu_id": menu});
    let session = id(world.api.post("/api/v1/ivr/sessions", session).await?.data()?)?;
    let account = json!({"provider": "telnyx", "api_key": "KEY_of_a_client",
        "settings": {"connection_id": "1"}});
    world.api.patch("/api/v1/auth/providers/telephony", None, account).await?.data()?;
    let (checkout, _) = crate::billing::buy(&world.api, stripe, 5_000_000).await?;
    let customer = id(world.api.post("/api/v1/customers", json!({"name": "C"})).await?.data()?)?;
    let memory = json!({"content": "Likes tea.", "kind": "preference"});
    let memories = format!("/api/v1/customers/{customer}/memories");
    let memory = id(world.api.post(&memories, memory).await?.data()?)?;
    let base = id(world.api.post("/api/v1/kb", json!({"name": "K"})).await?.data()?)?;
    let document =
        crate::knowledge::add(&world.api, &base, "text/plain", "D", b"A document.".to_vec()).await?;
    crate::knowledge::settled(&world.api, &document).await?;
    let document = document.rsplit('/').next().context("an id")?.to_owned();
    let agent =
        id(world.api.post("/api/v1/agents", json!({"name": "A", "runtime": "ultravox"})).await?.data()?)?;
    world.api.post(&format!("/api/v1/agents/{agent}/deploy"), json!({})).await?.data()?;
    let tool = json!({"name": "t", "description": "d", "url": "https://example.com/"});
    let tool = id(world.api.post("/api/v1/tools", tool).await?.data()?)?;
    let said = world.api.post("/api/v1/conversation", json!({"message": "Hi"})).await?.data()?;
    let conversation = said["conversation_id"].as_str().context("an id")?.to_owned();
    let webhook = json!({"url": "https://example.com/hooks", "events": ["call.*"], "enabled": false});
    let webhook = id(world.api.post("/api/v1/webhooks", webhook).await?.data()?)?;
    let test = world.api.post(&format!("/api/v1/webhooks/{webhook}/test"), json!({})).await?.data()?;
    let delivery = test["delivery_id"].as_str().context("a delivery")?.to_owned();
    let export = id(world.api.post("/api/v1/audit/exports", json!({})).await?.data()?)?;
    until("the export to be sealed", SOON, async || {
        let export = world.api.get(&format!("/api/v1/audit/exports/{export}")).await?.data()?;
        Ok((export["status"] == "ready").then_some(()))
    })
    .await?;
    let job = json!({"phone": "+12025550123"});
    let job = id(world.api.post("/api/v1/privacy/subjects/export", job).await?.data()?)?;
    until("the person to be exported", SOON, async || {
        Ok((world.api.get(&format!("/api/v1/privacy/jobs/{job}/result")).await?.status == 200).then_some(()))
    })
    .await?;
    Ok(BTreeMap::from([
        ("/api/v1/agents/", agent),
        ("/api/v1/tools/", tool),
        ("/api/v1/customers/", customer),
        ("/api/v1/memories/", memory),
        ("/api/v1/kb/", base),
        ("/api/v1/kb/{id}/documents/", document),
        ("/api/v1/billing/checkouts/", checkout),
        ("/api/v1/conversations/", conversation),
        ("/api/v1/audit/exports/", export),
        ("/api/v1/privacy/jobs/", job),
        ("/api/v1/webhooks/", webhook),
        ("/api/v1/webhooks/deliveries/", delivery),
        ("/api/v1/auth/clients/", client),
        ("/api/v1/numbers/", number),
        ("/api/v1/analytics/ivr/", menu.clone()),
        ("/api/v1/ivr/menus/", menu),
        ("/api/v1/ivr/sessions/", session),
        ("/api/v1/calls/", call),
        ("/api/v1/auth/api-keys/", key),
        ("/api/v1/auth/users/", user),
    ]))
}

async fn key_with(world: &World, scopes: &[String]) -> Result<Api> {
    let made =
        world.api.post("/api/v1/auth/api-keys", json!({"name": "k", "scopes": scopes})).await?.data()?;
    Ok(world.api.with_key(made["plain_key"].as_str()))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_asks_for_credentials_and_for_its_one_scope() -> Result<()> {
    let (world, stripe) = crate::billing::with_stripe().await?;
    let (mut operations, ids) = (operations(&world).await?, things(&world, &stripe).await?);
    // a key that lacks some other scope really does what it asks for: what removes things comes last
    operations.sort_by_key(|operation| (operation.method == "DELETE", operation.method != "GET"));
    let nobody = world.api.with_key(None);
    let both = RESOURCES.iter().flat_map(|of| [format!("{of}:read"), format!("{of}:write")]);
    let scopes: Vec<String> = both.chain(ALONE.iter().map(|scope| (*scope).to_owned())).collect();
    // a key for every scope, and one for all but it
    let mut keys = Vec::new();
    for scope in &scopes {
        let others: Vec<_> = scopes.iter().filter(|other| *other != scope).cloned().collect();
        keys.push((key_with(&world, std::slice::from_ref(scope)).await?, key_with(&world, &others).await?));
    }
    for operation in &operations {
        let (name, path) = (operation.name(), operation.filled(&ids)?);
        if OPEN.contains(&name.as_str()) {
            continue;
        }
        assert_eq!(operation.send(&nobody, &path).await?, (401, "missing_credentials".to_owned()), "{name}");
        if ANYBODY.contains(&name.as_str()) {
            continue;
        }
        let mut needed = Vec::new();
        for (scope, (_, without)) in scopes.iter().zip(&keys) {
            if operation.send(without, &path).await?.1 == "insufficient_scope" {
                needed.push(scope);
            }
        }
        assert_eq!(needed.len(), 1, "{name} needs {needed:?}");
        // whoever may read history may take a sealed copy of it away
        let copies = [
            "POST /api/v1/audit/exports",
            "POST /api/v1/privacy/subjects/export",
            // a question is too long, and too personal, for an address
            "POST /api/v1/kb/{id}/search",
        ];
        let reads = operation.method == "GET" || copies.contains(&name.as_str());
        let verb = if reads { ":read" } else { ":write" };
        assert!(needed[0].ends_with(verb), "{name} needs {needed:?}");
        // that one is not only needed but enough; what it would do is somebody else's test
        if operation.method == "GET" {
            let (_, (with, _)) =
                scopes.iter().zip(&keys).find(|(scope, _)| *scope == needed[0]).context("a key")?;
            let (status, code) = operation.send(with, &path).await?;
            assert!(status < 400, "{name}: {status} {code}");
        }
    }
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_clients_id_is_as_unknown_as_none() -> Result<()> {
    let (world, stripe) = crate::billing::with_stripe().await?;
    let (operations, ids) = (operations(&world).await?, things(&world, &stripe).await?);
    let made = world.api.post("/api/v1/auth/clients", json!({"name": "Another"})).await?.data()?;
    let other = world.api.with_key(made["plain_key"].as_str());
    let mut tried = 0;
    for operation in operations.iter().filter(|operation| operation.path.contains("{id}")) {
        let path = operation.filled(&ids)?;
        let answer = match bodies(&operation.name()) {
            Some(body) => {
                other.send(&operation.method, &path, &[], Some(body.to_string().into_bytes())).await?
            }
            None => other.send(&operation.method, &path, &[], None).await?,
        };
        assert_eq!((answer.status, answer.code()), (404, "not_found"), "{}", operation.name());
        tried += 1;
    }
    assert!(tried > 20, "only {tried}");
    for list in [
        "/api/v1/numbers",
        "/api/v1/calls",
        "/api/v1/auth/users",
        "/api/v1/webhooks",
        "/api/v1/events",
        "/api/v1/agents",
        "/api/v1/tools",
        "/api/v1/customers",
        "/api/v1/kb",
        "/api/v1/billing/transactions",
        "/api/v1/conversations",
    ] {
        assert_eq!(other.list_all(list).await?, Vec::<Value>::new(), "{list}");
    }
    world.close().await?;
    Ok(())
}

/// A body that would do, so that nothing but the id is at fault.
fn bodies(operation: &str) -> Option<Value> {
    Some(match operation {
        "PATCH /api/v1/agents/{id}" => json!({"name": "mine"}),
        "PATCH /api/v1/tools/{id}" => json!({"name": "mine"}),
        "PATCH /api/v1/customers/{id}" => json!({"name": "mine"}),
        "POST /api/v1/customers/{id}/memories" => json!({"content": "Likes tea.", "kind": "note"}),
        "PATCH /api/v1/memories/{id}" => json!({"kind": "fact"}),
        "PATCH /api/v1/kb/{id}" => json!({"name": "mine"}),
        "POST /api/v1/kb/{id}/files/presign" => {
            json!({"file_name": "f", "content_type": "text/plain", "size_bytes": 5})
        }
        "POST /api/v1/kb/{id}/files/ingest" => json!({"urls": ["https://example.com/"]}),
        "POST /api/v1/kb/{id}/search" => json!({"query": "tea"}),
        "POST /api/v1/kb/{id}/documents/{document_id}/retry" => json!({}),
        "POST /api/v1/customers/{id}/merge" | "POST /api/v1/customers/{id}/unmerge" => {
            json!({"other_id": "cus_01h455vb4pex5vsknk084sn02q"})
        }
        "POST /api/v1/conversations/{id}/messages" => json!({"content": "hello"}),
        "PATCH /api/v1/webhooks/{id}" => json!({"enabled": false}),
        "POST /api/v1/webhooks/{id}/rotate-secret" | "POST /api/v1/tools/{id}/rotate-secret" => json!({}),
        "POST /api/v1/webhooks/{id}/replay" => json!({"since": "2026-01-01T00:00:00Z"}),
        "PATCH /api/v1/numbers/{id}" => json!({"route": {"type": "agent"}}),
        "PATCH /api/v1/ivr/menus/{id}" => json!({"name": "mine"}),
        "POST /api/v1/ivr/menus/{id}/simulate" => json!({"inputs": []}),
        "POST /api/v1/ivr/sessions/{id}/input" => json!({"digits": "1"}),
        "PATCH /api/v1/calls/{id}" => json!({"metadata": {}}),
        "POST /api/v1/calls/{id}/transfer" => json!({"to": "+12025550111"}),
        "POST /api/v1/calls/{id}/say" => json!({"text": "hello"}),
        "POST /api/v1/calls/{id}/dtmf" => json!({"digits": "1"}),
        "PATCH /api/v1/auth/api-keys/{id}" => json!({"name": "mine"}),
        "POST /api/v1/auth/api-keys/{id}/rotate" => json!({}),
        "PATCH /api/v1/auth/clients/{id}" => json!({"limits": {"calls_per_day": 1}}),
        "PATCH /api/v1/auth/users/{id}" => json!({"role": "viewer"}),
        _ => return None,
    })
}
