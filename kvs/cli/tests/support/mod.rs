//! Running the binary.
#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod served;

use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// The binary, in a folder of its own.
pub(crate) struct Shell {
    folder: TempDir,
}

/// What a run left.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Shell {
    pub(crate) fn new() -> Self {
        Self {
            folder: TempDir::new().expect("a temporary folder"),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path().join(name), content).expect("writing a file");
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path().join(name)).expect("reading a file")
    }

    pub(crate) fn run_with_stdin(&self, arguments: &[&str], stdin: &[u8]) -> Run {
        let output = Command::new(env!("CARGO_BIN_EXE_rdstore"))
            .current_dir(self.path())
            .args(arguments)
            .write_stdin(stdin)
            .output()
            .expect("running rdstore");
        Run {
            code: output.status.code().expect("an exit code"),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).expect("UTF-8 on stderr"),
        }
    }

    /// `words` are separated by spaces.
    pub(crate) fn run(&self, words: &str) -> Run {
        self.run_with_stdin(&words.split(' ').collect::<Vec<_>>(), b"")
    }

    /// A run that must end with exit code 0.
    pub(crate) fn ok(&self, words: &str) -> Run {
        let run = self.run(words);
        assert_eq!(run.code, 0, "{words}: {run:?}");
        run
    }

    /// The JSON of a run that must end with `code`.
    pub(crate) fn json_with(&self, words: &str, code: i32) -> Value {
        let run = self.run(&format!("{words} --json"));
        assert_eq!(run.code, code, "{words}: {run:?}");
        serde_json::from_slice(&run.stdout)
            .unwrap_or_else(|error| panic!("{words}: stdout is not JSON ({error}): {run:?}"))
    }

    /// The JSON of a run that must end with exit code 0.
    pub(crate) fn json(&self, words: &str) -> Value {
        self.json_with(words, 0)
    }

    /// A run that must end with exit code 2, nothing on stdout, and all `parts` on stderr.
    pub(crate) fn wrong(&self, words: &str, parts: &[&str]) {
        let run = self.run(words);
        assert_eq!(run.code, 2, "{words}: {run:?}");
        assert!(run.stdout.is_empty(), "{words}: {run:?}");
        for part in parts {
            assert!(
                run.stderr.contains(part),
                "{words}: no '{part}' in: {}",
                run.stderr
            );
        }
    }
}

impl Run {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).expect("UTF-8 on stdout")
    }
}

/// The names of an object's members, in their order.
pub(crate) fn names(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect()
}
