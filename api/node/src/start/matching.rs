//! Starts the daily match of calls with the carrier's own records.

use actors::billing::matching::{self, MatchDeps, MatchOptions};
use api_http::backend::DEFAULT_CLIENT;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::calls::CallActors;
use super::stores::Stores;

/// Starts the job; the node that holds its lease does it.
pub(super) fn start(
    stores: &Stores,
    actors: &CallActors,
    tasks: &mut Vec<JoinHandle<()>>,
    stop: &CancellationToken,
) {
    let deps = MatchDeps {
        runtime: stores.runtime.clone(),
        telephony: actors.carriers.clone(),
        calls: stores.views.clone(),
        operator: DEFAULT_CLIENT,
        leases: stores.work.clone(),
    };
    tasks.push(tokio::spawn(matching::run(deps, MatchOptions::default(), stop.clone())));
}
