//! `voxledger log copy`: any engine to any engine.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use adapters::database::{Database, chain_in_words};
use adapters::event_store::{EventLog, Target};
use adapters::log_copy::{Copied, LogCopyError, SealsError, carry_seals, copy_log};
use adapters::seals::SealsDb;
use anyhow::Context as _;
use domain::ports::log_target::LogTarget;

use super::CopyArgs;
use super::progress::Progress;
use crate::out::{complain, say};
use crate::table::count;
use api_node::is_locked;

/// Exit code of a copy that cannot be made: the target holds something else, or the source is damaged.
const REFUSED: u8 = 2;
/// Exit code of a copy that is not whole, because the source is still written.
const GROWING: u8 = 3;

pub(super) async fn run(args: &CopyArgs) -> anyhow::Result<ExitCode> {
    let (from, to) = (target("--from", &args.from)?, target("--to", &args.to)?);
    anyhow::ensure!(!same(&from, &to), "source and target are the same log, {from}");
    let seals = args.seals.then(|| SealPlaces::of(args, &from, &to)).transpose()?;
    let source = EventLog::open_read_only(&from).await;
    let source = source.with_context(|| format!("cannot open the source {from}"))?;
    let opened = to.open_for_copy().await.with_context(|| format!("cannot open the target {to}"));
    let mut target = match opened {
        Ok(target) => target,
        Err(error) => {
            source.close().await;
            return Err(error);
        }
    };
    let transfer = Transfer { args, from: &from, to: &to, seals: seals.as_ref() };
    let done = transfer.run(&source, &mut *target).await;
    target.close().await;
    source.close().await;
    done
}

fn target(flag: &str, address: &str) -> anyhow::Result<Target> {
    address.parse().with_context(|| format!("{flag} cannot be used"))
}

/// Whether two addresses are known to name one log.
fn same(from: &Target, to: &Target) -> bool {
    let file = |target: &Target| match target {
        Target::Database(Database::Sqlite(path)) => path.canonicalize().ok(),
        _ => None,
    };
    from == to || file(from).is_some_and(|from| Some(from) == file(to))
}

/// The databases of the seals of both logs.
struct SealPlaces {
    from: Database,
    to: Database,
}

impl SealPlaces {
    fn of(args: &CopyArgs, from: &Target, to: &Target) -> anyhow::Result<Self> {
        let place = |flag: &str, given: Option<&String>, log: &Target| match (given, log) {
            (Some(address), _) => {
                address.parse::<Database>().with_context(|| format!("{flag} cannot be used"))
            }
            (None, Target::Database(Database::Sqlite(path))) => {
                Ok(Database::Sqlite(path.with_extension("seals.db")))
            }
            (None, Target::Database(server)) => Ok(server.clone()),
            (None, Target::Kurrent(_)) => anyhow::bail!(
                "say with {flag} where the seals of the log in KurrentDB are: the database of the key store, or \
                 sqlite:DATA_DIR/events.seals.db"
            ),
        };
        let places = Self {
            from: place("--from-seals", args.from_seals.as_ref(), from)?,
            to: place("--to-seals", args.to_seals.as_ref(), to)?,
        };
        anyhow::ensure!(places.from != places.to, "the seals of both logs are in the same place");
        if let Database::Sqlite(path) = &places.from {
            anyhow::ensure!(path.exists(), "there are no seals at {}", path.display());
        }
        Ok(places)
    }
}

struct Transfer<'a> {
    args: &'a CopyArgs,
    from: &'a Target,
    to: &'a Target,
    seals: Option<&'a SealPlaces>,
}

impl Transfer<'_> {
    async fn run(&self, source: &EventLog, target: &mut dyn LogTarget) -> anyhow::Result<ExitCode> {
        let began = Instant::now();
        let mut progress = Progress::start();
        let batch = usize::try_from(self.args.batch).unwrap_or(usize::MAX);
        let copied = copy_log(&source.store(), target, batch, &mut progress).await;
        progress.finish();
        let copied = match copied {
            Ok(copied) => copied,
            Err(error) if error.is_fault() => return Ok(self.refused(&error)),
            Err(error) => {
                return Err(anyhow::Error::new(error)
                    .context("the log was not copied to its end; the same command goes on from there"));
            }
        };
        self.report(&copied, began);
        if let Some(why) = self.still_written(&copied) {
            say!("{why}: stop the node that writes it, and run the same command again");
            return Ok(ExitCode::from(GROWING));
        }
        if let Some(places) = self.seals {
            return self.carry_seals(places, &copied, target).await;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn report(&self, copied: &Copied, began: Instant) {
        let new = copied.events - copied.before;
        let seconds = began.elapsed().as_secs_f64();
        say!(
            "{} events copied from {} to {} and read back in {seconds:.2} s ({} a second); {} were there already",
            count(new),
            self.from,
            self.to,
            count((new as f64 / seconds.max(1e-6)) as u64),
            count(copied.before),
        );
        say!("both logs have the root {} over {} events", copied.root, count(copied.events));
    }

    /// Why the target may lack events by now.
    fn still_written(&self, copied: &Copied) -> Option<String> {
        if copied.grown > 0 {
            return Some(format!("the source has {} events more by now", count(copied.grown)));
        }
        match self.from {
            Target::Database(Database::Sqlite(path)) if is_locked(&lock_of(path)) => {
                Some("the source is open in a node".to_owned())
            }
            _ => None,
        }
    }

    async fn carry_seals(
        &self,
        places: &SealPlaces,
        copied: &Copied,
        target: &dyn LogTarget,
    ) -> anyhow::Result<ExitCode> {
        let from = SealsDb::open_read_only(&places.from).await.context("cannot open the source's seals")?;
        let to = match SealsDb::open(&places.to).await {
            Ok(to) => to,
            Err(error) => {
                from.close().await;
                return Err(anyhow::Error::new(error).context("cannot open the target's seals"));
            }
        };
        let mut progress = Progress::start();
        let batch = usize::try_from(self.args.batch).unwrap_or(usize::MAX);
        let carried = carry_seals(&target.log(), copied, (&from, &to), batch, &mut progress).await;
        progress.finish();
        from.close().await;
        to.close().await;
        match carried {
            Ok(carried) => {
                say!(
                    "{} signed heads carried over; the newest covers {} events",
                    count(carried.heads),
                    count(carried.sealed)
                );
                Ok(ExitCode::SUCCESS)
            }
            Err(error) if error.is_fault() => {
                complain(format_args!("{}", chain_in_words(&error)));
                complain(format_args!("{}", seals_advice(&error)));
                Ok(ExitCode::from(REFUSED))
            }
            Err(error) => Err(anyhow::Error::new(error)
                .context("the log is copied, the seals are not all; the same command goes on from there")),
        }
    }

    fn refused(&self, error: &LogCopyError) -> ExitCode {
        complain(format_args!("{}", chain_in_words(error)));
        let advice = match error {
            LogCopyError::Source { .. } => {
                "the source is damaged: `voxledger audit verify` names what is wrong, `voxledger restore` brings a \
                 backup back"
            }
            LogCopyError::Target { .. } | LogCopyError::Roots { .. } => {
                "the target cannot be trusted; name an empty place"
            }
            LogCopyError::Longer { .. } | LogCopyError::Other { .. } => {
                "nothing was written; name an empty place, or the one where this copy was begun"
            }
            LogCopyError::Write { .. } => {
                "nothing else may write the target; if something did, name an empty place and begin anew"
            }
        };
        complain(format_args!("{advice}"));
        ExitCode::from(REFUSED)
    }
}

fn seals_advice(error: &SealsError) -> &'static str {
    match error {
        SealsError::Other { .. } => "the log is copied; name an empty place for its seals with --to-seals",
        _ => {
            "the log is copied as it is, its seals are not: `voxledger audit verify` on the source names what was \
             changed since it was sealed"
        }
    }
}

fn lock_of(path: &Path) -> PathBuf {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut lock = path.into_os_string();
    lock.push(".lock");
    lock.into()
}
