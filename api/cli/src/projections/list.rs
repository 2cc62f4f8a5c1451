//! Lists the views with their progress.

use domain::envelope::{Position, Time};
use domain::ports::event_store::EventStore;
use projections::runner::{Deps, projection_names};
use projections::store::ProjectionStatus;
use serde_json::{Value, json};

use crate::out::say;
use crate::table::{count, table};

/// A row of the printed list.
#[derive(Debug)]
struct Line {
    name: &'static str,
    status: Option<ProjectionStatus>,
    lag: u64,
    lag_seconds: f64,
    /// Positions of generations that are being built, or were left by an interrupted rebuild.
    others: Vec<Position>,
}

pub(super) async fn list(deps: &Deps, json: bool) -> anyhow::Result<()> {
    let head = deps.log.head().await?;
    let mut statuses = deps.views.statuses().await?;
    let mut lines = Vec::new();
    for name in projection_names() {
        let at = statuses.iter().position(|status| status.name == *name);
        let status = at.map(|at| statuses.swap_remove(at));
        let position = status.as_ref().map_or(Position::START, |status| status.position);
        let others = match status {
            Some(_) => {
                deps.views.generations(name).await?.into_iter().skip(1).map(|it| it.position).collect()
            }
            None => Vec::new(),
        };
        let lag_seconds = seconds_behind(&*deps.log, position, deps.clock.now()).await?;
        let lag = head.0.saturating_sub(position.0);
        lines.push(Line { name, status, lag, lag_seconds, others });
    }
    if json {
        say!("{:#}", Value::from_iter(lines.iter().map(Line::json)));
    } else {
        let head_line = ["view", "generation", "position", "behind", "seconds", "state", "worked on by"];
        say!("{}\n\nthe log ends at {head}", table(head_line, lines.iter().map(Line::cells)));
    }
    Ok(())
}

/// Age in seconds of the oldest event that a view has not applied.
async fn seconds_behind(log: &dyn EventStore, position: Position, now: Time) -> anyhow::Result<f64> {
    let next = log.read_all(position, 1).await?;
    Ok(next.first().map_or(0.0, |event| (now - event.recorded_at).as_seconds_f64().max(0.0)))
}

impl Line {
    fn state(&self) -> String {
        let Some(status) = &self.status else { return "not begun".to_owned() };
        match (&status.stall, self.others.first()) {
            (Some(stall), _) => {
                format!("stands still at {} ({}): {}", stall.position, stall.event_type, stall.reason)
            }
            (None, Some(position)) => format!("fine; another generation is at {position}"),
            (None, None) => "fine".to_owned(),
        }
    }

    fn cells(&self) -> [String; 7] {
        let status = self.status.as_ref();
        [
            self.name.to_owned(),
            status.map_or_else(String::new, |status| status.generation.0.to_string()),
            status.map_or_else(|| "0".to_owned(), |status| count(status.position.0)),
            count(self.lag),
            format!("{:.1}", self.lag_seconds),
            self.state(),
            status.and_then(|status| status.owner.clone()).unwrap_or_else(|| "nobody".to_owned()),
        ]
    }

    fn json(&self) -> Value {
        let status = self.status.as_ref();
        json!({
            "name": self.name,
            "generation": status.map(|status| status.generation.0),
            "position": status.map_or(0, |status| status.position.0),
            "lag_events": self.lag,
            "lag_seconds": self.lag_seconds,
            "stall": status.and_then(|status| status.stall.as_ref()).map(|stall| json!({
                "position": stall.position.0, "event_type": stall.event_type, "reason": stall.reason,
            })),
            "owner": status.and_then(|status| status.owner.clone()),
            "other_generations_at": self.others.iter().map(|position| position.0).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use projections::store::{Generation, Stall};

    use super::*;

    fn line(stall: Option<Stall>, others: Vec<Position>) -> Line {
        let status = ProjectionStatus {
            name: "calls".to_owned(),
            generation: Generation(2),
            position: Position(1_500),
            event: None,
            stall,
            owner: None,
        };
        Line { name: "calls", status: Some(status), lag: 12, lag_seconds: 3.25, others }
    }

    #[test]
    fn a_view_that_stands_still_says_where_and_why() {
        let stall =
            Stall { position: Position(1_501), event_type: "call.odd".into(), reason: "unknown".into() };
        let line = line(Some(stall), Vec::new());
        assert_eq!(line.cells()[5], "stands still at 1501 (call.odd): unknown");
        assert_eq!(line.json()["stall"]["position"], 1_501);
    }

    #[test]
    fn a_view_shows_how_far_behind_it_is_and_what_is_built_beside_it() {
        let line = line(None, vec![Position(7)]);
        assert_eq!(
            line.cells(),
            ["calls", "2", "1 500", "12", "3.2", "fine; another generation is at 7", "nobody"]
        );
        let never = Line { name: "calls", status: None, lag: 3, lag_seconds: 0.0, others: Vec::new() };
        assert_eq!((never.state().as_str(), never.json()["position"].as_u64()), ("not begun", Some(0)));
    }
}
