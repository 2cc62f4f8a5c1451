//! Starts the actors of calls and IVR sessions, and connects them to the carriers.

use std::sync::Arc;
use std::time::Duration;

use actors::billing::{Billing, BillingOptions, Ledger, LedgerOptions, PriceBooks, SpendGuards};
use actors::call::{Calls, CallsOptions};
use actors::carrier::CarrierInbox;
use actors::ivr::{IvrDriver, IvrNewsChannel, IvrSessions};
use anyhow::Context as _;
use api_http::backend::{
    CallFeed, ClientCarriers, DEFAULT_CLIENT, Directories, UltravoxAccounts, UltravoxNode,
};
use api_http::limits::Gate;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::stores::Stores;
use crate::config::Config;

/// The shortest interval between two looks at a call's cover.
const SHORTEST_CHECK: Duration = Duration::from_millis(100);

/// The actors of calls and sessions, and the carriers.
pub(super) struct CallActors {
    pub(super) calls: Calls,
    pub(super) sessions: IvrSessions,
    pub(super) ivr: IvrDriver,
    pub(super) carriers: Arc<ClientCarriers>,
    pub(super) ultravox: Arc<UltravoxAccounts>,
    pub(super) inbox: CarrierInbox,
    pub(super) feed: CallFeed,
    pub(super) billing: Billing,
}

/// Starts the actors; they load what they need when they are first asked. Fails when the vault or the node's account
/// with a voice runtime cannot be used.
pub(super) async fn start(
    config: &Config,
    stores: &Stores,
    (directories, gate, ultravox): (&Directories, Arc<Gate>, UltravoxNode),
    tasks: &mut Vec<JoinHandle<()>>,
    stop: &CancellationToken,
) -> anyhow::Result<CallActors> {
    let (runtime, edges) = (&stores.runtime, &stores.edges);
    let options = live(config);
    let news = IvrNewsChannel::default();
    let calls = Calls::start(runtime.clone(), options, Some(news.of_calls()), stop.clone());
    let observer = Some(news.of_sessions());
    let menus = directories.menus.clone();
    let sessions = IvrSessions::start(runtime.clone(), options, menus, observer, stop.clone());
    let ivr = IvrDriver {
        runtime: runtime.clone(),
        calls: calls.clone(),
        sessions: sessions.clone(),
        webhooks: edges.step_webhooks.clone(),
        agents: directories.agents.clone(),
    };
    let (numbers, agents) = (directories.numbers.clone(), directories.agents.clone());
    let billing = Billing {
        runtime: runtime.clone(),
        calls: calls.clone(),
        ledger: Ledger::new(runtime.clone(), LedgerOptions::default(), stop.clone()),
        prices: PriceBooks::new(runtime.clone()),
        guards: SpendGuards::new(runtime.clone(), stores.secret("spend limits").await?),
        terms: gate,
        options: BillingOptions {
            hold_for: config.billing.hold,
            check_every: config.billing.check.max(SHORTEST_CHECK),
            farewell: config.billing.farewell.clone(),
        },
    };
    let inbox = CarrierInbox::new(runtime.clone(), calls.clone(), numbers, agents, DEFAULT_CLIENT);
    let inbox = inbox.covered_by(billing.clone());
    let (vault, own) = (edges.vault.clone(), edges.telephony.clone());
    let carriers = Arc::new(ClientCarriers::new(runtime.clone(), vault, own, edges.telnyx.clone()));
    let accounts = UltravoxAccounts::new(runtime.clone(), edges.vault.clone(), ultravox);
    let ultravox = Arc::new(accounts.context("ultravox settings cannot be used")?);
    let feed = CallFeed::new(runtime.store.clone());
    tasks.push(tokio::spawn(feed.clone().run(stop.clone())));
    tasks.push(tokio::spawn(ivr.clone().run(news, stop.clone())));
    tracing::debug!("the actors of calls are ready");
    Ok(CallActors { calls, sessions, ivr, carriers, ultravox, inbox, feed, billing })
}

/// How long actors stay in memory.
pub(super) fn live(config: &Config) -> CallsOptions {
    CallsOptions { idle_after: config.actors.idle, ..CallsOptions::default() }
}
