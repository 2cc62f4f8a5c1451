//! `voxledger doctor`: checks that everything is there that the node needs.

mod checks;
mod models;
mod pages;
mod prove;
mod zones;

use std::process::ExitCode;

use clap::Args;

use self::checks::examine;
use super::config_args::StoreArgs;
use super::serve::runtime;
use super::table::table;
use crate::out::put;

/// Flags of the command `doctor`.
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// Read every page and index of embedded stores, however long it takes.
    #[arg(long)]
    pub deep: bool,
    /// Prove that an event store keeps what a node relies on, and nothing else: sqlite:PATH, postgres://… or
    /// kurrentdb://….
    ///
    /// It works beside everything that the store holds, and touches none of it: in a folder beside the file, in a schema
    /// of its own, in streams with a prefix of their own, which it names. A line for each promise says whether it is
    /// held. Exits with 0 when all are, with 2 when one is broken, with 1 when the store could not be reached or used.
    #[arg(long, value_name = "ADDRESS")]
    pub prove_event_store: Option<String>,
    /// With --prove-event-store: print the result as JSON.
    #[arg(long, requires = "prove_event_store")]
    pub json: bool,
    /// Where the log, the views and the settings are.
    #[command(flatten)]
    pub stores: StoreArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ok,
    /// The node works, but the operator should know about this.
    Warn,
    /// A node would not work.
    Fail,
}

/// Result of a check.
#[derive(Debug)]
struct Finding {
    what: &'static str,
    state: State,
    found: String,
    /// What the operator should do next.
    advice: String,
}

impl Finding {
    fn ok(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, state: State::Ok, found: found.into(), advice: String::new() }
    }

    fn warn(what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what, state: State::Warn, found: found.into(), advice: advice.into() }
    }

    fn fail(what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what, state: State::Fail, found: found.into(), advice: advice.into() }
    }

    fn failed(&self) -> bool {
        self.state == State::Fail
    }
}

/// Runs the checks, changes nothing, and prints the findings. The exit code says whether a node would work.
pub fn run(args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    if let Some(address) = &args.prove_event_store {
        return prove::run(address, args.json);
    }
    let findings = match args.stores.load(&[]) {
        Ok(config) => {
            let mut findings = vec![Finding::ok("configuration", "can be read")];
            findings.extend(runtime().block_on(examine(&config, args.deep)));
            findings
        }
        Err(error) => vec![Finding::fail("configuration", format!("{error:#}"), "correct this setting")],
    };
    put!("{}", report(&findings));
    Ok(if findings.iter().any(Finding::failed) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn report(findings: &[Finding]) -> String {
    let rows = findings.iter().map(|finding| {
        let state = match finding.state {
            State::Ok => "ok",
            State::Warn => "warn",
            State::Fail => "FAIL",
        };
        [state.to_owned(), finding.what.to_owned(), finding.found.clone()]
    });
    let mut text = table(["", "what", "found"], rows) + "\n\n";
    for Finding { what, advice, .. } in findings.iter().filter(|finding| !finding.advice.is_empty()) {
        text += &format!("{what}: {advice}\n");
    }
    let count = |state| findings.iter().filter(|finding| finding.state == state).count();
    let (warnings, failures) = (count(State::Warn), count(State::Fail));
    text + &format!("{failures} to put right, {warnings} to know about\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_to_do_about_each_finding_and_counts_them() {
        let findings = [
            Finding::ok("clock", "fine"),
            Finding::warn("disk", "10 MiB free", "make room"),
            Finding::fail("stores", "gone", "bring them back"),
        ];
        let text = report(&findings);
        assert!(text.contains("make room") && text.contains("bring them back"), "{text}");
        assert!(text.ends_with("1 to put right, 1 to know about\n"), "{text}");
    }
}
