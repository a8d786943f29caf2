//! A device that a child process serves.
#![allow(dead_code, reason = "each test file uses a part")]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// `rdstore device serve`, killed with the value.
pub(crate) struct Served {
    folder: TempDir,
    child: Child,
}

impl Served {
    /// Serves the device that `words` of a command line describe.
    pub(crate) fn start(words: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let child = serve(folder.path(), words);
        Self { folder, child }
    }

    /// The directory of the sockets.
    pub(crate) fn directory(&self) -> PathBuf {
        self.folder.path().join("d")
    }

    /// Its URI.
    pub(crate) fn uri(&self) -> String {
        format!("vfio-user:{}", self.directory().display())
    }

    /// Waits until so many clients have connected to this server, or to those before it, since the first
    /// was started.
    pub(crate) fn wait_for_clients(&self, count: usize) {
        let began = Instant::now();
        while self.clients() < count {
            assert!(began.elapsed() < Duration::from_secs(60), "no client comes");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Clients that have connected so far.
    pub(crate) fn clients(&self) -> usize {
        let log = std::fs::read_to_string(self.folder.path().join(LOG)).expect("a log");
        log.matches("a client has connected").count()
    }

    /// Kills the server, without a warning.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it ran");
        self.child.wait().expect("it has ended");
    }

    /// The next server in the same place.
    pub(crate) fn restart(&mut self, words: &str) {
        self.kill();
        self.child = serve(self.folder.path(), words);
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the servers say.
const LOG: &str = "serve.log";

fn serve(folder: &Path, words: &str) -> Child {
    let log = File::options()
        .append(true)
        .create(true)
        .open(folder.join(LOG));
    let mut child = Command::new(env!("CARGO_BIN_EXE_rdstore"))
        .current_dir(folder)
        .args(["device", "serve", "--vfio-user", "d", "--json"])
        .args(words.split_whitespace())
        .stdout(Stdio::piped())
        .stderr(log.expect("a log"))
        .spawn()
        .expect("started");
    let mut ready = String::new();
    let stdout = child.stdout.take().expect("piped");
    BufReader::new(stdout)
        .read_line(&mut ready)
        .expect("a line");
    assert!(
        ready.contains("\"ready\":true"),
        "the server has said: {ready:?}"
    );
    child
}
