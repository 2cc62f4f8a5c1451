//! `audit replay`.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tests::client::Api;
use tests::server::{Server, ServerOptions};

use super::run::{database, voxledger};

#[tokio::test]
async fn a_resource_is_told_as_it_became_and_as_it_was_beside_the_node() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for node in
        [ServerOptions::embedded(folder.path()), ServerOptions::postgres(folder.path(), &database().await)]
    {
        let server = Server::start(&node)?;
        let api = Api::new(&server.base)?;
        let number = json!({"number": "+14155550160", "route": {"type": "agent"}});
        let number = api.post("/api/v1/numbers", number).await?.data()?;
        let id = number["id"].as_str().context("no id")?;
        let route = json!({"route": {"type": "reject"}}).to_string().into_bytes();
        let path = format!("/api/v1/numbers/{id}");
        assert_eq!(api.send("PATCH", &path, &[], Some(route)).await?.status, 200);
        let replay = |more: &[&str]| voxledger(&[&["audit", "replay", id], more].concat(), &node);

        let story = replay(&[])?.succeeded();
        let lines: Vec<_> = story.out.lines().filter(|line| line.contains("number.")).collect();
        assert_eq!(lines.len(), 2, "{}", story.out);
        assert!(lines[0].contains("number.added") && lines[0].contains("route.type=agent"), "{}", lines[0]);
        assert!(
            lines[1].contains("number.rerouted") && lines[1].contains("key_"),
            "who did it: {}",
            lines[1]
        );

        replay(&["--version", "1"])?.succeeded().says("\"type\":\"agent\"").says("after event 1 of 2");
        let now: Value = serde_json::from_str(&replay(&["--version", "9", "--json"])?.succeeded().out)?;
        assert_eq!(now, api.get(&path).await?.data()?, "as REST shows it");
        replay(&["--at", "2020-01-01T00:00:00Z"])?.failed().complains("did not exist then");

        let events = replay(&["--json"])?.succeeded();
        let events: Vec<Value> = events.out.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        assert_eq!(events, api.list_all(&format!("{path}/events")).await?, "as REST shows them");
        let stream = events[0]["stream"].as_str().context("no stream")?;
        voxledger(&["audit", "replay", stream], &node)?.succeeded().says("number.rerouted");
        server.terminate()?;
    }
    Ok(())
}

#[test]
fn what_is_not_in_the_log_is_said_so() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let node = ServerOptions::embedded(folder.path());
    let unknown = "call_01h455vb4pex5vsknk084sn02q";
    voxledger(&["audit", "replay", unknown], &node)?.failed().complains("no up-to-date schema");
    let _server = Server::start(&node)?;
    voxledger(&["audit", "replay", unknown], &node)?.failed().complains("there is no event of");
    voxledger(&["audit", "replay", "call_1"], &node)?.failed().complains("neither an id");
    Ok(())
}
