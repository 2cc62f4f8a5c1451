//! Two nodes on one PostgreSQL database, without a carrier.

use adapters::testing::ports::free_port;
use anyhow::{Result, ensure};
use tempfile::TempDir;

use crate::client::Api;
use crate::server::{Node, ServerOptions};

/// What opens the keys of an installation: 32 bytes, the same for all its nodes.
pub const MASTER_KEY: &str = "dHdvIG5vZGVzLCBvbmUgbWFzdGVyIGtleSBvZiAzMiE=";

/// Two nodes of one installation.
#[derive(Debug)]
pub struct Installation {
    pub nodes: [Node; 2],
    /// The REST API of each, with the owner's key.
    pub apis: [Api; 2],
    _folders: [TempDir; 2],
}

impl Installation {
    /// Starts them on the database at `url`, with what `settings` changes.
    pub fn start(url: &str, settings: &[(&str, &str)]) -> Result<Self> {
        let start = || -> Result<(Node, Api, TempDir)> {
            let folder = tempfile::tempdir()?;
            let address = format!("127.0.0.1:{}", free_port()?);
            let options = ServerOptions::postgres(folder.path(), url).set("BIND", &address);
            let options = options.set("MASTER_KEY", MASTER_KEY);
            let options = settings.iter().fold(options, |options, (name, value)| options.set(name, value));
            let node = tokio::task::block_in_place(|| Node::start(options))?;
            Ok((node, Api::new(&format!("http://{address}"))?, folder))
        };
        let ((first, a, one), (second, b, two)) = (start()?, start()?);
        Ok(Self { nodes: [first, second], apis: [a, b], _folders: [one, two] })
    }

    /// Stops both in good order.
    pub fn stop(self) -> Result<()> {
        for mut node in self.nodes {
            let status = tokio::task::block_in_place(|| node.terminate())?;
            ensure!(status.success(), "a node ended with {status}");
        }
        Ok(())
    }
}
