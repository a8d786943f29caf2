//! Running a built program for its JSON, and rows with a limit.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::heartbeat;
use crate::report::Row;
use crate::step::{root, target};

/// A program of the workspace, as `cargo build --release` left it.
pub(crate) fn built(program: &str) -> PathBuf {
    target().join("release").join(program)
}

/// How a person runs `program` with these arguments.
pub(crate) fn shown(program: &str, arguments: &[&str]) -> String {
    let package = match program {
        "rdstore" => String::new(),
        other => format!(" -p {other}"),
    };
    let on_verilog = arguments.iter().any(|word| word.starts_with("rtl"));
    let features = match program {
        "nvme-twin" => " --features verilator",
        _ if on_verilog => " --features rtl",
        _ => "",
    };
    let quoted: Vec<String> = arguments
        .iter()
        .map(|a| {
            if a.contains(['?', '&']) {
                format!("'{a}'")
            } else {
                (*a).to_owned()
            }
        })
        .collect();
    format!(
        "cargo run --release{package}{features} -- {}",
        quoted.join(" ")
    )
}

/// What a program printed.
pub(crate) struct Ran {
    /// Its JSON.
    pub(crate) json: Value,
    /// Wall-clock seconds.
    pub(crate) wall_s: f64,
    /// Seconds of processor time.
    pub(crate) cpu_s: f64,
}

/// Runs a program that prints JSON. A run with exit code 1 (a figure was missed) is a result too.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<Ran> {
    let command = shown(program, arguments);
    eprintln!("── {command}");
    let (start, cpu_s_before) = (Instant::now(), cpu_s_of_children()?);
    let mut child = Command::new(built(program));
    child.args(arguments).current_dir(root());
    child.stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = heartbeat::during(|| child.output());
    let output = output.with_context(|| format!("cannot start `{command}`"))?;
    let json = serde_json::from_slice(&output.stdout).with_context(|| {
        format!(
            "`{command}` ended with {} and printed no JSON",
            output.status
        )
    })?;
    Ok(Ran {
        json,
        wall_s: start.elapsed().as_secs_f64(),
        cpu_s: cpu_s_of_children()? - cpu_s_before,
    })
}

/// Processor time of all programs that have ended: `cutime` and `cstime` of proc_pid_stat(5), in ticks
/// of 10 ms.
fn cpu_s_of_children() -> Result<f64> {
    let path = "/proc/self/stat";
    let text = std::fs::read_to_string(path).context(path)?;
    // The program's name, in brackets, may have spaces; the state behind it is field 3.
    let fields = text.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let ticks = fields.split(' ').skip(16 - 3).take(2);
    let ticks = ticks.map(str::parse::<u32>).sum::<Result<u32, _>>();
    Ok(f64::from(ticks.context(path)?) / 100.0)
}

/// A number inside JSON, by path.
pub(crate) fn number(json: &Value, path: &str) -> Result<f64> {
    json.pointer(path)
        .and_then(Value::as_f64)
        .with_context(|| format!("the output has no number at {path}: {json}"))
}

/// A row that holds when `passed`.
pub(crate) fn row(
    name: String,
    passed: bool,
    value: Option<f64>,
    measured: String,
    must: String,
    command: String,
    wall_s: f64,
) -> Row {
    Row {
        name,
        passed: u64::from(passed),
        failed: u64::from(!passed),
        measured,
        value,
        must,
        command,
        wall_s,
    }
}
