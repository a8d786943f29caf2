//! What stands around the guests of a set: the served device, where it is plugged in, and what the host does when a
//! guest asks.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::device::{Device, Layout};
use super::qemu::Machine;
use super::qmp::Qmp;
use super::server::{Server, socket};

/// The slots of a guest.
const SLOTS: [&str; 2] = ["rp0", "rp1"];
/// How large a medium the guests see.
const MEDIUM_BYTES: u64 = 1 << 30;

/// The stage of one set on one device.
pub(crate) struct Stage {
    device: Device,
    layout: Layout,
    folder: PathBuf,
    /// Sockets: a short path, since a socket's has to be.
    sockets: tempfile::TempDir,
    server: Option<Server>,
    /// What guests have told each other.
    posted: BTreeSet<String>,
}

impl Stage {
    pub(crate) fn new(device: Device, layout: Layout, folder: &Path) -> Result<Self> {
        let mut stage = Self {
            device,
            layout,
            folder: folder.to_owned(),
            sockets: tempfile::tempdir().context("a folder for sockets")?,
            server: None,
            posted: BTreeSet::new(),
        };
        stage.serve()?;
        Ok(stage)
    }

    fn serve(&mut self) -> Result<()> {
        if let Some(uri) = self.device.uri(&self.folder.join("medium"), MEDIUM_BYTES) {
            let functions = self.layout.functions();
            let log = self.folder.join("server.log");
            let options = self.layout.server_options();
            self.server = Some(Server::start(
                &uri,
                self.sockets.path(),
                functions,
                options,
                &log,
            )?);
        }
        Ok(())
    }

    fn control(&self, guest: usize) -> PathBuf {
        self.sockets.path().join(format!("qmp{guest}"))
    }

    /// Function `function` of the device as QEMU's `device_add` takes it.
    fn plug(&self, id: &str, slot: &str, function: u8) -> Value {
        match self.device {
            Device::Qemu => {
                json!({ "driver": "nvme", "id": id, "bus": slot, "serial": id, "drive": "disk" })
            }
            Device::Model | Device::Rtl => json!({
                "driver": "vfio-user-pci", "id": id, "bus": slot,
                "socket": { "type": "unix", "path": socket(self.sockets.path(), function) },
            }),
        }
    }

    /// Gives guest number `guest` what the layout says.
    pub(crate) fn furnish(&self, machine: Machine, guest: usize) -> Result<Machine> {
        let control = self.control(guest);
        let mut machine = machine.with(&[
            "-qmp",
            &format!("unix:{},server=on,wait=off", control.display()),
            "-device",
            "pcie-root-port,id=rp0,chassis=1,slot=1",
            "-device",
            "pcie-root-port,id=rp1,chassis=2,slot=2",
        ]);
        if self.device == Device::Qemu {
            machine = machine.with(&["-drive", &self.disk("disk")?]);
        }
        let function = match self.layout {
            Layout::Empty => return Ok(machine),
            Layout::One | Layout::BehindIommu | Layout::WithPeer => 0,
            Layout::SrIov => return Ok(self.side_by_side(machine)),
            Layout::TwoHosts => u8::try_from(guest)? + 1,
        };
        machine = machine.with(&[
            "-device",
            &self.plug("device", SLOTS[0], function).to_string(),
        ]);
        if self.layout == Layout::WithPeer {
            machine = machine.with(&[
                "-drive",
                &self.disk("peer")?,
                "-device",
                "nvme,bus=rp1,serial=peer,drive=peer",
            ]);
        }
        Ok(machine)
    }

    /// The PF and the first VF as functions 0 and 1 of the first slot's device.
    fn side_by_side(&self, machine: Machine) -> Machine {
        (0..2).fold(machine, |machine, function| {
            let mut device = self.plug(&format!("function{function}"), SLOTS[0], function);
            device["addr"] = format!("0.{function}").into();
            device["multifunction"] = (function == 0).into();
            machine.with(&["-device", &device.to_string()])
        })
    }

    /// A disk for QEMU's own NVMe device, in memory as ours is.
    fn disk(&self, id: &str) -> Result<String> {
        let file = self.folder.join(id);
        std::fs::File::create(&file)?.set_len(MEDIUM_BYTES)?;
        Ok(format!(
            "id={id},if=none,format=raw,file={}",
            file.display()
        ))
    }

    /// Does what guest number `guest` asks for.
    pub(crate) fn answer(&mut self, guest: usize, words: &[String]) -> Result<String> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["plug", slot] => {
                let bus = if slot == "first" { SLOTS[0] } else { SLOTS[1] };
                let device = self.plug(slot, bus, 0);
                Qmp::connect(&self.control(guest))?.execute("device_add", &device)?;
            }
            ["unplug", id] => Qmp::connect(&self.control(guest))?.unplug(id)?,
            ["kill-server"] => self.server.as_mut().context("no server runs")?.kill(),
            ["start-server"] => self.serve()?,
            ["post", what] => {
                self.posted.insert(what.to_owned());
            }
            ["posted", what] if self.posted.contains(what) => return Ok("yes".to_owned()),
            ["posted", _] => return Ok("not yet".to_owned()),
            _ => bail!("nobody does that here"),
        }
        Ok(String::new())
    }
}
