//! `voxledger audit verify-export`: verifies a sealed bundle with nothing but its key.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use domain::envelope::Recorded;
use domain::history::{BundleError, Checked, HistoryFilter, Manifest, check_bundle};
use domain::merkle::NoteVerifier;
use serde::Serialize;
use uuid::Uuid;

use super::{FAULTS, read_key};
use crate::out::{Out, is_closed, say};
use crate::table::count;
use api_http::v1::HistoryEvent;

/// The first bytes of a compressed file (RFC 8878 §3.1.1).
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Flags of `audit verify-export`.
#[derive(Debug, Clone, Args)]
pub struct VerifyExportArgs {
    /// The bundle to verify, compressed or not.
    pub file: PathBuf,
    /// Verifier key of the log (voxledger/log/…+…+…), or a file with it: as `audit key` or `GET
    /// /audit/checkpoints/latest` printed it when you had reason to trust them.
    #[arg(long, value_name = "KEY")]
    pub key: String,
    /// Print the decoded events once all of them are proven, one per line, in JSON. Personal values read
    /// `[sealed]`. The last line is the verdict.
    #[arg(long)]
    pub json: bool,
}

/// The last line of `--json`: `{"kind": "verdict", …}`. Events have no `kind`.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename = "verdict")]
struct VerificationResult<'v> {
    /// `proven`: every event before this line is in the log. `proves_nothing`: there is none before it.
    verdict: &'static str,
    /// Why nothing is proven; left out when it is proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'v str>,
    #[serde(flatten)]
    proven: Option<Proven<'v>>,
    /// The verifier key that was used.
    key: String,
}

#[derive(Debug, Serialize)]
struct Proven<'v> {
    log: Uuid,
    /// Number of events that the checkpoint covers.
    tree_size: u64,
    events: u64,
    /// First and last position of the bundle, and its filters.
    first: u64,
    last: u64,
    filter: &'v HistoryFilter,
}

impl<'v> VerificationResult<'v> {
    fn proven(checked: &'v Checked, key: &NoteVerifier) -> Self {
        let Checked { manifest: Manifest { log, first, last, filter, .. }, tree_size, events } = checked;
        let (log, first, last, tree_size, events) = (*log, *first, *last, *tree_size, *events);
        let proven = Some(Proven { log, tree_size, events, first, last, filter });
        Self { verdict: "proven", reason: None, proven, key: key.to_string() }
    }

    fn proves_nothing(reason: &'v str, key: &NoteVerifier) -> Self {
        Self { verdict: "proves_nothing", reason: Some(reason), proven: None, key: key.to_string() }
    }

    fn say(&self) -> Result<(), serde_json::Error> {
        say!("{}", serde_json::to_string(self)?);
        Ok(())
    }
}

/// Verifies a bundle without opening a store.
pub(super) fn run(args: &VerifyExportArgs) -> anyhow::Result<ExitCode> {
    let key = read_key(&args.key)?;
    let checked = match check(&args.file, &key, |_| Ok(()))? {
        Ok(checked) => checked,
        Err(error) => {
            let reason = format!("{:#}", anyhow::Error::new(error));
            if args.json {
                VerificationResult::proves_nothing(&reason, &key).say()?;
            } else {
                say!("{reason}");
                say!("{} proves nothing", args.file.display());
            }
            return Ok(ExitCode::from(FAULTS));
        }
    };
    if args.json {
        let out = &mut BufWriter::new(Out);
        check(&args.file, &key, |event| {
            if is_closed() {
                return Ok(());
            }
            let told = HistoryEvent::sealed(checked.manifest.log, &event)
                .map_err(|error| io::Error::other(error.to_string()))?;
            serde_json::to_writer(&mut *out, &told)?;
            out.write_all(b"\n")
        })?
        .context("the file changed while it was read")?;
        out.flush()?;
        VerificationResult::proven(&checked, &key).say()?;
        return Ok(ExitCode::SUCCESS);
    }
    let (events, size) = (count(checked.events), count(checked.tree_size));
    say!("{events} events of log {} are proven by the checkpoint of {size} events", checked.manifest.log);
    say!("key {key}");
    Ok(ExitCode::SUCCESS)
}

fn check(
    path: &Path,
    key: &NoteVerifier,
    each: impl FnMut(Recorded) -> io::Result<()>,
) -> anyhow::Result<Result<Checked, BundleError>> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut file = BufReader::new(file);
    let packed =
        file.fill_buf().with_context(|| format!("cannot read {}", path.display()))?.starts_with(&ZSTD);
    Ok(if packed {
        let unpacked =
            zstd::stream::read::Decoder::with_buffer(file).context("the file cannot be unpacked")?;
        check_bundle(BufReader::new(unpacked), key, each)
    } else {
        check_bundle(file, key, each)
    })
}
