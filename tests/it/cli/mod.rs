//! The commands of the binary, run as a user would.

mod run;
mod simulate;
