//! `audit export` and `audit verify-export`, and exports over REST: proven with no database and no node.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tests::client::Api;
use tests::server::{Server, ServerOptions};
use tests::until::{SOON, until};

use super::run::{Run, database, voxledger, with_key};

async fn write(api: &Api, from: u32, count: u32) -> Result<Vec<Value>> {
    let mut numbers = Vec::new();
    for n in from..from + count {
        let number = json!({"number": format!("+1415555{n:04}"), "route": {"type": "agent"}});
        numbers.push(api.post("/api/v1/numbers", number).await?.data()?);
    }
    Ok(numbers)
}

async fn sealed(api: &Api) -> Result<(u64, String)> {
    let head = api.list_all("/api/v1/audit/events?client_id=all").await?;
    let head = head.last().context("an event")?["position"].as_u64();
    let latest = until("a checkpoint", SOON, async || {
        let latest = api.get("/api/v1/audit/checkpoints/latest").await?.data()?;
        Ok((latest["tree_size"].as_u64() >= head).then_some(latest))
    })
    .await?;
    let key = latest["key"].as_str().context("a key")?.to_owned();
    Ok((latest["tree_size"].as_u64().context("a size")?, key))
}

/// With nothing but the file and the key: no settings, no stores.
fn verify(file: &Path, key: &str, more: &[&str]) -> Result<Run> {
    let file = file.display().to_string();
    voxledger(&[&["audit", "verify-export", &file, "--key", key], more].concat(), &with_key())
}

/// What `--json` printed: the events, and after them the verdict.
fn events(run: &Run) -> Result<Vec<Value>> {
    let mut lines: Vec<Value> = run.out.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let verdict = lines.pop().context("a verdict")?;
    ensure!((&verdict["kind"], &verdict["verdict"]) == (&json!("verdict"), &json!("proven")), "{verdict}");
    ensure!(verdict["events"] == lines.len(), "{verdict}");
    ensure!(lines.iter().all(|line| line["kind"].is_null()), "an event is taken for a verdict");
    Ok(lines)
}

/// Everything of events but what happened.
fn envelopes(events: &[Value]) -> Vec<Value> {
    let without_data = |event: &Value| {
        let mut event = event.clone();
        event["data"].take();
        event
    };
    events.iter().map(without_data).collect()
}

fn refused(run: &Run, why: &str) -> Result<()> {
    ensure!(
        run.code == Some(2) && run.out.contains(why) && run.out.contains("proves nothing"),
        "{why}: {run:#?}"
    );
    Ok(())
}

#[tokio::test]
async fn an_export_is_proven_by_its_key_alone_and_nothing_else_is() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (engine, node) in [
        ("sqlite", ServerOptions::embedded(&folder.path().join("a"))),
        ("postgres", ServerOptions::postgres(&folder.path().join("b"), &database().await)),
    ] {
        let server = Server::start(&node)?;
        let api = Api::new(&server.base)?;
        let numbers = write(&api, 100, 20).await?;
        let (size, key) = sealed(&api).await?;
        let export = |name: &str, more: &[&str]| -> Result<std::path::PathBuf> {
            let file = folder.path().join(format!("{engine} {name}.jsonl.zst"));
            let path = file.display().to_string();
            voxledger(&[&["audit", "export", &path], more].concat(), &node)?.succeeded().says("proven by");
            Ok(file)
        };
        let all = export("all", &[])?;
        verify(&all, &key, &[])?.succeeded().says("are proven by the checkpoint of");
        let told = events(&verify(&all, &key, &["--json"])?.succeeded())?;
        ensure!(told.len() as u64 >= size, "{} of {size}", told.len());

        let id = numbers[7]["id"].as_str().context("an id")?;
        let one = export("one", &["--subject", id])?;
        let told = events(&verify(&one, &key, &["--json"])?.succeeded())?;
        let shown = api.list_all(&format!("/api/v1/numbers/{id}/events")).await?;
        ensure!(envelopes(&told) == envelopes(&shown), "as REST shows it");
        // but for personal data, which leaves sealed: nothing of it was erased
        ensure!(shown[0]["data"]["number"] == "+14155550107", "{shown:?}");
        ensure!(told[0]["data"]["number"] == "[sealed]", "{told:?}");
        let range = export("range", &["--from-position", "5", "--to-position", "9"])?;
        let told = events(&verify(&range, &key, &["--json"])?.succeeded())?;
        let positions: Vec<_> = told.iter().filter_map(|event| event["position"].as_u64()).collect();
        ensure!(positions == [5, 6, 7, 8, 9], "{positions:?}");
        let client =
            api.get("/api/v1/auth/me").await?.data()?["client"].as_str().context("a client")?.to_owned();
        let mine = export("mine", &["--client", &client, "--type", "number.added"])?;
        ensure!(events(&verify(&mine, &key, &["--json"])?.succeeded())?.len() == 20);
        let correlation = told[0]["metadata"]["correlation_id"].as_str().context("an id")?;
        let related = export("related", &["--correlation", correlation])?;
        ensure!(!events(&verify(&related, &key, &["--json"])?.succeeded())?.is_empty());

        let again = voxledger(&["audit", "export", &all.display().to_string()], &node)?;
        again.failed().complains("exists; name a new file");
        let beyond = folder.path().join("beyond").display().to_string();
        voxledger(&["audit", "export", &beyond, "--to-position", "999999"], &node)?
            .failed()
            .complains("events are sealed so far");
        server.terminate()?;

        // cut off, edited, another key
        let good = fs::read(&one)?;
        let bad = folder.path().join("bad");
        for end in [0, 3, good.len() / 2, good.len() - 1] {
            fs::write(&bad, &good[..end])?;
            refused(&verify(&bad, &key, &[])?, if end > 3 { "it is cut off" } else { "" })?;
        }
        for at in [4, good.len() / 2, good.len() - 2] {
            let mut edited = good.clone();
            edited[at] ^= 1;
            fs::write(&bad, edited)?;
            ensure!(verify(&bad, &key, &[])?.code == Some(2), "byte {at}");
        }
        let plain = zstd::decode_all(&good[..])?;
        fs::write(&bad, &plain)?;
        verify(&bad, &key, &[])?.succeeded();
        let text = String::from_utf8(plain)?;
        let position = told.len();
        ensure!(position > 0);
        for (from, to, why) in [
            ("\"type\":\"number.added\"", "\"type\":\"number.removed\"", "altered: the event"),
            ("\"schema\":1", "\"schema\":2", "altered: the event"),
            ("\"kind\":\"end\"", "\"kind\":\"start\"", "is none of an export's"),
            ("voxledger-export/1", "voxledger-export/2", "it is not an export this version knows"),
            (
                "\"checkpoint\":\"voxledger",
                "\"checkpoint\":\"voxledge",
                "its checkpoint is not to be trusted",
            ),
            ("{\"kind\":\"gap\",\"from\":1,", "{\"kind\":\"gap\",\"from\":2,", "something was left out"),
        ] {
            ensure!(text.contains(from), "no {from} in {text}");
            fs::write(&bad, text.replacen(from, to, 1))?;
            refused(&verify(&bad, &key, &[])?, why)?;
            let run = verify(&bad, &key, &["--json"])?;
            let verdict: Value = serde_json::from_str(&run.out)?;
            ensure!((run.code, &verdict["verdict"]) == (Some(2), &json!("proves_nothing")), "{run:#?}");
            ensure!(verdict["reason"].as_str().is_some_and(|reason| reason.contains(why)), "{verdict}");
        }
        // whoever drops the only event makes up another tree
        let lines: Vec<_> = text.lines().filter(|line| !line.contains("\"kind\":\"event\"")).collect();
        fs::write(&bad, lines.join("\n"))?;
        ensure!(verify(&bad, &key, &[])?.code == Some(2));
        let other = "voxledger/log/018f6d3c-1f1e-7c3a-9a55-0d9f3b6a7e10";
        let other = domain::merkle::NoteSigner::new(other.to_owned(), &[1; 32]).verifier().to_string();
        refused(&verify(&one, &other, &[])?, "its checkpoint is not to be trusted: it is about another log")?;
        let name = key.split('+').next().context("a name")?;
        let forged = domain::merkle::NoteSigner::new(name.to_owned(), &[1; 32]).verifier().to_string();
        refused(&verify(&one, &forged, &[])?, "it is not signed by this key")?;
        verify(&one, "no key", &[])?.failed().complains("cannot read the key file");
        verify(&folder.path().join("nowhere"), &key, &[])?.failed().complains("cannot read");
    }
    Ok(())
}

#[tokio::test]
async fn an_export_over_rest_is_ones_own_and_the_same_each_time() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let node = ServerOptions::embedded(&folder.path().join("data"));
    let server = Server::start(&node)?;
    let api = Api::new(&server.base)?;
    let other = api.post("/api/v1/auth/clients", json!({"name": "other"})).await?.data()?;
    let theirs = api.with_key(other["plain_key"].as_str());
    theirs.use_own_carrier().await?;
    write(&api, 100, 3).await?;
    write(&theirs, 200, 4).await?;

    let take = async |api: &Api, body: Value| -> Result<(Vec<Value>, Vec<u8>)> {
        let asked = api.post("/api/v1/audit/exports", body).await?;
        ensure!(asked.status == 202, "{}", asked.body);
        let path = asked.header("location").context("a location")?.to_owned();
        let ready = until("the export to be ready", SOON, async || {
            let export = api.get(&path).await?.data()?;
            Ok((export["status"] == "ready").then_some(export))
        })
        .await?;
        let url = ready["url"].as_str().context("an address")?;
        let (bundle, again) = (api.get(url).await?.bytes, api.get(url).await?.bytes);
        ensure!(bundle == again, "it is another one each time");
        let file = folder.path().join("bundle");
        fs::write(&file, &bundle)?;
        let told = events(&verify(&file, ready["key"].as_str().context("a key")?, &["--json"])?.succeeded())?;
        Ok((told, bundle))
    };
    let (mine, _) = take(&theirs, json!({"types": ["number.added"]})).await?;
    ensure!(mine.len() == 4, "{mine:?}");
    let (all, _) = take(&api, json!({"types": ["number.added"], "client_id": "all"})).await?;
    ensure!(all.len() == 7, "{all:?}");
    let (own, _) = take(&api, json!({"types": ["number.added"]})).await?;
    ensure!(own.len() == 3, "{own:?}");
    let (range, _) = take(&api, json!({"from_position": 2, "to_position": 4, "client_id": "all"})).await?;
    ensure!(range.len() == 3, "{range:?}");

    let refused = theirs.post("/api/v1/audit/exports", json!({"client_id": "all"})).await?;
    ensure!((refused.status, refused.code()) == (403, "platform_only"), "{}", refused.body);
    for body in [
        json!({"stream": "nobody"}),
        json!({"client_id": "me"}),
        json!({"from_position": 999_999}),
        json!({"types": vec!["x"; 101]}),
        json!({"stray": 1}),
    ] {
        let refused = api.post("/api/v1/audit/exports", body).await?;
        ensure!((refused.status, refused.code()) == (422, "invalid_request"), "{}", refused.body);
    }
    // the same request again is the same export
    let (first, again) = (
        api.post_once("/api/v1/audit/exports", "k1", &json!({})).await?,
        api.post_once("/api/v1/audit/exports", "k1", &json!({})).await?,
    );
    ensure!(first.body["data"]["id"] == again.body["data"]["id"]);
    let taken = api.list_all("/api/v1/audit/log?action=EXPORT_REQUESTED").await?;
    ensure!(taken.len() == 4, "who took history away is on record: {taken:?}");
    server.terminate()?;
    Ok(())
}
