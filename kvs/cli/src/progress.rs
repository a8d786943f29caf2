//! A progress bar for long work: on stderr, and only when a person looks at it.

use std::cell::RefCell;
use std::io::IsTerminal;

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

    /// `done` units of all are done.
    fn set(&self, done: u64) {
        self.bar.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

thread_local! {
    /// The bar of the walk that [`show_pages`] is told about.
    static PAGES: RefCell<Option<Progress>> = const { RefCell::new(None) };
}

/// A progress function for the library's walks over all pages. The bar goes away with the last page.
pub fn show_pages(done: u64, total: u64) {
    PAGES.with_borrow_mut(|bar| {
        bar.get_or_insert_with(|| Progress::new("pages", total))
            .set(done);
    });
    if done >= total {
        end_pages();
    }
}

/// Takes the bar of [`show_pages`] away, whether the walk has come to its end or not.
pub fn end_pages() {
    PAGES.with_borrow_mut(|bar| *bar = None);
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
