//! `voxledger audit verify-export`: a sealed bundle, checked with nothing but its key.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use domain::envelope::Recorded;
use domain::history::{BundleError, Checked, check_bundle};
use domain::merkle::NoteVerifier;

use super::{FAULTS, read_key};
use crate::cli::table::count;
use crate::http::v1::HistoryEvent;

/// What a compressed file begins with (RFC 8878 §3.1.1).
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Flags of `audit verify-export`.
#[derive(Debug, Clone, Args)]
pub struct VerifyExportArgs {
    /// The bundle, compressed or not.
    pub file: PathBuf,
    /// The verifier key of the log (voxledger/log/…+…+…), or a file with it: as `audit key` printed it, or
    /// `GET /audit/checkpoints/latest`, when you had reason to trust them.
    #[arg(long, value_name = "KEY")]
    pub key: String,
    /// Print the events, decoded, once all of them are proven: one a line, in JSON.
    #[arg(long)]
    pub json: bool,
}

/// Checks a bundle. No store is opened.
pub(super) fn run(args: &VerifyExportArgs) -> anyhow::Result<ExitCode> {
    let key = read_key(&args.key)?;
    let checked = match check(&args.file, &key, |_| Ok(()))? {
        Ok(checked) => checked,
        Err(error) => {
            let error = anyhow::Error::new(error);
            println!("{error:#}");
            println!("{} proves nothing", args.file.display());
            return Ok(ExitCode::from(FAULTS));
        }
    };
    if args.json {
        let out = &mut BufWriter::new(io::stdout().lock());
        check(&args.file, &key, |event| {
            let told = HistoryEvent::of(&event).map_err(|error| io::Error::other(error.to_string()))?;
            serde_json::to_writer(&mut *out, &told)?;
            out.write_all(b"\n")
        })?
        .context("the file changed while it was read")?;
        out.flush()?;
        return Ok(ExitCode::SUCCESS);
    }
    let (events, size) = (count(checked.events), count(checked.tree_size));
    println!("{events} events of log {} are proven by the checkpoint of {size} events", checked.manifest.log);
    println!("key {key}");
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
