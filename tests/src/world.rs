//! A node with a fake carrier beside it: the node's webhooks come from the fake, its commands go there.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use adapters::clock::SystemClock;
use adapters::testing::ports::free_port;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use simulator::fake_telnyx::{FakeConfig, FakeTelnyx, Ledger};
use tempfile::TempDir;

use crate::client::Api;
use crate::server::{Node, ServerOptions};
use crate::until::{SOON, until};
use crate::webhook::{OUR_NUMBER, SEED};

/// The number outbound calls come from.
pub const CALLER_ID: &str = "+12025550100";
/// The key the fake carrier wants to see.
pub const CARRIER_KEY: &str = "KEY_of_the_fake_carrier";

/// A node, its folder, and its carrier.
#[derive(Debug)]
pub struct World {
    /// The node's folder; it outlives the node's process.
    pub folder: TempDir,
    pub node: Node,
    /// Its REST API, with the owner's key. The node keeps its address when it is started again.
    pub api: Api,
    pub carrier: FakeTelnyx,
}

/// What to change before anything starts.
#[derive(Debug)]
pub struct Plan {
    pub carrier: FakeConfig,
    pub options: ServerOptions,
}

impl World {
    /// A node on embedded stores with a well-behaved carrier that goes at full speed.
    pub async fn start() -> Result<Self> {
        Self::with(|_| {}).await
    }

    /// The same after `change`.
    pub async fn with(change: impl FnOnce(&mut Plan)) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let base = format!("http://{address}");
        let options = ServerOptions::embedded(folder.path()).set("BIND", &address);
        let mut plan = Plan { carrier: carrier_config(&format!("{base}/api/v1/webhooks/telnyx")), options };
        change(&mut plan);
        let carrier = FakeTelnyx::start(plan.carrier, Arc::new(SystemClock)).await?;
        let options = with_carrier(plan.options, &carrier);
        Ok(Self { folder, node: Node::start(options)?, api: Api::new(&base)?, carrier })
    }

    /// The folder with the embedded stores.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        self.folder.path()
    }

    /// Takes [`OUR_NUMBER`] into use: its calls are answered and greeted.
    pub async fn take_number(&self) -> Result<Value> {
        let body = json!({"number": OUR_NUMBER, "route": {"type": "agent"}});
        self.api.post("/api/v1/numbers", body).await?.data()
    }

    /// The call that a leg at the carrier belongs to, once the views show it.
    pub async fn call_of_leg(&self, control_id: &str) -> Result<Value> {
        until("a call for the leg", SOON, async || {
            let calls = self.api.list_all("/api/v1/calls").await?;
            Ok(calls.into_iter().find(|call| call["provider_call_id"] == control_id))
        })
        .await
    }

    /// The call, once `wanted` holds of it.
    pub async fn call_when(&self, id: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let mut last = Value::Null;
        let found = until("the call as wanted", SOON, async || {
            last = self.api.get(&format!("/api/v1/calls/{id}")).await?.data()?;
            Ok(wanted(&last).then(|| last.clone()))
        })
        .await;
        found.with_context(|| format!("the call is {last}"))
    }

    /// Places a call over REST and answers with it as queued.
    pub async fn dial(&self, order: Value) -> Result<Value> {
        self.api.post("/api/v1/calls", order).await?.data()
    }

    /// Stops the node in good order, then the carrier.
    pub async fn close(mut self) -> Result<Ledger> {
        if self.node.server().is_ok() {
            let status = self.node.terminate()?;
            anyhow::ensure!(status.success(), "the node ended with {status}");
        }
        Ok(self.carrier.shutdown().await)
    }
}

/// A carrier that sends its webhooks to `url` and loses patience within seconds.
#[must_use]
pub fn carrier_config(url: &str) -> FakeConfig {
    let mut config = FakeConfig::new(url);
    config.signing_seed = SEED;
    config.api_key = adapters::telephony::telnyx::ApiKey::new(CARRIER_KEY);
    config.retry_backoff = Duration::from_millis(100);
    config.attempts = 8;
    config
}

/// The settings a node needs to command `carrier`, beside those it has.
#[must_use]
pub fn with_carrier(options: ServerOptions, carrier: &FakeTelnyx) -> ServerOptions {
    let settings = [
        ("TELNYX_API_BASE", carrier.api_base()),
        ("TELNYX_API_KEY", CARRIER_KEY),
        ("TELNYX_CONNECTION_ID", "1900000000000000001"),
        ("TELNYX_CALLER_ID", CALLER_ID),
    ];
    settings.into_iter().fold(options, |options, (name, value)| match options.env.contains_key(name) {
        true => options,
        false => options.set(name, value),
    })
}
