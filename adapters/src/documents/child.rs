//! The child process: reads a document from its input, bounded by the operating system, and writes blocks as lines.

use std::io::{self, BufWriter, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use domain::knowledge::DocumentFault;
use domain::knowledge::chunk::Block;
use serde::{Deserialize, Serialize};

use super::parse::parse;

/// The hidden command of the program that runs the child.
pub const COMMAND: &str = "parse-document";

/// A line of the child's answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    Block(Block),
    /// The last line of a document that was read.
    Done {
        content_type: String,
        pages: Option<u32>,
    },
    /// The last line of one that was not.
    Fault(DocumentFault),
}

/// Reads `input`, which is of the declared type, and writes its blocks to `output`. First it gives up the right to more
/// than `memory` bytes, `seconds` of work, and any file. Fails when the operating system sets no limits, or the parent
/// is gone.
pub fn run(
    declared: &str,
    memory: u64,
    seconds: u64,
    mut input: impl Read,
    output: impl Write,
) -> io::Result<()> {
    bound(memory, seconds)?;
    // what a library panics about is the content of the document
    std::panic::set_hook(Box::new(|_| {}));
    let mut content = Vec::new();
    input.read_to_end(&mut content)?;
    let parsed = catch_unwind(AssertUnwindSafe(|| parse(&content, declared)));
    let mut output = BufWriter::new(output);
    let last = match parsed.unwrap_or(Err(DocumentFault::Damaged)) {
        Ok(parsed) => {
            for block in parsed.blocks {
                write(&mut output, &Line::Block(block))?;
            }
            let content_type = parsed.format.content_type().to_owned();
            Line::Done { content_type, pages: parsed.pages }
        }
        Err(fault) => Line::Fault(fault),
    };
    write(&mut output, &last)?;
    output.flush()
}

fn write(output: &mut impl Write, line: &Line) -> io::Result<()> {
    serde_json::to_writer(&mut *output, line)?;
    output.write_all(b"\n")
}

#[cfg(unix)]
fn bound(memory: u64, seconds: u64) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, nice, setrlimit};

    let limit = |most| Rlimit { current: Some(most), maximum: Some(most) };
    setrlimit(Resource::As, limit(memory))?;
    // the softer limit is told by a signal of its own, so that it is known from whatever else may kill the child
    let work = Rlimit { current: Some(seconds), maximum: Some(seconds.saturating_add(5)) };
    setrlimit(Resource::Cpu, work)?;
    setrlimit(Resource::Core, limit(0))?;
    // no file can be written, and none opened but those that are
    setrlimit(Resource::Fsize, limit(0))?;
    setrlimit(Resource::Nofile, limit(3))?;
    // requests come first
    nice(10)?;
    Ok(())
}

#[cfg(not(unix))]
fn bound(_: u64, _: u64) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "documents are read on Unix only"))
}
