//! `voxledger doctor --prove-event-store`: the suite of the event store, run against an operator's own server.

mod place;

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use adapters::event_store::Target;
use anyhow::Context as _;
use conformance::event_store::{CASES, Case};
use futures::FutureExt as _;
use serde_json::json;

use self::place::{Fresh, Place};
use crate::out::{complain, say, tell};
use crate::serve::runtime;

/// Exit code when a promise is broken, unlike a store that could not be reached (1).
const BROKEN: u8 = 2;
/// Time limit of one case, however slow the store is.
const PATIENCE: Duration = Duration::from_secs(300);
/// Most letters of what a broken case saw.
const SEEN: usize = 400;

/// What came of a case.
#[derive(Debug)]
struct Verdict {
    case: &'static Case,
    /// What was seen where the promise is broken.
    broken: Option<String>,
    took: Duration,
}

/// Runs every case in a place of its own, and prints a line for each. Fails when the store cannot be reached or used.
pub(super) fn run(address: &str, json: bool) -> anyhow::Result<ExitCode> {
    let target: Target = address.parse().context("--prove-event-store cannot be used")?;
    let place = Place::beside(&target, address)?;
    // a broken promise is a panic of its case, and told below
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let proven = runtime().block_on(prove(&place, json));
    std::panic::set_hook(hook);
    let verdicts = proven.with_context(|| format!("cannot prove anything of {target}"))?;
    let broken = verdicts.iter().filter(|verdict| verdict.broken.is_some()).count();
    if json {
        say!("{}", document(&target, &verdicts, place.left().as_deref()));
    } else {
        say!("\n{} of {} promises are held", verdicts.len() - broken, verdicts.len());
        if let Some(left) = place.left() {
            say!("{left}");
        }
    }
    Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::from(BROKEN) })
}

async fn prove(place: &Place, json: bool) -> anyhow::Result<Vec<Verdict>> {
    tell(format_args!("works in {}", place.words()));
    let mut verdicts = Vec::with_capacity(CASES.len());
    for (n, case) in CASES.iter().enumerate() {
        let tried = n + 1;
        let fresh = place.fresh(n).await?;
        let verdict = judge(case, &fresh).await;
        // a store that went away breaks no promise
        let gone = if verdict.broken.is_some() { fresh.log.probe().await.err() } else { None };
        fresh.log.close().await;
        drop(fresh);
        if let Err(error) = place.clear(n).await {
            complain(format_args!("{error:#}"));
        }
        if let Some(error) = gone {
            return Err(anyhow::Error::new(error)
                .context(format!("it went away while promise {tried} of {} was tried", CASES.len())));
        }
        if !json {
            match &verdict.broken {
                None => say!("held    {}", case.promise),
                Some(seen) => say!("BROKEN  {}\n        {} ({seen})", case.promise, case.name),
            }
        }
        verdicts.push(verdict);
    }
    Ok(verdicts)
}

async fn judge(case: &'static Case, fresh: &Fresh) -> Verdict {
    let began = Instant::now();
    let run = AssertUnwindSafe((case.run)(&fresh.subject)).catch_unwind();
    let broken = match tokio::time::timeout(PATIENCE, run).await {
        Ok(Ok(())) => None,
        Ok(Err(panic)) => Some(seen(&*panic)),
        Err(_) => Some(format!("it was not done after {} s", PATIENCE.as_secs())),
    };
    Verdict { case, broken, took: began.elapsed() }
}

/// The message of a panic, in one line.
fn seen(panic: &(dyn Any + Send)) -> String {
    let message = panic.downcast_ref::<String>().map(String::as_str);
    let message = message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it broke off");
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SEEN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn document(target: &Target, verdicts: &[Verdict], left: Option<&str>) -> serde_json::Value {
    let promises: Vec<_> = verdicts
        .iter()
        .map(|verdict| {
            json!({
                "name": verdict.case.name,
                "promise": verdict.case.promise,
                "held": verdict.broken.is_none(),
                "seen": verdict.broken,
                "ms": verdict.took.as_millis() as u64,
            })
        })
        .collect();
    let broken = verdicts.iter().filter(|verdict| verdict.broken.is_some()).count();
    json!({
        "event_store": target.to_string(),
        "held": verdicts.len() - broken,
        "broken": broken,
        "left": left,
        "promises": promises,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_one_line_of_bounded_length() {
        let panic = |text: &str| std::panic::catch_unwind(|| panic!("{text}")).unwrap_err();
        assert_eq!(seen(&*panic("left: 1\n right:   2")), "left: 1 right: 2");
        assert_eq!(seen(&*panic(&"ü".repeat(9_999))).chars().count(), SEEN + 1);
    }
}
