//! A server in a process of its own, on one core, which ends with this process whatever happens.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// A running server.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` on core `core`; what it says goes into a file of `folder`.
    ///
    /// # Errors
    /// It cannot be started, or a program of util-linux is missing.
    pub fn start(
        name: &str,
        core: usize,
        program: &Path,
        arguments: &[&OsStr],
        folder: &Path,
    ) -> Result<Self> {
        let log = folder.join(format!("{}.log", name.replace([' ', '/'], "-")));
        let file = File::create(&log).with_context(|| format!("making {}", log.display()))?;
        // The kernel ends it when this process ends, even if it is paused then.
        let mut line: Vec<OsString> = ["--pdeathsig", "KILL", "taskset", "-c"]
            .map(OsString::from)
            .to_vec();
        line.push(core.to_string().into());
        line.push(program.into());
        line.extend(arguments.iter().map(OsString::from));
        let child = Command::new("setpriv")
            .args(&line)
            .stdin(Stdio::null())
            .stdout(file.try_clone().context("a second handle on a log")?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("starting {name} by setpriv and taskset (util-linux)"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log,
        })
    }

    /// What it is called in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process ID.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Calls `ready` until it gives something.
    ///
    /// # Errors
    /// The process ends first, or is not ready in time; what it said last is part of the message.
    pub fn until<T>(&mut self, mut ready: impl FnMut() -> Option<T>) -> Result<T> {
        const LONGEST: Duration = Duration::from_secs(30);
        let start = Instant::now();
        loop {
            if let Some(found) = ready() {
                return Ok(found);
            }
            if let Some(status) = self.child.try_wait().context("looking after a server")? {
                bail!("{} ended with {status}: {}", self.name, self.last_words());
            }
            if start.elapsed() > LONGEST {
                bail!(
                    "{} is not ready after {LONGEST:?}: {}",
                    self.name,
                    self.last_words()
                );
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The end of what it said.
    pub fn last_words(&self) -> String {
        const LINES: usize = 5;
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join(" | ")
    }

    /// Stops it where it is: it takes no time of its core until it is resumed.
    ///
    /// # Errors
    /// It is not there any more.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// It is not there any more.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let id = Pid::from_child(&self.child);
        kill_process(id, signal)
            .with_context(|| format!("{} is gone: {}", self.name, self.last_words()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing else to be done about an error here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cores::Cores;

    #[test]
    fn a_process_runs_on_its_core_and_ends_with_its_handle() {
        let folder = tempfile::tempdir().unwrap();
        let cores = Cores::of_this_process().unwrap();
        let arguments = ["600"].map(OsStr::new);
        let mut process = Process::start(
            "a long sleep",
            cores.server,
            Path::new("sleep"),
            &arguments,
            folder.path(),
        )
        .unwrap();
        let status = format!("/proc/{}/status", process.id());
        let line = |name: &str| {
            let text = std::fs::read_to_string(&status).unwrap();
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap().trim().to_owned()
        };
        process
            .until(|| (line("Name:") == "sleep").then_some(()))
            .unwrap();
        assert_eq!(line("Cpus_allowed_list:"), cores.server.to_string());
        process.pause().unwrap();
        process
            .until(|| line("State:").starts_with('T').then_some(()))
            .unwrap();
        process.resume().unwrap();
        process
            .until(|| line("State:").starts_with('S').then_some(()))
            .unwrap();
        process.pause().unwrap();
        drop(process);
        assert!(!Path::new(&status).exists(), "a paused process ends, too");
    }

    #[test]
    fn a_server_that_ends_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let core = Cores::of_this_process().unwrap().server;
        let arguments = ["-c", "echo no such port; exit 3"].map(OsStr::new);
        let mut process =
            Process::start("shell", core, Path::new("sh"), &arguments, folder.path()).unwrap();
        let message = process.until(|| None::<()>).unwrap_err().to_string();
        assert!(message.contains("no such port"), "{message}");
        assert!(message.contains("exit status: 3"), "{message}");
    }
}
