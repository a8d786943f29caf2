//! Running one command of the tool chain, its output passed on as it comes.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::heartbeat;
use crate::report::Row;

/// The repository's root folder.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map_or_else(|| PathBuf::from("."), PathBuf::from)
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR");
    root().join(target.map_or_else(|| PathBuf::from("target"), PathBuf::from))
}

/// A `cargo` command in the repository's root.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// How the command would be typed.
pub(crate) fn typed(command: &Command) -> String {
    let mut words: Vec<String> = command
        .get_envs()
        .filter_map(|(key, value)| {
            Some(format!(
                "{}={}",
                key.to_string_lossy(),
                value?.to_string_lossy()
            ))
        })
        .collect();
    let program = PathBuf::from(command.get_program());
    words.push(
        program
            .file_name()
            .map_or_else(String::new, |n| n.to_string_lossy().into()),
    );
    words.extend(command.get_args().map(|a| a.to_string_lossy().into_owned()));
    words.join(" ")
}

/// Runs `command`, passes its stdout on to stderr line by line, and counts the cases that test
/// runners report (`test result: ok. N passed; N failed`). A command without such lines counts as
/// one case.
pub(crate) fn run(name: &str, mut command: Command) -> Result<Row> {
    let shown = typed(&command);
    eprintln!("── {name}: {shown}");
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{name}: cannot start `{shown}`"))?;
    let mut counted = (0, 0);
    let stdout = child.stdout.take();
    let status = heartbeat::during(|| {
        for line in stdout
            .into_iter()
            .flat_map(|out| BufReader::new(out).lines())
        {
            let line = line.with_context(|| format!("{name}: output of `{shown}`"))?;
            if let Some((passed, failed)) = cases(&line) {
                counted.0 += passed;
                counted.1 += failed;
            }
            writeln!(std::io::stderr(), "{line}").ok();
        }
        child
            .wait()
            .with_context(|| format!("{name}: waiting for `{shown}`"))
    })?;
    let (passed, mut failed) = match counted {
        (0, 0) => (u64::from(status.success()), u64::from(!status.success())),
        counted => counted,
    };
    if !status.success() && failed == 0 {
        failed = 1;
    }
    Ok(Row {
        name: name.to_owned(),
        passed,
        failed,
        measured: if status.success() {
            "done".to_owned()
        } else {
            status.to_string()
        },
        value: None,
        must: String::new(),
        command: shown,
        wall_s: start.elapsed().as_secs_f64(),
    })
}

/// The counts of a libtest summary line.
pub(crate) fn cases(line: &str) -> Option<(u64, u64)> {
    let rest = line.strip_prefix("test result: ")?;
    let number_before = |word: &str| {
        let at = rest.find(word)?;
        rest[..at].split_whitespace().next_back()?.parse().ok()
    };
    Some((number_before(" passed")?, number_before(" failed")?))
}

#[cfg(test)]
mod tests {
    use super::cases;

    #[test]
    fn counts_the_cases_of_a_summary_line() {
        let line =
            "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(cases(line), Some((12, 3)));
        assert_eq!(cases("running 3 tests"), None);
    }
}
