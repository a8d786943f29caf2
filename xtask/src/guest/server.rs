//! `rdstore device serve` beside the guests.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::bench::program::built;

/// How long it may take until the sockets are there.
const PATIENCE: Duration = Duration::from_secs(60);

/// A served device; dropped, it is killed.
pub(crate) struct Server {
    child: Child,
}

impl Server {
    /// Serves `functions` of the device `uri` below `directory`; what it prints goes to `log`.
    pub(crate) fn start(
        uri: &str,
        directory: &Path,
        functions: u8,
        options: &[&str],
        log: &Path,
    ) -> Result<Self> {
        let output = File::options().create(true).append(true).open(log)?;
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL"])
            .arg(built("rdstore"))
            .args(["device", "serve", "--device", uri, "--vfio-user"])
            .arg(directory)
            .args(["--functions", &functions.to_string()])
            .args(options)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let child = command
            .spawn()
            .context("cannot start `rdstore device serve`")?;
        let mut server = Self { child };
        let until = Instant::now() + PATIENCE;
        while !(0..functions).all(|function| socket(directory, function).exists()) {
            let ended = server.child.try_wait()?;
            if ended.is_some() || Instant::now() > until {
                bail!(
                    "`rdstore device serve --device {uri}` {}: {}",
                    ended.map_or("makes no sockets".to_owned(), |status| format!(
                        "ended with {status}"
                    )),
                    std::fs::read_to_string(log).unwrap_or_default().trim()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Where function 0 (the PF), 1 (the first VF) and so on is served.
pub(crate) fn socket(directory: &Path, function: u8) -> PathBuf {
    let name = match function {
        0 => "pf".to_owned(),
        vf => format!("vf{}", vf - 1),
    };
    directory.join(name).join("cntrl")
}
