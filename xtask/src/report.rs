//! What a command found: rows with a verdict, printed for people or machines.

use serde::Serialize;

/// One row: a step of a test run, or a figure of a bench.
#[derive(Serialize, Clone, Debug)]
pub(crate) struct Row {
    /// What was checked.
    pub(crate) name: String,
    /// Checks that passed (test cases of a test step, 1 of any other).
    pub(crate) passed: u64,
    /// Checks that failed.
    pub(crate) failed: u64,
    /// The figure, with its unit, or what happened.
    pub(crate) measured: String,
    /// The figure that was judged, as a number: cycles, I/Os, MiB, or a fraction of 1.
    pub(crate) value: Option<f64>,
    /// What it must be; empty when the row only has to succeed.
    pub(crate) must: String,
    /// The command that prints it.
    pub(crate) command: String,
    /// Wall-clock seconds the row took.
    pub(crate) wall_s: f64,
}

impl Row {
    const fn verdict(&self) -> &'static str {
        if self.failed == 0 { "ok  " } else { "FAIL" }
    }

    /// What is known of it, in a line of its own.
    pub(crate) fn line(&self) -> String {
        let limits = if self.must.is_empty() {
            ""
        } else {
            ", must be "
        };
        format!(
            "{} {}: {}{limits}{}",
            self.verdict(),
            self.name,
            self.measured,
            self.must
        )
    }
}

/// The rows of a command.
#[derive(Serialize, Default, Debug)]
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
}

impl Report {
    pub(crate) fn passed(&self) -> u64 {
        self.rows.iter().map(|row| row.passed).sum()
    }

    pub(crate) fn failed(&self) -> u64 {
        self.rows.iter().map(|row| row.failed).sum()
    }

    /// Prints the rows; the last line of the people's table is `N passed, N failed`.
    pub(crate) fn print(&self, json: bool) {
        if json {
            let value = serde_json::json!({
                "rows": self.rows, "passed": self.passed(), "failed": self.failed(),
            });
            println!("{value:#}");
            return;
        }
        let width = self
            .rows
            .iter()
            .map(|row| row.name.chars().count())
            .max()
            .unwrap_or(0);
        let measured = self
            .rows
            .iter()
            .map(|row| row.measured.chars().count())
            .max()
            .unwrap_or(0);
        let must = self
            .rows
            .iter()
            .map(|row| row.must.chars().count())
            .max()
            .unwrap_or(0);
        println!();
        for row in &self.rows {
            println!(
                "{} {:width$}  {:measured$}  {:must$}  {:7.1} s  {}",
                row.verdict(),
                row.name,
                row.measured,
                row.must,
                row.wall_s,
                row.command
            );
        }
        println!();
        println!("{} passed, {} failed", self.passed(), self.failed());
    }
}
