//! A progress bar for long work: on stderr, and only when a person looks at it.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A running piece of work.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    /// Work that is done but not shown yet: a bar that is told of every operation costs more than
    /// the operation.
    pending: u64,
}

const STEP: u64 = 1024;

impl Progress {
    /// Shows `label` and a bar over `total` units of work.
    pub fn new(label: &str, total: u64) -> Self {
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr_with_hz(10)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        // The template is a constant; a test builds it.
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        bar.set_message(label.to_owned());
        Self { bar, pending: 0 }
    }

    /// `units` more are done.
    pub fn add(&mut self, units: u64) {
        self.pending += units;
        if self.pending >= STEP {
            self.bar.inc(self.pending);
            self.pending = 0;
        }
    }

    /// Time since the start, for messages to people only.
    pub fn elapsed(&self) -> Duration {
        self.bar.elapsed()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

const TEMPLATE: &str = "{msg:<24} {bar:30} {human_pos}/{human_len} {eta}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_one_that_indicatif_takes() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }
}
