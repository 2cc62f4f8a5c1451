//! `voxledger audit export`: writes a sealed bundle of events into one file.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actors::history::Exporter;
use actors::sealer::Prover;
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use domain::envelope::Time;
use domain::history::HistoryFilter;
use domain::ids::ClientId;
use domain::ports::seals::SealStore as _;
use uuid::Uuid;

use super::open::{Audited, open};
use super::replay::stream;
use super::time;
use super::verify::progress;
use crate::out::say;
use crate::table::count;
use api_node::config::Config;

/// Compression level: higher ones take much longer for little gain.
const LEVEL: i32 = 3;

/// Flags of `audit export`.
#[derive(Debug, Clone, Args)]
pub struct ExportArgs {
    /// The file to write, such as history.jsonl.zst; it must not exist.
    pub file: PathBuf,
    /// The first position to export, from 1.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub from_position: u64,
    /// The last position to export; by default the last sealed one.
    #[arg(long, value_name = "N")]
    pub to_position: Option<u64>,
    /// Export only events recorded at this time or later, in RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub from: Option<Time>,
    /// Export only events recorded before this time, in RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub to: Option<Time>,
    /// Export only events of this client (cli_…).
    #[arg(long, value_name = "ID", value_parser = client)]
    pub client: Option<ClientId>,
    /// Export only events of this resource (call_…, num_…) or stream (call-018f…).
    #[arg(long, value_name = "ID")]
    pub subject: Option<String>,
    /// Export only events of this type; may be given several times.
    #[arg(long = "type", value_name = "TYPE")]
    pub types: Vec<String>,
    /// Export only events with this correlation id.
    #[arg(long, value_name = "UUID")]
    pub correlation: Option<Uuid>,
}

fn client(text: &str) -> Result<ClientId, &'static str> {
    text.parse().map_err(|_| "give the id of a client: cli_…")
}

pub(super) async fn run(config: &Config, args: &ExportArgs) -> anyhow::Result<()> {
    ensure!(!args.file.exists(), "{} exists; name a new file", args.file.display());
    let audited = open(config).await?;
    let exported = export(&audited, args).await;
    audited.close().await;
    exported
}

async fn export(audited: &Audited, args: &ExportArgs) -> anyhow::Result<()> {
    let Some(latest) = audited.seals.latest().await? else {
        bail!("nothing is sealed yet: start a node on this log, and it will be within a second");
    };
    let last = args.to_position.unwrap_or(latest.size);
    ensure!(last <= latest.size, "only {} events are sealed so far", count(latest.size));
    ensure!(args.from_position <= last, "--from-position lies behind --to-position");
    let filter = HistoryFilter {
        client: args.client,
        stream: args.subject.as_deref().map(stream).transpose()?,
        types: args.types.clone(),
        correlation_id: args.correlation,
        from: args.from,
        to: args.to,
    };
    let prover = Prover::new(Arc::new(audited.seals.clone()));
    let range = (args.from_position, last);
    let mut exporter = Exporter::new(audited.log.store(), prover, &latest, range, filter)?;
    let mut beside = args.file.as_os_str().to_owned();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    let written = write(&mut exporter, &beside, last).await;
    let (events, bytes) = match written {
        Ok(written) => written,
        Err(error) => {
            // a file that was there before is no bundle, and must not be taken for one
            let _ = fs::remove_file(&beside);
            return Err(error);
        }
    };
    fs::rename(&beside, &args.file).with_context(|| format!("cannot write {}", args.file.display()))?;
    say!(
        "{} events in {} bytes, proven by the checkpoint of {} events",
        count(events),
        count(bytes),
        count(latest.size)
    );
    Ok(())
}

async fn write(exporter: &mut Exporter, path: &Path, last: u64) -> anyhow::Result<(u64, u64)> {
    let file =
        adapters::files::create_private(path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut packed = zstd::stream::write::Encoder::new(BufWriter::new(file), LEVEL)?;
    let bar = progress(last);
    let mut events = 0;
    while let Some(part) = exporter.next().await? {
        packed.write_all(&part.bytes)?;
        bar.set_position(part.seen.min(last));
        events = part.events;
    }
    bar.finish_and_clear();
    let file = packed.finish()?.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok((events, file.metadata()?.len()))
}
