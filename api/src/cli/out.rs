//! What commands print.
//!
//! Whoever reads it may have read enough, as `head` does, and close the pipe. The command goes on to its end all the
//! same, since it may be changing something, prints no more, and ends as it would have: an exit code tells what was found,
//! not who listened. What cannot be written for another reason, such as a full disk, makes the command fail at its end.

use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Nobody reads standard output any more.
static CLOSED: AtomicBool = AtomicBool::new(false);
/// The first other reason why something could not be printed.
static FAULT: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints a line to standard output.
macro_rules! say {
    ($($words:tt)*) => { $crate::cli::out::print(format_args!("{}\n", format_args!($($words)*))) };
}

/// Prints to standard output.
macro_rules! put {
    ($($words:tt)*) => { $crate::cli::out::print(format_args!($($words)*)) };
}

pub(crate) use {put, say};

/// Standard output. Writing to it never fails: see the top of this file.
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

/// Whether what is printed from now on is read by nobody.
pub(crate) fn is_closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}

fn note(written: io::Result<()>) {
    let Err(error) = written else { return };
    CLOSED.store(true, Ordering::Relaxed);
    if error.kind() != io::ErrorKind::BrokenPipe {
        FAULT.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

/// What [`say!`] and [`put!`] come to.
pub(crate) fn print(words: fmt::Arguments<'_>) {
    // as one piece, so that lines of threads do not mix
    let _ = Out.write(words.to_string().as_bytes());
}

/// Prints a line to standard error, if somebody reads it.
pub fn complain(words: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "voxledger: {words}");
}

/// Ends what is printed.
///
/// # Errors
/// Why not all of it could be written, unless the reader had enough.
pub fn finish() -> io::Result<()> {
    let _ = Out.flush();
    FAULT.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
}
