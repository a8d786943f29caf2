//! A core for the servers and one for the client.

use anyhow::{Context, Result, bail};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Who runs where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cores {
    /// The client of every side.
    pub client: usize,
    /// Every server, one at a time.
    pub server: usize,
}

impl Cores {
    /// The first two cores that this process may use.
    ///
    /// # Errors
    /// There is only one: a client and a device that both poll need one each.
    pub fn of_this_process() -> Result<Self> {
        let allowed = sched_getaffinity(None).context("asking for this process's cores")?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core));
        match (cores.next(), cores.next()) {
            (Some(client), Some(server)) => Ok(Self { client, server }),
            _ => bail!(
                "this process may use one core only; the client and the server poll and need one \
                 each: run it on a machine, or in a container, with two"
            ),
        }
    }

    /// Keeps the calling thread on the client's core.
    ///
    /// # Errors
    /// The operating system's.
    pub fn pin_client(self) -> Result<()> {
        let mut only = CpuSet::new();
        only.set(self.client);
        sched_setaffinity(None, &only)
            .with_context(|| format!("pinning the client to core {}", self.client))
    }
}
