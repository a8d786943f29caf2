//! A measured figure and what it must be.

use serde::Serialize;

/// How a figure is judged.
#[derive(Serialize, Clone, Copy, Debug)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Must {
    /// At most this.
    AtMost(f64),
    /// More than this.
    MoreThan(f64),
    /// Exactly this.
    Exactly(f64),
    /// Between these, both included.
    Within(f64, f64),
    /// Not judged: it stands beside a figure that is.
    Shown,
}

impl Must {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::MoreThan(limit) => value > limit,
            Self::Exactly(wanted) => value == wanted,
            Self::Within(low, high) => (low..=high).contains(&value),
            Self::Shown => true,
        }
    }
}

/// One figure.
#[derive(Serialize, Clone, Debug)]
pub(crate) struct Figure {
    /// What was measured.
    name: String,
    /// The value.
    measured: f64,
    /// Its unit.
    unit: &'static str,
    /// What it must be.
    must: Must,
    /// Whether it is.
    passed: bool,
}

impl Figure {
    pub(crate) fn new(
        name: impl Into<String>,
        measured: f64,
        unit: &'static str,
        must: Must,
    ) -> Self {
        Self {
            name: name.into(),
            measured,
            unit,
            must,
            passed: must.holds(measured),
        }
    }

    pub(crate) fn passed(&self) -> bool {
        self.passed
    }

    /// Says on stderr what is known, for who waits for the others.
    pub(crate) fn told(self) -> Self {
        eprintln!("   {}: {:.3} {}", self.name, self.measured, self.unit);
        self
    }
}

/// Prints the figures, as a table or as JSON.
pub(crate) fn print(figures: &[Figure], json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(figures)?);
        return Ok(());
    }
    let width = figures.iter().map(|figure| figure.name.chars().count());
    let width = width.max().unwrap_or(0);
    for figure in figures {
        let verdict = if figure.passed { "ok  " } else { "FAIL" };
        let must = match figure.must {
            Must::AtMost(limit) => format!("≤ {limit}"),
            Must::MoreThan(limit) => format!("> {limit}"),
            Must::Exactly(wanted) => format!("= {wanted}"),
            Must::Within(low, high) => format!("{low} to {high}"),
            Must::Shown => String::new(),
        };
        println!(
            "{verdict} {:width$} {:>14.3} {:12} {must}",
            figure.name, figure.measured, figure.unit
        );
    }
    Ok(())
}
