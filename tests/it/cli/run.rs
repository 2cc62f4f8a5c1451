//! One run of the binary, from its start to its end.

use std::process::{Command, Stdio};

use adapters::testing::ports::free_port;
use adapters::testing::postgres::Cluster;
use anyhow::Result;
use tests::client::TEST_KEY;
use tests::server::{Server, ServerOptions, binary};

/// What a command printed, and how it ended.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Run {
    pub fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    pub fn failed(self) -> Self {
        assert_eq!(self.code, Some(1), "{self:#?}");
        self
    }

    pub fn says(self, text: &str) -> Self {
        assert!(self.out.contains(text), "no {text:?} in {self:#?}");
        self
    }

    pub fn complains(self, text: &str) -> Self {
        assert!(self.err.contains(text), "no {text:?} in {self:#?}");
        self
    }
}

/// Runs the binary in a folder of its own, with nothing in its environment but what is given.
pub fn voxledger(arguments: &[&str], options: &ServerOptions) -> Result<Run> {
    let folder = tempfile::tempdir()?;
    let mut command = Command::new(binary()?);
    command.args(arguments).current_dir(folder.path()).stdin(Stdio::null());
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.envs(options.env.iter().map(|(name, value)| (format!("VOXLEDGER_{name}"), value)));
    let output = command.output()?;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Ok(Run { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) })
}

/// No settings but the key of the nodes under test.
pub fn with_key() -> ServerOptions {
    ServerOptions::bare().set("BOOTSTRAP_KEY", TEST_KEY)
}

/// A node that works with the carrier `simulate --listen ADDRESS` plays, and that address.
pub fn node_of_the_simulation(data_dir: &std::path::Path) -> Result<(Server, String)> {
    let address = format!("127.0.0.1:{}", free_port()?);
    let settings = voxledger(&["simulate", "--settings", "--listen", &address], &with_key())?.succeeded();
    let mut options = ServerOptions::embedded(data_dir);
    for line in settings.out.lines() {
        if let Some((name, value)) = line.trim_start_matches("export VOXLEDGER_").split_once('=') {
            options = options.set(name, value);
        }
    }
    Ok((Server::start(&options)?, address))
}

/// A fresh database on a PostgreSQL server of the tests' own.
pub async fn database() -> String {
    let shown = Cluster::shared().database().await.to_string();
    shown.replacen("://", "://voxledger@", 1)
}
