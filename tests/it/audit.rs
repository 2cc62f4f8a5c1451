//! History that can be proven: sealed within a second, proven over REST, the same for ever, whoever dies.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use domain::merkle::{
    Entry, Hash, NoteVerifier, SignedCheckpoint, log_id, verify_consistency, verify_inclusion,
};
use serde_json::{Value, json};
use tests::client::Api;
use tests::history::History;
use tests::installation::Installation;
use tests::receiver::{Answers, Receiver};
use tests::server::{Node, Server, ServerOptions};
use tests::until::{SOON, until};

use crate::cli::run::database;

async fn write(api: &Api, from: u32, count: u32) -> Result<u64> {
    let mut position = 0;
    for n in from..from + count {
        let number = json!({"number": format!("+1415555{n:04}"), "route": {"type": "agent"}});
        let answer = api.post("/api/v1/numbers", number).await?;
        position = answer.body["meta"]["position"].as_u64().with_context(|| answer.body.to_string())?;
    }
    Ok(position)
}

/// The newest checkpoint, once it covers `position`.
async fn covering(api: &Api, position: u64) -> Result<Value> {
    until("a checkpoint that covers what was written", SOON, async || {
        let latest = api.get("/api/v1/audit/checkpoints/latest").await?.data()?;
        Ok((latest["tree_size"].as_u64() >= Some(position)).then_some(latest))
    })
    .await
}

fn number(value: &Value, name: &str) -> Result<u64> {
    value[name].as_u64().with_context(|| format!("no {name} in {value}"))
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value[name].as_str().with_context(|| format!("no {name} in {value}"))
}

fn hashes(proof: &Value) -> Result<Vec<Hash>> {
    let hashes = proof["hashes"].as_array().context("no hashes")?;
    hashes.iter().map(|hash| Ok(hash.as_str().context("a hash is text")?.parse()?)).collect()
}

/// Every checkpoint is signed by the key, and each is the beginning of the next.
async fn check_heads(api: &Api) -> Result<BTreeMap<u64, Hash>> {
    let latest = api.get("/api/v1/audit/checkpoints/latest").await?.data()?;
    let key: NoteVerifier = text(&latest, "key")?.parse()?;
    let mut heads = BTreeMap::new();
    for head in api.list_in_pages("/api/v1/audit/checkpoints?order=asc", 7).await? {
        let note: SignedCheckpoint = text(&head, "note")?.parse()?;
        key.verify(&note)?;
        let (size, root) = (note.checkpoint.size, note.checkpoint.root);
        ensure!((number(&head, "tree_size")?, text(&head, "root_hash")?.parse()) == (size, Ok(root)));
        if let Some((old, old_root)) = heads.last_key_value() {
            let path = format!("/api/v1/audit/proofs/consistency?from={old}&to={size}");
            let proof = api.get(&path).await?.data()?;
            verify_consistency(*old, size, &hashes(&proof)?, old_root, &root)?;
        }
        heads.insert(size, root);
    }
    Ok(heads)
}

#[tokio::test]
async fn every_event_is_sealed_soon_and_proven_over_rest() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for options in
        [ServerOptions::embedded(folder.path()), ServerOptions::postgres(folder.path(), &database().await)]
    {
        let server = Server::start(&options)?;
        let api = Api::new(&server.base)?;
        let mut sizes = Vec::new();
        for round in 0..3 {
            let written = write(&api, 100 + round * 10, 5).await?;
            sizes.push(number(&covering(&api, written).await?, "tree_size")?);
        }
        let heads = check_heads(&api).await?;
        ensure!(sizes.iter().all(|size| heads.contains_key(size)), "{sizes:?} are not all in {heads:?}");
        let (size, root) = heads.last_key_value().context("no head")?;

        // what an auditor computes from the log itself, by another way
        let history = History::stored(&options).await?;
        let log = log_id(&history.events[0]);
        let shown = api.list_in_pages("/api/v1/audit/events?client_id=all", 6).await?;
        for event in history.events.iter().take(*size as usize) {
            let position = event.position.0;
            let path = format!("/api/v1/audit/proofs/inclusion?position={position}&tree_size={size}");
            let proof = api.get(&path).await?;
            ensure!(proof.bytes.len() < 2_048, "{} bytes", proof.bytes.len());
            let proof = proof.data()?;
            let leaf = Entry::of(log, event).leaf();
            verify_inclusion(&leaf, position - 1, *size, &hashes(&proof)?, root)?;
            ensure!(text(&proof, "leaf_hash")?.parse() == Ok(leaf));
            ensure!(text(&proof, "checkpoint")?.parse::<SignedCheckpoint>()?.checkpoint.root == *root);
            let told = shown.iter().find(|told| told["position"] == position).context("not listed")?;
            ensure!(told["leaf_hash"] == proof["leaf_hash"], "{told}");
            ensure!(text(told, "payload_hash")?.parse() == Ok(Hash::of(&event.payload)));
        }
        // a size that no head has is proven as well, unsigned
        let between = api.get("/api/v1/audit/proofs/inclusion?position=1&tree_size=1").await?.data()?;
        ensure!(between["hashes"] == json!([]) && between["root_hash"] == between["leaf_hash"]);

        for path in [
            "inclusion?position=0",
            "inclusion?position=999999",
            "inclusion?position=1&tree_size=999999",
            "inclusion?position=3&tree_size=2",
            "consistency?from=0",
            "consistency?from=1&to=999999",
        ] {
            let refused = api.get(&format!("/api/v1/audit/proofs/{path}")).await?;
            ensure!((refused.status, refused.code()) == (404, "beyond_tree"), "{path}: {}", refused.body);
        }
        for path in ["inclusion", "inclusion?position=x", "consistency?from=3&to=2", "consistency?from=-1"] {
            let refused = api.get(&format!("/api/v1/audit/proofs/{path}")).await?;
            ensure!((refused.status, refused.code()) == (422, "invalid_request"), "{path}: {}", refused.body);
        }
        server.terminate()?;
    }
    Ok(())
}

#[tokio::test]
async fn the_raw_history_is_filtered_and_a_client_sees_its_own_only() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(&ServerOptions::embedded(folder.path()))?;
    let api = Api::new(&server.base)?;
    let other = api.post("/api/v1/auth/clients", json!({"name": "other"})).await?.data()?;
    let key = text(&other, "plain_key")?;
    let theirs = api.with_key(Some(key));
    theirs.use_own_carrier().await?;
    write(&api, 200, 3).await?;
    write(&theirs, 300, 2).await?;
    let added = |api: Api, more: &'static str| async move {
        let events = api.list_in_pages(&format!("/api/v1/audit/events?type=number.added{more}"), 2).await?;
        anyhow::Ok(events.len())
    };
    ensure!(added(api.clone(), "").await? == 3);
    ensure!(added(theirs.clone(), "").await? == 2);
    let id = text(&other, "id")?;
    let asked = format!("/api/v1/audit/events?client_id={id}");
    ensure!(api.list_all(&asked).await?.iter().all(|event| event["client_id"] == id));
    let mine = api.list_all("/api/v1/audit/events").await?;
    let my_id = text(&mine[0], "client_id")?;
    let refused = theirs.get(&format!("/api/v1/audit/events?client_id={my_id}")).await?;
    ensure!((refused.status, refused.code()) == (403, "platform_only"), "{}", refused.body);

    let first = mine.iter().find(|event| event["type"] == "number.added").context("no number")?;
    let stream = api.list_all(&format!("/api/v1/audit/events?stream={}", text(first, "stream")?)).await?;
    ensure!(stream.iter().all(|event| event["stream"] == first["stream"]) && !stream.is_empty());
    let correlation = text(&first["metadata"], "correlation_id")?;
    let related = api.list_all(&format!("/api/v1/audit/events?correlation_id={correlation}")).await?;
    ensure!(related.contains(first));
    let at = text(first, "recorded_at")?;
    let before = api.list_all(&format!("/api/v1/audit/events?to={at}")).await?;
    let after = api.list_all(&format!("/api/v1/audit/events?from={at}")).await?;
    ensure!(!before.contains(first) && after.contains(first) && before.len() + after.len() >= mine.len());
    let past = api.list_all(&format!("/api/v1/audit/events?after={}", first["position"])).await?;
    ensure!(past.iter().all(|event| event["position"].as_u64() > first["position"].as_u64()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_instant_it_goes_on_and_no_head_ever_changes() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let address = format!("127.0.0.1:{}", adapters::testing::ports::free_port()?);
    let options = ServerOptions::embedded(folder.path()).set("BIND", &address);
    let mut node = Node::start(options.clone())?;
    let api = Api::new(&format!("http://{address}"))?;
    let mut known = BTreeMap::new();
    for round in 0..6 {
        let written = write(&api, 400 + round * 20, 10 + round).await?;
        if round % 2 == 0 {
            covering(&api, written).await?;
        }
        // before, while or after a head is written: each time somewhere else
        tokio::task::block_in_place(|| node.kill())?;
        tokio::task::block_in_place(|| node.resume())?;
        covering(&api, written).await?;
        let heads = check_heads(&api).await?;
        for (size, root) in &known {
            ensure!(heads.get(size) == Some(root), "the head of {size} events has changed");
        }
        known = heads;
    }
    ensure!(known.len() >= 3, "{known:?}");
    ensure!(node.terminate()?.success());
    // what was sealed is what the log holds
    let history = History::stored(&options).await?;
    let (log, mut tree) = (log_id(&history.events[0]), domain::merkle::Frontier::default());
    for event in &history.events {
        tree.push(Entry::of(log, event).leaf());
        ensure!(known.get(&event.position.0).is_none_or(|root| *root == tree.root()));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_nodes_one_seals_and_when_it_dies_the_other_goes_on_with_the_same_key() -> Result<()> {
    let url = database().await;
    let mut pair = Installation::start(&url, &[])?;
    let [first, second] = pair.apis.clone();
    let written = write(&first, 500, 5).await?;
    let one = covering(&first, written).await?;
    let other = covering(&second, written).await?;
    ensure!(one["key"] == other["key"], "the nodes have different keys");
    let before = check_heads(&second).await?;
    let owner = async || -> Result<String> {
        let pool = sqlx::PgPool::connect(&url).await?;
        let held = "SELECT owner FROM work_leases WHERE job = 'sealer'";
        Ok(sqlx::query_scalar(held).fetch_one(&pool).await?)
    };
    let sealed_by = owner().await?;
    // whichever it is: the first that started owns the jobs
    tokio::task::block_in_place(|| pair.nodes[0].kill())?;
    let written = write(&second, 600, 5).await?;
    let after = covering(&second, written).await?;
    ensure!(after["key"] == one["key"], "the key changed with the owner");
    ensure!(owner().await? != sealed_by, "nobody took the job over");
    let heads = check_heads(&second).await?;
    ensure!(before.iter().all(|(size, root)| heads.get(size) == Some(root)), "a head has changed");
    tokio::task::block_in_place(|| pair.nodes[0].resume())?;
    let written = write(&first, 700, 2).await?;
    covering(&first, written).await?;
    ensure!(check_heads(&first).await?.len() > heads.len());
    pair.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn witnesses_hear_of_heads_and_one_that_hangs_delays_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let witness = Receiver::start(|_| Answers::Status(200, "")).await?;
    let file = folder.path().join("newest checkpoint");
    let options = ServerOptions::embedded(&folder.path().join("data"));
    let told = options
        .clone()
        .set("AUDIT_WITNESS_URL", &format!("{}/keep", witness.url))
        .set("AUDIT_CHECKPOINT_FILE", &file.display().to_string());
    let server = Server::start(&told)?;
    let api = Api::new(&server.base)?;
    let written = write(&api, 800, 3).await?;
    let latest = covering(&api, written).await?;
    let key: NoteVerifier = text(&latest, "key")?.parse()?;
    until("the witnesses to hear of it", SOON, async || {
        let kept = witness.at("/keep");
        let newest = kept.last().context("nothing yet")?;
        let posted: SignedCheckpoint = std::str::from_utf8(&newest.body)?.parse()?;
        let filed: SignedCheckpoint = std::fs::read_to_string(&file)?.parse()?;
        key.verify(&posted)?;
        key.verify(&filed)?;
        Ok((posted.checkpoint.size >= written && filed.checkpoint.size >= written).then_some(()))
    })
    .await?;
    server.terminate()?;

    let hanging = Receiver::start(|_| Answers::Never).await?;
    let server = Server::start(&options.set("AUDIT_WITNESS_URL", &hanging.url))?;
    let api = Api::new(&server.base)?;
    let begun = std::time::Instant::now();
    for round in 0..3 {
        let written = write(&api, 810 + round * 5, 2).await?;
        covering(&api, written).await?;
    }
    ensure!(begun.elapsed() < Duration::from_secs(15), "a witness held the sealer up");
    ensure!(!hanging.received().is_empty());
    server.terminate()?;
    Ok(())
}
