//! Devices simulated in this process: a host, a link, a controller.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use nvme_model::medium::Medium;
use pcie_host::endpoint::NANOSECONDS_PER_CYCLE;
use pcie_host::{Host, HostOptions};

use super::{MachineOptions, MissingFile};
use crate::size::show_size;
use crate::twin::Twin;
use crate::uri::{Backend, DEFAULT_SIZE_BYTES, DeviceUri, LinkWidth, SimulationOptions};

/// A simulated host and its device.
pub(super) struct Simulated {
    pub(super) host: Host,
    pub(super) options: SimulationOptions,
    pub(super) twin: Option<Twin>,
    created: Option<CreatedFile>,
    blank: bool,
}

/// A file that this process has created, until it is kept: dropped before that, it is removed, so
/// that a command that fails leaves no device without a store behind.
struct CreatedFile(Option<PathBuf>);

impl Drop for CreatedFile {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            // The error that led here is the one to report.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Simulated {
    /// Puts the device that `uri` names behind a host.
    pub(super) fn make(uri: &DeviceUri, options: MachineOptions) -> anyhow::Result<Self> {
        let file = image_file(uri)?;
        let available = uri.simulation.functions();
        if options.functions > available {
            bail!(
                "{uri}: {} functions are needed and the device has {available}: the PF and {} VFs; \
                 ask for more with vfs=, at most 8",
                options.functions,
                uri.simulation.vfs
            );
        }
        if uri.simulation.at_once {
            bail!(
                "at_once=1: is for a model that `rdstore device serve` serves; in this process the host \
                 goes by cycles"
            );
        }
        let (medium, created) = open_medium(uri, file, options.missing_file)?;
        let blank = file.is_none() || created.is_some();
        let name = &uri.text;
        let (endpoint, twin) = Twin::make(uri, medium, options.trace)
            .with_context(|| format!("making the device of {name}"))?;
        let host = Host::new(host_options(name, &uri.simulation), endpoint)
            .with_context(|| format!("making the host of {name}"))?;
        if options.functions > 1 {
            host.enable_virtual_functions(uri.simulation.vfs)?;
        }
        Ok(Self {
            host,
            options: uri.simulation.clone(),
            twin,
            created: created.map(|path| CreatedFile(Some(path))),
            blank,
        })
    }

    /// The device was made by this process and is all zeros.
    pub(super) fn is_blank(&self) -> bool {
        self.blank
    }

    /// An image file made by this process stays, and stderr says so.
    pub(super) fn keep(&mut self) {
        if let Some(path) = self.created.as_mut().and_then(|created| created.0.take()) {
            let bytes = self.options.size_bytes.unwrap_or(DEFAULT_SIZE_BYTES);
            eprintln!("created {} ({}, sparse)", path.display(), show_size(bytes));
        }
    }
}

/// The image file of a simulated device; `None` where it is in memory alone.
///
/// # Errors
/// The device is not simulated, or not by this build.
pub(crate) fn image_file(uri: &DeviceUri) -> anyhow::Result<Option<&Path>> {
    match &uri.backend {
        Backend::Model { file } => Ok(file.as_deref()),
        Backend::Rtl { file } if cfg!(feature = "rtl") => Ok(file.as_deref()),
        Backend::Rtl { .. } => bail!(
            "{uri}: this build has no Verilog device; `cargo xtask setup`, then \
             `cargo run --release --features rtl -- …` has it. model: is the same controller"
        ),
        Backend::VfioUser { .. } | Backend::Vfio { .. } => bail!(
            "{uri}: is not simulated in this process; the simulated devices are model: and rtl:"
        ),
    }
}

/// Opens the medium of a simulated device; the path of its file, if this has made it.
pub(crate) fn open_medium(
    uri: &DeviceUri,
    file: Option<&Path>,
    missing: MissingFile,
) -> anyhow::Result<(Medium, Option<PathBuf>)> {
    const BLOCK_BYTES: u32 = 4096;
    let size_bytes = uri.simulation.size_bytes.unwrap_or(DEFAULT_SIZE_BYTES);
    let Some(path) = file else {
        let mut medium = Medium::in_memory(size_bytes, BLOCK_BYTES)?;
        if uri.simulation.huge_pages {
            medium.prefer_huge_pages();
        }
        return Ok((medium, None));
    };
    if uri.simulation.huge_pages {
        bail!("huge_pages=1: is for an image in memory, model: without a FILE; leave it out");
    }
    if path.exists() {
        // The size counts at creation only.
        return Ok((Medium::open_file(path, None)?, None));
    }
    if missing == MissingFile::Refuse {
        bail!(
            "{}: there is no such file; make one with `rdstore format --device {uri}`",
            path.display()
        );
    }
    let medium = Medium::create_file(path, size_bytes, BLOCK_BYTES)?;
    Ok((medium, Some(path.to_owned())))
}

/// The link of a simulated device.
pub(crate) fn host_options(name: &str, simulation: &SimulationOptions) -> HostOptions {
    HostOptions {
        name: name.to_owned(),
        rtt_cycles: u64::from(simulation.rtt_ns) / NANOSECONDS_PER_CYCLE,
        max_payload_bytes: simulation.mps,
        max_read_request_bytes: simulation.mrrs,
        completion_split_bytes: simulation.split,
        completion_space_bytes: simulation.cpl_bytes,
        link_bytes_per_cycle: link_bytes_per_cycle(simulation.link),
        software_cycles: u64::from(simulation.host_ns) / NANOSECONDS_PER_CYCLE,
        ..HostOptions::default()
    }
}

/// Bytes a link moves in one cycle of 8 ns: 2.5 and 5 GT/s with 8b/10b, 8 GT/s with 128b/130b.
fn link_bytes_per_cycle(link: LinkWidth) -> u32 {
    let bytes_a_lane_in_8_ns = match link.generation {
        1 => 2.0,
        2 => 4.0,
        _ => 8.0 * 128.0 / 130.0,
    };
    (bytes_a_lane_in_8_ns * f64::from(link.lanes)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gen2_x8_moves_32_bytes_a_cycle() {
        let bytes = |generation, lanes| link_bytes_per_cycle(LinkWidth { generation, lanes });
        assert_eq!(bytes(2, 8), 32);
        assert_eq!(bytes(1, 1), 2);
        assert_eq!(bytes(3, 8), 63);
    }
}
