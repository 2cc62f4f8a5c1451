//! `voxledger parse-document`: reads one document from its input, for a node that does not trust it.

use std::io;

use clap::Args;

/// What the node says to the process that reads a document.
#[derive(Debug, Args)]
pub struct ParseDocumentArgs {
    /// MIME type, as somebody declared it.
    #[arg(long, default_value = "")]
    declared: String,
    /// Most bytes of address space.
    #[arg(long)]
    memory: u64,
    /// Most seconds of work.
    #[arg(long)]
    seconds: u64,
}

/// Reads the document. Fails when no limits can be set, or the node is gone.
pub fn run(args: &ParseDocumentArgs) -> anyhow::Result<()> {
    let (input, output) = (io::stdin().lock(), io::stdout().lock());
    Ok(adapters::documents::run(&args.declared, args.memory, args.seconds, input, output)?)
}
