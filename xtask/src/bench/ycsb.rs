//! The rows about `rdstore ycsb` as a whole process: one seed gives one run, memory stays bounded,
//! a store that many clients share is consistent.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::program::{built, row, run as run_program, shown};
use super::verified;
use crate::report::Row;
use crate::step::root;

/// What the process may hold beyond the DRAM image.
const MEMORY_LIMIT_MIB: f64 = 64.0;
/// Wall-clock fields of the output: the only ones that may differ between two runs of one seed.
const WALL_FIELDS: &[&str] = &["wall_s", "wall_ops_per_s"];

pub(crate) fn run(smoke: bool) -> Result<Vec<Row>> {
    Ok(vec![
        determinism(smoke)?,
        memory(smoke)?,
        verified::hot_keys(smoke)?,
    ])
}

/// Two runs of one seed on files of their own: the same output, and the same image to the byte.
fn determinism(smoke: bool) -> Result<Row> {
    let folder = root().join("target").join("bench");
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let start = Instant::now();
    let ops = if smoke { "5000" } else { "50000" };
    let mut runs = Vec::new();
    let mut command = String::new();
    for name in ["first.img", "second.img"] {
        let file = folder.join(name);
        if file.exists() {
            std::fs::remove_file(&file)?;
        }
        let uri = format!("model:{}?size=256MiB", file.display());
        let arguments = [
            "ycsb",
            "--json",
            "--device",
            &uri,
            "--workload",
            "all",
            "--records",
            "20000",
            "--ops",
            ops,
            "--seed",
            "42",
        ];
        let mut json = run_program("rdstore", &arguments)?.json;
        without_wall(&mut json);
        command = shown("rdstore", &arguments).replace(&format!("{}/", root().display()), "");
        runs.push((json, file));
    }
    let same_output = runs[0].0 == runs[1].0;
    let same_image = same_bytes(&runs[0].1, &runs[1].1)?;
    for (_, file) in &runs {
        std::fs::remove_file(file)?;
    }
    Ok(row(
        "one seed, two runs".to_owned(),
        same_output && same_image,
        None,
        format!(
            "output {}, image {}",
            if same_output { "identical" } else { "differs" },
            if same_image { "identical" } else { "differs" }
        ),
        "identical".to_owned(),
        command,
        start.elapsed().as_secs_f64(),
    ))
}

fn without_wall(json: &mut Value) {
    match json {
        Value::Object(fields) => {
            fields.retain(|name, _| !WALL_FIELDS.contains(&name.as_str()));
            fields.values_mut().for_each(without_wall);
        }
        Value::Array(items) => items.iter_mut().for_each(without_wall),
        _ => {}
    }
}

fn same_bytes(a: &Path, b: &Path) -> Result<bool> {
    let status = Command::new("cmp")
        .args(["--silent".as_ref(), a.as_os_str(), b.as_os_str()])
        .status()
        .context("cannot start `cmp`")?;
    Ok(status.success())
}

/// Anonymous memory of a run whose DRAM image is a file: all that is beyond the image.
fn memory(smoke: bool) -> Result<Row> {
    let file = root().join("target").join("bench").join("memory.img");
    if file.exists() {
        std::fs::remove_file(&file)?;
    }
    let uri = format!("model:{}", file.display());
    let mut arguments = vec!["ycsb", "--verify", "--device", &uri];
    if smoke {
        arguments.extend(["--ops", "5000"]);
    }
    let command = shown("rdstore", &arguments).replace(&format!("{}/", root().display()), "");
    eprintln!("── {command}");
    let start = Instant::now();
    let mut child = Command::new(built("rdstore"))
        .args(&arguments)
        .current_dir(root())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start `{command}`"))?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak_kib = 0;
    let exit = loop {
        if let Some(exit) = child.try_wait()? {
            break exit;
        }
        peak_kib = peak_kib.max(anonymous_kib(&status).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(5));
    };
    std::fs::remove_file(&file)?;
    ensure!(exit.success(), "`{command}` ended with {exit}");
    ensure!(
        peak_kib > 0,
        "`{command}` ended before its memory could be read"
    );
    let peak_mib = peak_kib as f64 / 1024.0;
    Ok(row(
        "memory of ycsb beyond the DRAM image".to_owned(),
        peak_mib <= MEMORY_LIMIT_MIB,
        Some(peak_mib),
        format!("{peak_mib:.1} MiB"),
        format!("≤ {MEMORY_LIMIT_MIB} MiB"),
        command,
        start.elapsed().as_secs_f64(),
    ))
}

/// RssAnon of a process's status file.
fn anonymous_kib(status: &str) -> Option<u64> {
    let text = std::fs::read_to_string(status).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.split_whitespace().next()?.parse().ok()
}
