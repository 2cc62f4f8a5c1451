//! Standard output of commands.
//!
//! A reader may close the pipe early, as `head` does. The command still runs to its end, since it may be changing
//! something, prints no more, and exits as it would have: an exit code tells what was found, not who read it.
//! Output that cannot be written for another reason, such as a full disk, makes the command fail at its end.

use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

/// Whether the reader has closed standard output.
static CLOSED: AtomicBool = AtomicBool::new(false);
/// The first other error of writing to standard output.
static FAULT: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints a line to standard output.
macro_rules! say {
    ($($words:tt)*) => { $crate::out::print(format_args!("{}\n", format_args!($($words)*))) };
}

/// Prints to standard output without a line break.
macro_rules! put {
    ($($words:tt)*) => { $crate::out::print(format_args!($($words)*)) };
}

pub(crate) use {put, say};

/// A writer to standard output that never fails; see the top of this file.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Out;

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !is_closed() {
            note(io::stdout().write_all(bytes));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !is_closed() {
            note(io::stdout().flush());
        }
        Ok(())
    }
}

/// Whether nobody reads standard output any more.
pub(crate) fn is_closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}

fn note(written: io::Result<()>) {
    let Err(error) = written else { return };
    CLOSED.store(true, Ordering::Relaxed);
    if error.kind() != io::ErrorKind::BrokenPipe {
        FAULT.lock().get_or_insert(error);
    }
}

/// Prints the text of [`say!`] and [`put!`].
pub(crate) fn print(words: fmt::Arguments<'_>) {
    // as one piece, so that lines of threads do not mix
    let _ = Out.write(words.to_string().as_bytes());
}

/// Prints a line to standard error; ignores when nobody reads it.
pub fn complain(words: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "voxledger: {words}");
}

/// Prints a line about progress to standard error; ignores when nobody reads it.
pub fn tell(words: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{words}");
}

/// Flushes standard output. Fails when not all of it could be written, unless the reader closed it.
pub fn finish() -> io::Result<()> {
    let _ = Out.flush();
    FAULT.lock().take().map_or(Ok(()), Err)
}
