//! Journeys, crash tests and bad input against the real binary, from outside.

mod cli;
