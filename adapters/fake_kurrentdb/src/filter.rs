//! Filters of `$all`: by stream name or event type, with prefixes or a regular expression.

use fancy_regex::Regex;
use tonic::Status;

use crate::log::Record;
use crate::messages::{FilterOptions, filter_options};

/// Events that are scanned at a time when the client names no number.
const DEFAULT_WINDOW: u32 = 32;

#[derive(Debug)]
pub struct Filter {
    by_stream: bool,
    prefixes: Vec<String>,
    regex: Option<Regex>,
    /// A subscription gets a checkpoint after so many scanned events.
    pub checkpoint_every: u32,
}

impl Filter {
    pub fn of(options: &FilterOptions, subscription: bool) -> Result<Self, Status> {
        let missing = || Status::invalid_argument("the filter is not complete");
        let (by_stream, expression) = match options.of.as_ref().ok_or_else(missing)? {
            filter_options::Of::Stream(expression) => (true, expression),
            filter_options::Of::EventType(expression) => (false, expression),
        };
        let window = match options.window.ok_or_else(missing)? {
            filter_options::Window::Max(max) => max,
            filter_options::Window::Count(()) => DEFAULT_WINDOW,
        };
        if subscription && options.checkpoint_multiplier == 0 {
            return Err(Status::unknown("Exception was thrown by handler."));
        }
        let regex = match expression.regex.as_str() {
            "" => None,
            // .NET expressions with look-around need an engine that backtracks
            text => Some(Regex::new(text).map_err(|error| Status::invalid_argument(error.to_string()))?),
        };
        let checkpoint_every = window.saturating_mul(options.checkpoint_multiplier).max(1);
        Ok(Self { by_stream, prefixes: expression.prefix.clone(), regex, checkpoint_every })
    }

    pub fn allows(&self, record: &Record) -> bool {
        let text = if self.by_stream { &record.stream } else { &record.event.event_type };
        match &self.regex {
            Some(regex) => regex.is_match(text).unwrap_or(false),
            None => self.prefixes.iter().any(|prefix| text.starts_with(prefix.as_str())),
        }
    }
}
