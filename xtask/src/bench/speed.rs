//! How fast the twins run: what depends on the machine, and on who else is at work on it.

use anyhow::Result;

use super::perf::or_failed;
use super::program::{Ran, number, row, run, shown};
use crate::report::Row;

/// Runs of which the fastest counts.
const RUNS: usize = 3;

/// A twin under 4 KiB Reads at QD 64, and what it must reach. Each runs in one thread, so a second of its
/// processor time is a second of the wall clock of a core that it has to itself: that is what is judged.
struct Rate {
    name: &'static str,
    device: &'static str,
    ops: u32,
    unit: &'static str,
    /// Units a second of processor time.
    judged: fn(&Ran) -> Result<f64>,
    /// The same of the wall clock, on a machine as busy as it is.
    beside: &'static str,
    /// Thousands: must, aim.
    limits: [f64; 2],
}

const VERILOG: Rate = Rate {
    name: "the Verilog under 4 KiB Reads, QD 64",
    device: "rtl:",
    ops: 8_000,
    unit: "kcycles/s",
    judged: |ran| number(&ran.json, "/cpu_cycles_per_s"),
    beside: "/wall_cycles_per_s",
    limits: [150.0, 1_000.0],
};

const MODEL_OPS: u32 = 1_000_000;
const MODEL: Rate = Rate {
    name: "the model under 4 KiB Reads, QD 64",
    device: "model:",
    ops: MODEL_OPS,
    unit: "k commands/s",
    // With the start of the program and the check at its end.
    judged: |ran| Ok(f64::from(MODEL_OPS) / ran.cpu_s),
    beside: "/wall_commands_per_s",
    limits: [300.0, 1_000.0],
};

pub(crate) fn rows() -> Vec<Row> {
    vec![VERILOG.row(), MODEL.row()]
}

impl Rate {
    fn row(&self) -> Row {
        let ops = self.ops.to_string();
        let arguments = [
            "device",
            "perf",
            "--json",
            "--device",
            self.device,
            "--ops",
            &ops,
        ];
        let [must, aim] = self.limits;
        let limits = format!("≥ {must} (aim {aim})");
        or_failed(self.name, &limits, &arguments, || {
            let (mut fastest, mut wall, mut wall_s) = (0_f64, 0_f64, 0.0);
            for _ in 0..RUNS {
                let ran = run("rdstore", &arguments)?;
                fastest = fastest.max((self.judged)(&ran)? / 1000.0);
                wall = wall.max(number(&ran.json, self.beside)? / 1000.0);
                wall_s += ran.wall_s;
            }
            let unit = self.unit;
            Ok(row(
                self.name.to_owned(),
                fastest >= must,
                Some(fastest),
                format!("{fastest:.0} {unit} of processor time, {wall:.0} of wall clock"),
                limits.clone(),
                shown("rdstore", &arguments),
                wall_s,
            ))
        })
    }
}
