//! Rebuilds views beside the old ones.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use projections::runner::{self, Deps, RebuildReport, Settings, projection_names};

use super::known;
use crate::out::say;
use crate::stores::node_is_running;
use crate::table::{count, numbers};
use api_node::config::{Config, ReadModelsUrl};

/// Rebuilds a view, or all of them, and prints the results.
pub(super) async fn rebuild(config: &Config, deps: &Deps, name: Option<&str>) -> anyhow::Result<()> {
    let names = match name {
        Some(name) => vec![known(name)?],
        None => projection_names().to_vec(),
    };
    let shares = matches!(config.storage.read_models(), ReadModelsUrl::Sqlite(_)) && node_is_running(config);
    let mut reports = Vec::new();
    for name in names {
        reports.push(rebuild_one(deps, name, shares).await?);
    }
    say!("{}", table_of(&reports));
    for report in reports.iter().filter(|report| !report.difference.is_equal()) {
        say!(
            "\nthe old rows of `{}` were not what the log says; the new ones, which are in use now, are",
            report.projection
        );
    }
    Ok(())
}

/// Rebuilds one view. `shares` says that a node writes to the same file meanwhile.
async fn rebuild_one(deps: &Deps, name: &str, shares: bool) -> anyhow::Result<RebuildReport> {
    let bar = ProgressBar::new(0);
    let template = "{spinner} {prefix} {pos}/{len} events [{bar:30}] {per_sec} {elapsed}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(name.to_owned());
    let mut step_began = Instant::now();
    let mut watch = |progress: runner::RebuildProgress| {
        bar.set_length(progress.head.0);
        bar.set_position(progress.position.0);
        if shares {
            // the file has one writer at a time and no queue: leave the node as much time as this step took
            std::thread::sleep(step_began.elapsed().min(LONGEST_BREAK));
        }
        step_began = Instant::now();
    };
    // short steps, because a node shares the file
    let pages_per_commit = if shares { 1 } else { Settings::default().pages_per_commit };
    let settings = Settings { pages_per_commit, ..Settings::default() };
    let report = runner::rebuild(deps, &settings, name, &mut watch).await;
    bar.finish_and_clear();
    report.map_err(|error| anyhow::Error::new(error).context(format!("view `{name}` is as it was")))
}

/// The longest pause between two steps.
const LONGEST_BREAK: Duration = Duration::from_millis(250);

fn table_of(reports: &[RebuildReport]) -> String {
    let rows = reports.iter().map(|report| {
        let seconds = report.applying.as_secs_f64();
        let difference = &report.difference;
        [
            report.projection.clone(),
            report.generation.0.to_string(),
            count(report.events),
            format!("{seconds:.2}"),
            count((report.events as f64 / seconds.max(0.001)) as u64),
            count(difference.differing),
            count(difference.missing),
            count(difference.extra),
            count(report.discarded),
        ]
    });
    let head = [
        "view",
        "generation",
        "events",
        "seconds",
        "a second",
        "rows that differed",
        "only in the old",
        "only in the new",
        "old rows removed",
    ];
    numbers(head, rows)
}

#[cfg(test)]
mod tests {
    use projections::store::{Comparison, Generation};

    use super::*;

    #[test]
    fn a_rebuild_is_told_in_a_line() {
        let report = RebuildReport {
            projection: "calls".to_owned(),
            generation: Generation(3),
            events: 20_000,
            applying: Duration::from_millis(500),
            difference: Comparison { differing: 1, missing: 2, extra: 4 },
            discarded: 900,
        };
        let text = table_of(&[report]);
        let cells: Vec<_> = text.lines().last().unwrap().split("  ").map(str::trim).collect();
        let cells: Vec<_> = cells.into_iter().filter(|cell| !cell.is_empty()).collect();
        assert_eq!(cells, ["calls", "3", "20 000", "0.50", "40 000", "1", "2", "4", "900"]);
    }
}
