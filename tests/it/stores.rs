//! P10 and P12: stores that do not belong together are healed or refused, and one that is taken away is noticed.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use simulator::fake_telnyx::CallScript;
use tests::client::Api;
use tests::server::{Server, ServerOptions};
use tests::until::{SOON, until};
use tests::webhook::OUR_NUMBER;
use tests::world::World;

use crate::cli::run::voxledger;

const CALLER: &str = "+12025550111";
const CHECK_LIMIT: Duration = Duration::from_secs(10);

async fn readiness(api: &Api) -> Result<Value> {
    Ok(api.with_key(None).get("/readyz").await?.body)
}

/// Whether a part of the node says that it is ready.
fn ready(readiness: &Value, name: &str) -> Option<bool> {
    let checks = readiness["checks"].as_array()?;
    checks.iter().find(|check| check["name"] == name)?["ready"].as_bool()
}

async fn until_ready(api: &Api, name: &str, wanted: bool) -> Result<Value> {
    until("the readiness wanted", CHECK_LIMIT, async || {
        let state = readiness(api).await?;
        Ok((ready(&state, name) == Some(wanted)).then_some(state))
    })
    .await
}

/// A caller comes in, is answered and greeted, and leaves.
async fn is_answered(world: &World) -> Result<()> {
    let script = CallScript::new(CALLER, OUR_NUMBER).talks(["hello"]);
    let call = world.carrier.place_call(script).await.ended().await.context("the carrier stopped")?;
    ensure!(call.unmet.is_empty(), "the caller waited in vain: {:?}", call.unmet);
    ensure!(call.spoken.len() == 1, "no greeting was spoken");
    Ok(())
}

pub fn refusal(options: &ServerOptions) -> Result<String> {
    match Server::start(options) {
        Ok(_) => anyhow::bail!("the node started"),
        Err(error) => Ok(error.to_string()),
    }
}

/// A folder with the stores of a node that took a number and stopped.
async fn used_folder() -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(&ServerOptions::embedded(folder.path()))?;
    let number = json!({"number": OUR_NUMBER, "route": {"type": "agent"}});
    Api::new(&server.base)?.post("/api/v1/numbers", number).await?.data()?;
    ensure!(server.terminate()?.success());
    Ok(folder)
}

/// A conversation in which the customer says `text`; its id.
async fn chat_with(api: &Api, customer: &str, text: &str) -> Result<String> {
    let said =
        api.post("/api/v1/conversation", json!({"message": text, "user_id": customer})).await?.data()?;
    Ok(said["conversation_id"].as_str().context("an id")?.to_owned())
}

fn remove(folder: &Path, name: &str) -> Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let file = folder.join(format!("{name}{suffix}"));
        if file.exists() {
            std::fs::remove_file(file)?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_store_that_is_missing_beside_a_log_refuses_the_start_and_is_not_made_anew() -> Result<()> {
    let folder = used_folder().await?;
    remove(folder.path(), "keys.db")?;
    let options = ServerOptions::embedded(folder.path());
    let said = refusal(&options)?;
    ensure!(
        said.contains("key store") && said.contains("missing") && said.contains("put the newest copy"),
        "{said}"
    );
    ensure!(!folder.path().join("keys.db").exists(), "an empty key store was made");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_older_than_the_log_refuse_the_start_until_they_are_accepted_and_erasures_are_done_again()
-> Result<()> {
    let folder = used_folder().await?;
    let options = ServerOptions::embedded(folder.path());
    let kept = folder.path().join("keys.db");
    let earlier = tempfile::tempdir()?;
    let copy = earlier.path().join("keys.db");

    // of two persons one is erased after the keys were copied
    let server = Server::start(&options)?;
    let api = Api::new(&server.base)?;
    let (hers, his) = (chat_with(&api, "c-1", "I am Ada").await?, chat_with(&api, "c-2", "I am Bob").await?);
    ensure!(server.terminate()?.success());
    std::fs::copy(&kept, &copy)?;
    let server = Server::start(&options)?;
    let api = Api::new(&server.base)?;
    let job = api.post("/api/v1/privacy/subjects/erase", json!({"customer_id": "c-1"})).await?.data()?;
    let job = format!("/api/v1/privacy/jobs/{}", job["id"].as_str().context("an id")?);
    until("the erasure", SOON, async || {
        Ok((api.get(&job).await?.data()?["status"] == "completed").then_some(()))
    })
    .await?;
    let late = chat_with(&api, "c-3", "I am Eve").await?;
    ensure!(server.terminate()?.success());
    // one head behind is a kill in between; this copy is older
    let server = Server::start(&options)?;
    Api::new(&server.base)?
        .post("/api/v1/numbers", json!({"number": "+12025550140", "route": {"type": "agent"}}))
        .await?
        .data()?;
    ensure!(server.terminate()?.success());

    remove(folder.path(), "keys.db")?;
    std::fs::copy(&copy, &kept)?;
    let said = refusal(&options)?;
    ensure!(
        said.contains("the key store is older than the log") && said.contains("keys accept-older"),
        "{said}"
    );
    let told = voxledger(&["keys", "accept-older"], &options)?;
    ensure!(told.code == Some(2), "{told:#?}");
    let known = told.out.rsplit("--known ").next().unwrap_or_default().trim().to_owned();
    voxledger(&["keys", "accept-older", "--known", "7"], &options)?.failed().complains("you named 7");
    refusal(&options)?;
    voxledger(&["keys", "accept-older", "--known", &known], &options)?.succeeded().says("is accepted");
    voxledger(&["keys", "accept-older"], &options)?.succeeded().says("nothing to accept");

    let server = Server::start(&options)?;
    let api = Api::new(&server.base)?;
    let said = async |id: &str| -> Result<Value> {
        Ok(api.list_all(&format!("/api/v1/conversations/{id}/messages")).await?[0]["content"].clone())
    };
    ensure!(said(&his).await? == "I am Bob");
    ensure!(said(&hers).await? == "[erased]", "her key came back with the older copy");
    let of_late = said(&late).await?;
    ensure!(of_late == "I am Eve" || of_late == "[erased]", "{of_late}");
    ensure!(server.terminate()?.success());
    voxledger(&["audit", "verify"], &options)?.succeeded().says("nothing is wrong");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_of_another_log_refuse_the_start() -> Result<()> {
    for name in ["views.db", "events.work.db", "keys.db"] {
        let (ours, other) = (used_folder().await?, used_folder().await?);
        remove(ours.path(), name)?;
        std::fs::copy(other.path().join(name), ours.path().join(name))?;
        if name == "keys.db" {
            std::fs::copy(other.path().join("master.key"), ours.path().join("master.key"))?;
        }
        let said = refusal(&ServerOptions::embedded(ours.path()))?;
        ensure!(said.contains("belongs to log"), "{name}: {said}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_log_beside_used_stores_refuses_the_start() -> Result<()> {
    let folder = used_folder().await?;
    remove(folder.path(), "events.db")?;
    remove(folder.path(), "events.seals.db")?;
    let said = refusal(&ServerOptions::embedded(folder.path()))?;
    ensure!(said.contains("the event store is empty"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn views_and_work_that_are_missing_or_damaged_come_back_from_the_log() -> Result<()> {
    let mut world = World::start().await?;
    world.take_number().await?;
    is_answered(&world).await?;
    let calls = async |api: &Api| -> Result<usize> {
        until("the call in the views", SOON, async || {
            let calls = api.list_all("/api/v1/calls").await?;
            Ok((!calls.is_empty()).then_some(calls.len()))
        })
        .await
    };
    let before = calls(&world.api).await?;
    for damage in [None, Some("this is no database")] {
        ensure!(world.node.terminate()?.success());
        for name in ["views.db", "events.work.db"] {
            remove(world.data_dir(), name)?;
            if let Some(text) = damage {
                std::fs::write(world.data_dir().join(name), text.repeat(500))?;
            }
        }
        world.node.resume()?;
        ensure!(calls(&world.api).await? == before);
    }
    is_answered(&world).await
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_driven_while_the_views_are_away() -> Result<()> {
    let mut world = World::start().await?;
    world.take_number().await?;
    ensure!(world.node.terminate()?.success());
    // a path that cannot be opened, as a disk that is not mounted
    let blocked = world.data_dir().join("not a folder");
    std::fs::write(&blocked, "")?;
    let away = format!("sqlite:{}", blocked.join("views.db").display());
    world.node.options = world.node.options.clone().set("READ_MODELS", &away);
    world.node.resume()?;
    is_answered(&world).await?;
    let state = readiness(&world.api).await?;
    ensure!(ready(&state, "projections") == Some(false), "{state}");
    ensure!(ready(&state, "outbox") == Some(true) && ready(&state, "event_store") == Some(true), "{state}");
    // what was driven meanwhile is shown once they are back
    std::fs::remove_file(&blocked)?;
    std::fs::create_dir(&blocked)?;
    until_ready(&world.api, "projections", true).await?;
    until("the call in the views", SOON, async || {
        Ok((!world.api.list_all("/api/v1/calls").await?.is_empty()).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn views_removed_under_a_running_node_come_back() -> Result<()> {
    let world = World::start().await?;
    world.take_number().await?;
    is_answered(&world).await?;
    for name in ["views.db", "events.work.db"] {
        remove(world.data_dir(), name)?;
    }
    is_answered(&world).await?;
    until("both calls in the views", SOON, async || {
        Ok((world.api.list_all("/api/v1/calls").await?.len() == 2).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_log_is_removed_acknowledges_nothing_more_and_leaves_a_copy() -> Result<()> {
    let mut world = World::start().await?;
    world.take_number().await?;
    is_answered(&world).await?;
    remove(world.data_dir(), "events.db")?;
    let number = json!({"number": "+12025550199", "route": {"type": "agent"}});
    // refused, or nobody is there any more to refuse it
    let answer = world.api.post("/api/v1/numbers", number.clone()).await;
    ensure!(answer.as_ref().map_or(true, |answer| answer.status >= 500), "{answer:?}");
    let status = until("the node to stop", SOON, async || world.node.ended()).await?;
    ensure!(!status.success(), "it ended with {status}");
    let rescued = world.data_dir().join("rescued/events.db");
    ensure!(rescued.exists(), "no copy was left");
    std::fs::rename(&rescued, world.data_dir().join("events.db"))?;
    world.node.resume()?;
    let numbers = world.api.list_all("/api/v1/numbers").await?;
    ensure!(numbers.len() == 1, "{numbers:?}");
    ensure!(world.api.list_all("/api/v1/calls").await?.len() == 1);
    world.api.post("/api/v1/numbers", number).await?.data().context("the node goes on")?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_by_readiness_and_everything_goes_on_when_there_is_room() -> Result<()> {
    let world = World::start().await?;
    world.take_number().await?;
    until_ready(&world.api, "event_store", true).await?;
    let server = world.node.server()?;
    server.limit_files(Some(0))?;
    for part in ["event_store", "key_store", "seals", "outbox"] {
        until_ready(&world.api, part, false).await?;
    }
    let number = json!({"number": "+12025550198", "route": {"type": "agent"}});
    ensure!(world.api.post("/api/v1/numbers", number.clone()).await?.status == 503);
    server.limit_files(None)?;
    for part in ["event_store", "key_store", "seals", "outbox", "projections"] {
        until_ready(&world.api, part, true).await?;
    }
    let added = world.api.post("/api/v1/numbers", number).await?.data()?;
    is_answered(&world).await?;
    // the sealer, too, writes again
    let path = format!("/api/v1/numbers/{}/events", added["id"].as_str().context("no id")?);
    let position = world.api.get(&path).await?.data()?[0]["position"].as_u64().context("no position")?;
    until("a head that covers it", SOON, async || {
        let latest = world.api.get("/api/v1/audit/checkpoints/latest").await?.data()?;
        Ok((latest["tree_size"].as_u64() >= Some(position)).then_some(()))
    })
    .await
}
