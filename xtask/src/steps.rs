//! The steps of a long command: each runs alone, and none stops the others.

use std::time::Instant;

use anyhow::{Result, bail};

use crate::heartbeat::shown;
use crate::report::Row;

/// A part of a command's table.
pub(crate) struct Step {
    /// What `--only` calls it.
    pub(crate) name: &'static str,
    /// Its rows; what the flag says is the command's: a look only, or the whole campaign.
    pub(crate) rows: fn(bool) -> Result<Vec<Row>>,
}

/// A step.
pub(crate) const fn step(name: &'static str, rows: fn(bool) -> Result<Vec<Row>>) -> Step {
    Step { name, rows }
}

/// The step of that name, or those whose name contains it; all without a name.
///
/// # Errors
/// No step has such a name.
pub(crate) fn chosen<'a>(
    steps: impl IntoIterator<Item = &'a Step>,
    only: Option<&str>,
) -> Result<Vec<&'a Step>> {
    let steps: Vec<&Step> = steps.into_iter().collect();
    let Some(only) = only else {
        return Ok(steps);
    };
    let of = |wanted: &dyn Fn(&str) -> bool| -> Vec<&'a Step> {
        let found = steps.iter().filter(|step| wanted(step.name));
        found.copied().collect()
    };
    let mut found = of(&|name| name == only);
    if found.is_empty() {
        found = of(&|name| name.contains(only));
    }
    if found.is_empty() {
        let names: Vec<&str> = steps.iter().map(|step| step.name).collect();
        let names = names.join(", ");
        bail!("--only {only}: no step is called so; there are {names}");
    }
    Ok(found)
}

/// The rows of all of them. A step that fails has a row that says so, and those behind it run all the same.
/// Who waits for hours sees which step it is, how long it has been, and of what each has found the rows that are
/// to be told at once.
pub(crate) fn run(steps: &[&Step], command: &str, flag: bool, told: fn(&Row) -> bool) -> Vec<Row> {
    let (start, mut all) = (Instant::now(), Vec::new());
    for (index, step) in steps.iter().enumerate() {
        let name = step.name;
        let (number, of) = (index + 1, steps.len());
        eprintln!(
            "══ {number} of {of}: {name}, {} after the start",
            shown(start.elapsed())
        );
        let begun = Instant::now();
        let rows = (step.rows)(flag).unwrap_or_else(|error| {
            vec![Row {
                name: name.to_owned(),
                passed: 0,
                failed: 1,
                measured: format!("{error:#}"),
                value: None,
                must: String::new(),
                command: format!("{command} --only {name}"),
                wall_s: begun.elapsed().as_secs_f64(),
            }]
        });
        let told = rows.iter().filter(|row| told(row));
        told.for_each(|row| eprintln!("{}", row.line()));
        let [passed, failed] = [|row: &Row| row.passed, |row: &Row| row.failed]
            .map(|of| rows.iter().map(of).sum::<u64>());
        eprintln!(
            "══ {name}: {passed} passed, {failed} failed, {}",
            shown(begun.elapsed())
        );
        all.extend(rows);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{Step, chosen, run, step};
    use anyhow::bail;

    const STEPS: [Step; 3] = [
        step("testbench", |_| bail!("broken")),
        step("bench", |_| Ok(Vec::new())),
        step("twin", |_| Ok(Vec::new())),
    ];

    fn names(only: Option<&str>) -> Vec<&'static str> {
        let found = chosen(&STEPS, only).expect("a step");
        found.iter().map(|step| step.name).collect()
    }

    #[test]
    fn a_whole_name_goes_before_a_part() {
        assert_eq!(names(None), ["testbench", "bench", "twin"]);
        assert_eq!(names(Some("bench")), ["bench"]);
        assert_eq!(names(Some("t")), ["testbench", "twin"]);
        let Err(error) = chosen(&STEPS, Some("perf")) else {
            panic!("no step is called so");
        };
        assert!(error.to_string().contains("testbench, bench, twin"));
    }

    /// An error half way once cost the table of all that had run before.
    #[test]
    fn a_step_that_fails_is_a_row() {
        let all = chosen(&STEPS, None).expect("all");
        let rows = run(&all, "cargo xtask test", false, |_| true);
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].failed, rows[0].measured.as_str()), (1, "broken"));
        assert_eq!(rows[0].command, "cargo xtask test --only testbench");
    }
}
