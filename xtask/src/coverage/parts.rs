//! What is counted, in parts: a process each, as many at once as there are cores.
//!
//! A part keeps what it has counted in a folder of its own until its program is built anew: a run that
//! was interrupted goes on where it was, and one part can be counted again alone.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};

use super::programs::Program;
use crate::step::cases;

/// Random mixes that are counted: those of a plain `cargo xtask test`.
const MIXES: u64 = 40;
/// Mixes of a part.
const MIXES_A_PART: u64 = 10;
/// Tests that are not counted: millions of cycles of the same commands, or of random ones, which the mixes
/// have, too. On a Verilog that counts they take minutes; leaving out a test can only lower the figures.
const LEFT_OUT: &[&str] = &[
    "campaign::a_seed_repeats",
    "campaign::random_commands",
    "data_pages::no_page_is_torn",
    "random_commands",
    "traffic_fairness::equal_loads",
    "traffic_fairness::one_greedy_function",
    "traffic_fairness::one_queue_against_four",
    "traffic_fairness::small_commands_against_large",
];
/// In a part's folder: what it has said.
const SAID: &str = "said.txt";
/// In a part's folder, when it was counted whole: how many cases have passed.
const PASSED: &str = "passed.txt";

/// What one process runs.
pub(super) struct Part {
    pub(super) name: String,
    program: PathBuf,
    arguments: Vec<String>,
    /// Where it runs.
    works_in: PathBuf,
    /// Where its data are.
    folder: PathBuf,
}

/// Device tests by module, tests of a file without modules one by one, mixes by seed; the data of each
/// below `folder`.
pub(super) fn parts(programs: &[Program], folder: &Path) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    for program in programs {
        let mut add = |of_program: &str, arguments: &[&str]| {
            let name = format!("{}-{of_program}", program.name);
            parts.push(Part {
                folder: folder.join(&name),
                name,
                program: program.path.clone(),
                arguments: arguments
                    .iter()
                    .map(|&argument| argument.to_owned())
                    .collect(),
                works_in: program.folder.clone(),
            });
        };
        if program.is_tests {
            let tests = program.tests()?;
            let is_counted = |test: &&str| !LEFT_OUT.contains(test);
            let tests: Vec<&str> = tests
                .iter()
                .map(String::as_str)
                .filter(is_counted)
                .collect();
            let mut groups: Vec<&str> = tests.iter().map(|test| group(test)).collect();
            groups.sort_unstable();
            groups.dedup();
            for group in groups {
                let of_group = tests
                    .iter()
                    .copied()
                    .filter(|test| self::group(test) == group);
                let of_group: Vec<&str> = of_group.collect();
                add(
                    group,
                    &[&of_group[..], &["--exact", "--test-threads", "1"]].concat(),
                );
            }
        } else {
            for first in (1..=MIXES).step_by(MIXES_A_PART as usize) {
                let (first, seeds) = (first.to_string(), MIXES_A_PART.to_string());
                add(&first, &["--first-seed", &first, "--seeds", &seeds]);
            }
        }
    }
    Ok(parts)
}

/// Removes the data of parts that are no more.
pub(super) fn remove_others(folder: &Path, parts: &[Part]) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() && parts.iter().all(|part| part.folder != path) {
            fs::remove_dir_all(&path).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}

/// The part that a test belongs to: its outermost module, or itself.
fn group(test: &str) -> &str {
    test.split("::").next().unwrap_or(test)
}

impl Part {
    /// How many cases have passed when it was counted; nothing when that was another program, not whole, or
    /// never.
    pub(super) fn counted(&self) -> Result<Option<u64>> {
        let Ok(text) = fs::read_to_string(self.folder.join(PASSED)) else {
            return Ok(None);
        };
        let changed = |path: &Path| {
            fs::metadata(path)
                .and_then(|data| data.modified())
                .with_context(|| path.display().to_string())
        };
        let is_of_this = changed(&self.folder.join(PASSED))? > changed(&self.program)?;
        Ok(text.trim().parse().ok().filter(|_| is_of_this))
    }

    /// Its data files.
    pub(super) fn data(&self) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for file in fs::read_dir(&self.folder).with_context(|| self.folder.display().to_string())? {
            let path = file?.path();
            files
                .extend(Some(path).filter(|path| path.extension().is_some_and(|end| end == "dat")));
        }
        files.sort();
        Ok(files)
    }

    /// Runs it anew: cases that pass, and that fail.
    fn run(&self) -> Result<(u64, u64)> {
        let named = || self.folder.display().to_string();
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder).with_context(named)?;
        }
        fs::create_dir_all(&self.folder).with_context(named)?;
        let said = self.folder.join(SAID);
        let file = File::create(&said).with_context(named)?;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(&self.works_in);
        command.env("NVME_RTL_COVERAGE", &self.folder);
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        let status = command
            .status()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let text = fs::read_to_string(&said).with_context(named)?;
        let (mut passed, mut failed) =
            text.lines().filter_map(cases).fold((0, 0), |sum, of_line| {
                (sum.0 + of_line.0, sum.1 + of_line.1)
            });
        if passed + failed == 0 {
            passed = u64::from(status.success());
        }
        failed += u64::from(failed == 0 && !status.success());
        if failed == 0 {
            fs::write(self.folder.join(PASSED), passed.to_string()).with_context(named)?;
        } else {
            eprintln!("── {}: {status}\n{text}", self.name);
        }
        Ok((passed, failed))
    }
}

/// Runs parts, as many at once as there are cores: cases that pass, and that fail.
pub(super) fn run(parts: &[&Part]) -> Result<(u64, u64)> {
    struct State<'a> {
        left: VecDeque<&'a Part>,
        done: usize,
        cases: (u64, u64),
        error: Option<anyhow::Error>,
    }
    let all = parts.len();
    let state = Mutex::new(State {
        left: parts.iter().copied().collect(),
        done: 0,
        cases: (0, 0),
        error: None,
    });
    let lock = || state.lock().unwrap_or_else(PoisonError::into_inner);
    let work = || loop {
        let Some(part) = lock().left.pop_front() else {
            break;
        };
        let start = Instant::now();
        let ended = part.run();
        let mut state = lock();
        state.done += 1;
        match ended {
            Ok((passed, failed)) => {
                state.cases.0 += passed;
                state.cases.1 += failed;
                let seconds = start.elapsed().as_secs_f64();
                eprintln!(
                    "{}/{all} {}: {passed} passed, {failed} failed, {seconds:.1} s",
                    state.done, part.name
                );
            }
            Err(error) => {
                state.left.clear();
                state.error.get_or_insert(error.context(part.name.clone()));
            }
        }
    };
    let workers = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(all.max(1));
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(work);
        }
    });
    let State { cases, error, .. } = state.into_inner().unwrap_or_else(PoisonError::into_inner);
    match error {
        Some(error) => Err(error),
        None => Ok(cases),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A part that runs `script` by a shell, in the place of its test program.
    fn part(folder: &Path, script: &str) -> Part {
        Part {
            name: "shell".to_owned(),
            program: "/bin/sh".into(),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            works_in: folder.to_owned(),
            folder: folder.join("shell"),
        }
    }

    #[test]
    fn what_was_counted_whole_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let one = part(
            folder.path(),
            "echo 'test result: ok. 3 passed; 0 failed'; echo x > $NVME_RTL_COVERAGE/a.dat",
        );
        assert_eq!(one.counted().expect("readable"), None);
        assert_eq!(run(&[&one]).expect("it runs"), (3, 0));
        assert_eq!(one.counted().expect("readable"), Some(3));
        assert_eq!(one.data().expect("readable").len(), 1);
        remove_others(folder.path(), &[]).expect("removable");
        assert_eq!(one.counted().expect("readable"), None);
    }

    #[test]
    fn what_fails_is_not_counted() {
        let folder = tempfile::tempdir().expect("a folder");
        for (script, cases) in [
            (
                "echo 'test result: FAILED. 3 passed; 1 failed'; exit 1",
                (3, 1),
            ),
            ("exit 1", (0, 1)),
            ("kill -9 $$", (0, 1)),
        ] {
            let one = part(folder.path(), script);
            assert_eq!(run(&[&one]).expect("it runs"), cases, "{script}");
            assert_eq!(one.counted().expect("readable"), None, "{script}");
        }
    }

    #[test]
    fn tests_are_grouped_by_module() {
        assert_eq!(group("data_links::every_link"), "data_links");
        assert_eq!(group("hot_reset"), "hot_reset");
    }
}
