//! QEMU's own control socket (QMP): one JSON value a line.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// How long QEMU may take to answer, and a guest to let go of a device.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to one QEMU.
pub(crate) struct Qmp {
    lines: BufReader<UnixStream>,
}

impl Qmp {
    /// Connects, once QEMU has made the socket.
    pub(crate) fn connect(socket: &Path) -> Result<Self> {
        let until = Instant::now() + PATIENCE;
        let stream = loop {
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(_) if Instant::now() < until => std::thread::sleep(Duration::from_millis(20)),
                Err(error) => {
                    return Err(error).with_context(|| format!("QEMU at {}", socket.display()));
                }
            }
        };
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut qmp = Self {
            lines: BufReader::new(stream),
        };
        qmp.next(|value| value.get("QMP").is_some())?;
        qmp.execute("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// Runs one command, and returns what QEMU returns.
    pub(crate) fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        let message = json!({ "execute": command, "arguments": arguments });
        writeln!(self.lines.get_mut(), "{message}").context("QEMU takes no command")?;
        let answer =
            self.next(|value| value.get("return").is_some() || value.get("error").is_some())?;
        if let Some(error) = answer.get("error") {
            bail!("QEMU refuses {command}: {}", error["desc"]);
        }
        Ok(answer["return"].clone())
    }

    /// Takes a device out of its slot, and waits until the guest has let go of it.
    pub(crate) fn unplug(&mut self, id: &str) -> Result<()> {
        self.execute("device_del", &json!({ "id": id }))?;
        self.next(|value| value["event"] == "DEVICE_DELETED" && value["data"]["device"] == id)
            .with_context(|| format!("the guest does not let go of {id}"))?;
        Ok(())
    }

    /// The next value that is `wanted`; others are dropped.
    fn next(&mut self, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let mut line = String::new();
            if self
                .lines
                .read_line(&mut line)
                .context("QEMU says nothing")?
                == 0
            {
                bail!("QEMU has gone");
            }
            let value: Value = serde_json::from_str(&line)
                .with_context(|| format!("QEMU says `{}`", line.trim()))?;
            if wanted(&value) {
                return Ok(value);
            }
        }
        bail!("no answer of QEMU after {} s", PATIENCE.as_secs())
    }
}
