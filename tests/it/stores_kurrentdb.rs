//! A KurrentDB that was restored from its own backup, beside the node's other stores: what heals, and what is refused.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use fake_kurrentdb::{FakeKurrentDb, Settings};
use serde_json::json;
use tests::client::Api;
use tests::server::{Server, ServerOptions};

use crate::cli::run::voxledger;
use crate::stores::refusal;

/// A node's log in KurrentDB, and its other stores in a folder.
struct Site {
    server: FakeKurrentDb,
    folder: tempfile::TempDir,
    options: ServerOptions,
}

impl Site {
    async fn start() -> Result<Self> {
        let server = FakeKurrentDb::start_with(Settings::default()).await?;
        let folder = tempfile::tempdir()?;
        let options = ServerOptions::embedded(folder.path()).set("EVENT_STORE", &server.address());
        Ok(Self { server, folder, options })
    }

    /// Starts the node, adds numbers, and stops it. Answers how many records the database has then.
    async fn add(&self, numbers: std::ops::Range<u32>) -> Result<usize> {
        let server = tokio::task::block_in_place(|| Server::start(&self.options))?;
        let api = Api::new(&server.base)?;
        for n in numbers {
            let number = json!({"number": format!("+1415555{n:04}"), "route": {"type": "reject"}});
            api.post("/api/v1/numbers", number).await?.data()?;
        }
        ensure!(tokio::task::block_in_place(|| server.terminate())?.success());
        Ok(self.server.log().records().len())
    }

    /// Starts the node and compares its numbers, then writes, stops, and has everything verified.
    async fn shows(&self, numbers: usize) -> Result<()> {
        let server = tokio::task::block_in_place(|| Server::start(&self.options))?;
        let api = Api::new(&server.base)?;
        let number = json!({"number": "+14155559999", "route": {"type": "reject"}});
        api.post("/api/v1/numbers", number).await?.data()?;
        let shown = api.list_all("/api/v1/numbers").await?.len();
        ensure!(shown == numbers + 1, "{shown} numbers");
        ensure!(tokio::task::block_in_place(|| server.terminate())?.success());
        self.run(&["audit", "verify", "--views"])?.succeeded().says("nothing is wrong");
        Ok(())
    }

    fn run(&self, arguments: &[&str]) -> Result<crate::cli::run::Run> {
        tokio::task::block_in_place(|| voxledger(arguments, &self.options))
    }
}

fn copy_stores(from: &Path, to: &Path, names: &[&str]) -> Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if names.iter().any(|wanted| name.starts_with(wanted)) {
            std::fs::copy(entry.path(), to.join(name))?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_restored_with_the_keys_and_seals_of_its_moment_goes_on_and_the_rest_is_made_again()
-> Result<()> {
    let site = Site::start().await?;
    let records = site.add(0..5).await?;
    let kept = tempfile::tempdir()?;
    copy_stores(site.folder.path(), kept.path(), &["keys.db", "events.seals.db"])?;
    site.add(5..10).await?;

    site.server.restore(records);
    copy_stores(kept.path(), site.folder.path(), &["keys.db", "events.seals.db"])?;
    // views, work and the replica of the log are still those of later
    site.shows(5).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_older_than_what_was_sealed_refuses_the_start_until_it_is_accepted() -> Result<()> {
    let site = Site::start().await?;
    let records = site.add(0..5).await?;
    site.add(5..10).await?;

    site.server.restore(records);
    let said = tokio::task::block_in_place(|| refusal(&site.options))?;
    ensure!(said.contains("audit accept-log"), "{said}");
    let told = site.run(&["audit", "accept-log"])?;
    ensure!(told.code == Some(2), "{told:#?}");
    let named =
        told.out.lines().find_map(|line| line.trim().strip_prefix("voxledger ")).context("a command")?;
    let named: Vec<&str> = named.split(' ').collect();
    site.run(&named)?.succeeded();
    site.shows(5).await
}
