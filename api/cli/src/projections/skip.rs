//! Skips an event that a view cannot apply.

use domain::envelope::Position;
use projections::runner::Deps;

use super::known;
use crate::out::say;

pub(super) async fn skip(deps: &Deps, name: &str, position: u64, force: bool) -> anyhow::Result<()> {
    let name = known(name)?;
    let position = Position(position);
    let head = deps.log.head().await?;
    anyhow::ensure!(
        position > Position::START && position <= head,
        "there is no event at {position}; the log ends at {head}"
    );
    let statuses = deps.views.statuses().await?;
    let stall = statuses.into_iter().find(|status| status.name == name).and_then(|status| status.stall);
    let stalled_here = stall.as_ref().is_some_and(|stall| stall.position == position);
    if !stalled_here && !force {
        match stall {
            Some(stall) => {
                anyhow::bail!("view `{name}` stands still at {}, not at {position}", stall.position)
            }
            None => anyhow::bail!(
                "view `{name}` does not stand still; use --force for an event that a rebuild cannot read"
            ),
        }
    }
    deps.views.skip(name, position).await?;
    say!("view `{name}` passes over the event at {position}; a running node goes on within a second");
    Ok(())
}
