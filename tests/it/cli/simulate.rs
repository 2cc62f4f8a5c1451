//! `demo` and `simulate`.

use anyhow::Result;
use tests::client::Api;
use tests::server::{Server, ServerOptions};

use super::run::{node_of_the_simulation, voxledger, with_key};

#[test]
fn the_demo_shows_calls_and_leaves_nothing_to_wonder_about() -> Result<()> {
    let flags = ["demo", "--once", "--bind", "127.0.0.1:0", "--rate", "100", "--pace", "0"];
    let run = voxledger(&flags, &with_key())?.succeeded();
    assert_eq!(run.err, "", "a newcomer sees no log");
    run.says("/docs").says(tests::client::TEST_KEY).says("20 of 20 calls are as they should be");
    Ok(())
}

#[test]
fn a_taken_port_is_said_with_the_flag_that_helps() -> Result<()> {
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    voxledger(&["demo", "--bind", &address], &with_key())?.failed().complains(&address).complains("--bind");
    // the setting holds as it does for `serve`
    voxledger(&["demo"], &with_key().set("BIND", &address))?.failed().complains(&address);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulation_agrees_with_the_node_although_webhooks_repeat_and_overtake() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (server, listen) = node_of_the_simulation(folder.path())?;
    let flags = ["simulate", "--url", &server.base, "--listen", &listen, "--calls", "60", "--rate", "100"];
    let mischief = ["--duplicate=0.3", "--shuffle=0.3", "--unknown", "--delay", "--drop-answers"];
    let run = voxledger(&[&flags[..], &mischief[..]].concat(), &with_key())?.succeeded();
    run.says("60 of 60 calls are as they should be").says("sent twice on purpose").says("call.hangup");

    // and again: numbers exist, the seed is the same, the calls are others
    voxledger(&flags, &with_key())?.succeeded().says("60 of 60");
    let calls = Api::new(&server.base)?.list_all("/api/v1/calls").await?;
    assert_eq!(calls.len(), 120, "every line of the carrier is one call");
    Ok(())
}

#[test]
fn a_node_that_does_not_know_the_carrier_is_told_how_to() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(&ServerOptions::embedded(folder.path()))?;
    let flags = ["simulate", "--url", &server.base, "--listen", "127.0.0.1:0"];
    let run = voxledger(&flags, &with_key())?.failed();
    for setting in ["PUBLIC_KEY", "API_KEY", "API_BASE", "CONNECTION_ID"] {
        assert!(run.err.contains(&format!("export VOXLEDGER_TELNYX_{setting}=")), "{}", run.err);
    }
    let no_key = ServerOptions::bare();
    voxledger(&flags, &no_key)?.failed().complains("--key");
    voxledger(&[&flags[..], &["--key", "vx_wrong"]].concat(), &no_key)?.failed().complains("owner key");
    Ok(())
}
