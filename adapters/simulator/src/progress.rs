//! Progress output of a running simulation.

use std::time::Duration;

use crate::fake_telnyx::Totals;
use domain::envelope::Time;
use indicatif::{ProgressBar, ProgressStyle};

use super::expect::{SimulatedCall, words};

/// A progress bar on a terminal, nothing elsewhere; and in a demo a line for each call.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    tell: Option<fn(&str)>,
}

impl Progress {
    pub fn of(calls: u32, tell: Option<fn(&str)>) -> Self {
        let bar = ProgressBar::new(u64::from(calls));
        if let Ok(style) =
            ProgressStyle::with_template("{spinner} {pos}/{len} calls over [{bar:30}] {elapsed} {msg}")
        {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar, tell }
    }

    /// Counts a call that is over, or for which nothing is left to do.
    pub fn over(&self, story: &SimulatedCall) {
        self.bar.inc(1);
        if let Some(tell) = self.tell {
            let line = line(story);
            self.bar.suspend(|| tell(&line));
        }
    }

    pub fn show(&self, totals: &Totals) {
        let alive = totals.calls.saturating_sub(totals.ended);
        let (sent, asked) = (totals.attempts, totals.commands);
        self.bar.set_message(format!("{alive} alive, {sent} webhooks, {asked} commands"));
    }

    pub fn say(&self, what: &'static str) {
        self.bar.set_message(what);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Describes a call in one line.
fn line(story: &SimulatedCall) -> String {
    let head = format!("  call {:>3}  {:<24}", story.number, story.kind.name());
    let Some(line) = &story.line else {
        return format!("{head} {}", story.trouble.as_deref().unwrap_or("placed"));
    };
    let seconds = |from: Time, to: Time| (to - from).as_seconds_f64();
    let answer = match line.answered_at {
        Some(at) => format!(
            "answered after {:.1} s, lasted {:.1} s",
            seconds(line.started_at, at),
            seconds(at, line.ended_at)
        ),
        None => format!("rang for {:.1} s", seconds(line.started_at, line.ended_at)),
    };
    let end = words(line.expected.status, story.end_reason());
    format!("{head} {answer:<36} {end}")
}

#[cfg(test)]
mod tests {
    use domain::call::terms::{EndReason, Status};

    use super::super::expect::tests::story;
    use super::super::plan::Kind;
    use super::*;

    #[test]
    fn a_call_in_a_line_says_what_happened_and_names_nobody() {
        let mut story = story(Kind::ConversationService, Status::Ended, Some(EndReason::CallerHangup));
        let record = story.line.as_mut().unwrap();
        record.answered_at = Some(record.started_at + Duration::from_millis(500));
        record.ended_at = record.started_at + Duration::from_millis(2500);
        let text = line(&story);
        assert!(text.contains("caller talks"), "{text}");
        assert!(text.contains("answered after 0.5 s, lasted 2.0 s"), "{text}");
        assert!(text.ends_with("ended, caller_hangup"), "{text}");
        assert!(!text.contains("+1"), "{text}");
    }
}
