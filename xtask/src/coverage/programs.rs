//! The programs whose runs are counted: built once, with a Verilog that counts.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::step::{cargo, typed};

/// A program.
#[derive(Debug, PartialEq)]
pub(super) struct Program {
    /// Of a test, its file's name; of the mixes, `nvme-twin`.
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// Its crate's folder, in which tests expect to run.
    pub(super) folder: PathBuf,
    /// It takes what test programs take.
    pub(super) is_tests: bool,
}

/// Builds the tests of `nvme-rtl` and the program of the mixes.
pub(super) fn build() -> Result<Vec<Program>> {
    let mut build = cargo(&["build", "--tests", "--bins", "--message-format", "json"]);
    build.args(["--package", "nvme-rtl", "--package", "nvme-twin"]);
    build.args(["--features", "nvme-rtl/coverage,nvme-twin/verilator"]);
    build.args(["--profile", "campaign"]);
    // What counts is large, and runs as fast when it is compiled at this level.
    build.env("NVME_RTL_OPTIMIZE", "1");
    let shown = typed(&build);
    eprintln!("── {shown}");
    let start = Instant::now();
    let output = build
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{shown}`"))?;
    ensure!(output.status.success(), "`{shown}`: {}", output.status);
    eprintln!("   {:.0} s", start.elapsed().as_secs_f64());
    let programs = built(&String::from_utf8_lossy(&output.stdout));
    ensure!(!programs.is_empty(), "`{shown}` has built no program");
    Ok(programs)
}

/// The programs that cargo's messages name.
fn built(messages: &str) -> Vec<Program> {
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let mut programs: Vec<Program> = messages.filter_map(|message| program(&message)).collect();
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    programs
}

fn program(message: &Value) -> Option<Program> {
    let path = PathBuf::from(message["executable"].as_str()?);
    let target = &message["target"];
    let name = target["name"].as_str()?.to_owned();
    let kind = target["kind"][0].as_str()?;
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?;
    let is_tests = message["profile"]["test"].as_bool()?;
    // Of the mixes the program, not the tests of its own, which look at the harness; and of the harness
    // of the Verilog those that make devices.
    let is_wanted = match folder.file_name()?.to_str()? {
        "twin" => kind == "bin" && !is_tests,
        _ => kind == "test",
    };
    is_wanted.then(|| Program {
        name,
        path,
        folder: folder.to_owned(),
        is_tests,
    })
}

impl Program {
    /// The names of its tests.
    pub(super) fn tests(&self) -> Result<Vec<String>> {
        let mut list = Command::new(&self.path);
        list.args(["--list", "--format", "terse"])
            .current_dir(&self.folder);
        let output = list
            .output()
            .with_context(|| self.path.display().to_string())?;
        ensure!(
            output.status.success(),
            "{} --list: {}",
            self.path.display(),
            output.status
        );
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text
            .lines()
            .filter_map(|line| Some(line.strip_suffix(": test")?.to_owned()))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_the_messages() {
        let message = |folder: &str, kind: &str, name: &str, test: bool| {
            format!(
                "{{\"reason\":\"compiler-artifact\",\"manifest_path\":\"/r/sim/{folder}/Cargo.toml\",\
                 \"target\":{{\"kind\":[\"{kind}\"],\"name\":\"{name}\"}},\
                 \"profile\":{{\"test\":{test}}},\"executable\":\"/t/{name}\"}}\n"
            )
        };
        let mut messages = message("verilated", "test", "stalled", true);
        messages += &message("verilated", "lib", "nvme_rtl", true);
        messages += &message("twin", "bin", "nvme-twin", true);
        messages += &message("twin", "bin", "nvme-twin", false);
        messages += "{\"reason\":\"build-finished\",\"success\":true}\n";
        let names: Vec<_> = built(&messages)
            .into_iter()
            .map(|found| (found.name, found.is_tests))
            .collect();
        assert_eq!(
            names,
            [
                ("nvme-twin".to_owned(), false),
                ("stalled".to_owned(), true)
            ]
        );
    }
}
