//! Progress of a copy on standard error: a bar on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal as _, stderr};
use std::time::{Duration, Instant};

use adapters::log_copy::{Stage, Watch};
use indicatif::{ProgressBar, ProgressStyle};

use crate::out::tell;
use crate::table::count;

/// The pause between two lines.
const PAUSE: Duration = Duration::from_secs(5);

pub(super) struct Progress {
    /// `None` where nobody watches.
    bar: Option<ProgressBar>,
    stage: Option<Stage>,
    told: Instant,
}

impl Progress {
    pub(super) fn start() -> Self {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            let style = "{spinner} {msg} {pos}/{len} events [{bar:30}] {per_sec} {eta}";
            if let Ok(style) = ProgressStyle::with_template(style) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar
        });
        Self { bar, stage: None, told: Instant::now() }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn word(stage: Stage) -> &'static str {
    match stage {
        Stage::Comparing => "comparing",
        Stage::Copying => "copying",
        Stage::Sealing => "carrying seals over",
    }
}

impl Watch for Progress {
    fn at(&mut self, stage: Stage, at: u64, of: u64) {
        let begins = self.stage.replace(stage) != Some(stage);
        match &self.bar {
            Some(bar) => {
                if begins {
                    bar.reset();
                    bar.set_message(word(stage));
                }
                bar.set_length(of);
                bar.set_position(at);
            }
            None if begins || at == of || self.told.elapsed() >= PAUSE => {
                self.told = Instant::now();
                tell(format_args!("{}: {} of {} events", word(stage), count(at), count(of)));
            }
            None => {}
        }
    }
}
