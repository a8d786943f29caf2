//! The rows that `rdstore-bench` measures and judges.

use anyhow::{Context, Result};
use serde_json::Value;

use super::program::{number, row, run as run_program, shown};
use crate::report::Row;

pub(crate) fn run(group: &str, added: &[&str], smoke: bool) -> Result<Vec<Row>> {
    let mut arguments = vec![group, "--json"];
    arguments.extend(added);
    if smoke {
        arguments.push("--smoke");
    }
    let ran = run_program("rdstore-bench", &arguments)?;
    let figures = ran
        .json
        .as_array()
        .context("rdstore-bench prints a list of figures")?;
    let share_s = ran.wall_s / figures.len().max(1) as f64;
    figures
        .iter()
        .map(|figure| {
            let text = |key: &str| figure[key].as_str().unwrap_or_default().to_owned();
            let measured = number(figure, "/measured")?;
            Ok(row(
                text("name"),
                figure["passed"] == Value::Bool(true),
                Some(measured),
                format!("{measured:.3} {}", text("unit")),
                must(&figure["must"]),
                shown("rdstore-bench", &arguments),
                share_s,
            ))
        })
        .collect()
}

fn must(must: &Value) -> String {
    let limit = |key: &str, sign: &str| must.get(key).map(|value| format!("{sign} {value}"));
    limit("at_most", "≤")
        .or_else(|| limit("more_than", ">"))
        .or_else(|| limit("exactly", "="))
        .or_else(|| limit("within", "within"))
        .unwrap_or_default()
}
