//! Compares every view with the log.

use std::sync::Arc;

use adapters::clock::SystemClock;
use adapters::event_store::EventLog;
use adapters::ids::RandomIds;
use domain::ports::ids::Ids as _;
use projections::runner::{self, Deps, Settings, projection_names};

use super::fault::{Faults, Kind};
use crate::out::say;
use crate::stores;
use crate::table::count;
use api_node::config::Config;
use api_node::{open_private, open_views};

/// Rebuilds every view aside and compares it with the rows in use, which stay unchanged.
pub(super) async fn compare(config: &Config, log: &EventLog, faults: &mut Faults) -> anyhow::Result<()> {
    stores::must_be_current(&stores::views(config)?).await?;
    let (private, vault) = open_private(config, log, true).await?;
    let deps = Deps {
        log: Arc::new(private.redacted()),
        views: Arc::new(open_views(config, &vault).await?),
        clock: Arc::new(SystemClock),
        owner: RandomIds.next().to_string(),
    };
    let settings = Settings { pages_per_commit: 1, ..Settings::default() };
    for name in projection_names() {
        match runner::compare(&deps, &settings, name, &mut |_| ()).await {
            Ok(report) if report.difference.is_equal() => {
                say!("view {name}: as {} events make it", count(report.events));
            }
            Ok(report) => {
                let difference = report.difference;
                let detail = format!(
                    "{name} is not what the log says: {} rows differ, {} are too many, {} are missing",
                    difference.differing, difference.missing, difference.extra
                );
                faults.add(Kind::View, 0, 0, detail);
            }
            Err(error) => {
                let error = anyhow::Error::new(error);
                faults.add(Kind::View, 0, 0, format!("{name} cannot be compared: {error:#}"));
            }
        }
    }
    Ok(())
}
