//! The device in a process of its own, and the driver's side of it in this one.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use nvme_driver::{CompletionMode, QueuePair};
use rdstore::{Client, FormatOptions, OpenOptions, format};
use rdstore_cli::machine::{
    DeviceTransport, Machine, MachineOptions, MissingFile, Pages, queue_options,
};

use crate::process::Process;
use crate::side::reads::RandomReads;
use crate::side::store::Store;

/// Pages of 4 KiB that the store hashes keys to, at the begin of the device: 1 GiB.
const STORE_PAGES: u64 = 1 << 18;
/// Pages at its end that are read without the store: more than any cache holds.
const READ_PAGES: u64 = 50_000;
/// Commands that a queue pair has room for: 32 operations, a fused pair each.
const QUEUE_COMMANDS: u32 = 127;

/// How the served device's time passes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pacing {
    /// As fast as the simulation can go.
    AsFastAsPossible,
    /// A page's medium takes 10 µs of real time, and all else what the simulation takes.
    TenMicrosecondsOfMedia,
}

impl Pacing {
    /// As the table says it.
    pub const fn shown(self) -> &'static str {
        match self {
            Self::AsFastAsPossible => "fast, no cycles",
            Self::TenMicrosecondsOfMedia => "media 10 µs, real time",
        }
    }

    const fn folder(self) -> &'static str {
        match self {
            Self::AsFastAsPossible => "device",
            Self::TenMicrosecondsOfMedia => "paced-device",
        }
    }

    /// The served device's URI: the store's part and that of the reads, and a link that takes a page in one
    /// TLP each way, as PCIe allows and a VC709 does not.
    pub const fn device(self) -> &'static str {
        match self {
            Self::AsFastAsPossible => {
                "model:?size=1280MiB&mps=4096&mrrs=4096&split=4096&huge_pages=1&at_once=1"
            }
            Self::TenMicrosecondsOfMedia => {
                "model:?size=1280MiB&mps=4096&mrrs=4096&split=4096&huge_pages=1&media_us=10"
            }
        }
    }

    const fn pace(self) -> &'static str {
        match self {
            Self::AsFastAsPossible => "fast",
            Self::TenMicrosecondsOfMedia => "media",
        }
    }
}

/// `rdstore device serve` in a process of its own.
///
/// # Errors
/// It does not come up.
pub fn serve(
    program: &Path,
    core: usize,
    folder: &Path,
    pacing: Pacing,
) -> Result<(Process, PathBuf)> {
    let sockets = folder.join(pacing.folder());
    let arguments = [
        OsStr::new("device"),
        OsStr::new("serve"),
        OsStr::new("--device"),
        OsStr::new(pacing.device()),
        OsStr::new("--pace"),
        OsStr::new(pacing.pace()),
        OsStr::new("--no-sleep"),
        OsStr::new("--vfio-user"),
        sockets.as_os_str(),
    ];
    let name = match pacing {
        Pacing::AsFastAsPossible => "rdstore device serve",
        Pacing::TenMicrosecondsOfMedia => "rdstore device serve, paced",
    };
    let mut process = Process::start(name, core, program, &arguments, folder)?;
    let socket = sockets.join("pf").join("cntrl");
    process.until(|| socket.exists().then_some(()))?;
    Ok((process, sockets))
}

/// The driver on a served device.
pub struct Device {
    machine: Machine,
}

impl Device {
    /// Brings the PF up.
    ///
    /// # Errors
    /// Those of the client and of the driver.
    pub fn open(sockets: &Path) -> Result<Self> {
        let uri = format!("vfio-user:{}?poll=spin", sockets.display());
        let options = MachineOptions {
            missing_file: MissingFile::Refuse,
            functions: 1,
            trace: false,
        };
        let machine = Machine::open(&uri.parse()?, options)?;
        Ok(Self { machine })
    }

    fn queue_pair(&self) -> Result<QueuePair<DeviceTransport>> {
        let options = queue_options(QUEUE_COMMANDS, CompletionMode::Polling);
        self.machine.queue_pair(0, options)
    }

    /// Makes a store on the device, which is blank, and a client of it.
    ///
    /// # Errors
    /// Those of the store.
    pub fn store(&self) -> Result<Store<Pages>> {
        let mut pages = Pages::new(self.queue_pair()?);
        let options = FormatOptions {
            known_blank: true,
            pages: Some(STORE_PAGES),
            seed: 1,
            ..FormatOptions::default()
        };
        format(&mut pages, &options).context("formatting the served device")?;
        let client = Client::open(pages, OpenOptions::default())?;
        Ok(Store::new(client))
    }

    /// A queue pair for reads without the store, from pages of its own.
    ///
    /// # Errors
    /// Those of the driver.
    pub fn random_reads(&self) -> Result<RandomReads<DeviceTransport>> {
        let bytes = self.machine.controller(0)?.info().capacity_bytes();
        let first_page = bytes / 4096 - READ_PAGES;
        RandomReads::new(self.queue_pair()?, first_page, READ_PAGES)
    }

    /// Fused pairs that have written, by the device's own count.
    ///
    /// # Errors
    /// The device does not answer, or has no such count.
    pub fn pairs_written(&self) -> Result<u64> {
        let rows = self.machine.counters()?;
        ensure!(!rows.is_empty(), "the served device has no counters");
        Ok(rows.iter().map(|row| row.pairs - row.miscompares).sum())
    }
}
