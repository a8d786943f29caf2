//! The one way devices are named: `model:`, `model:FILE?size=1GiB`, `vfio:0000:01:00.0` …

mod real_time;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

use crate::size::parse_size;

pub use real_time::RealTimeOptions;

/// What stands behind a device URI.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Backend {
    /// The cycle model in this process; its DRAM image in memory, or kept in a file.
    Model {
        /// The image file.
        file: Option<PathBuf>,
    },
    /// The Verilog through Verilator in this process; its DRAM image in memory, or in a file.
    Rtl {
        /// The image file.
        file: Option<PathBuf>,
    },
    /// A device that another process serves.
    VfioUser {
        /// Directory of one function's socket, or of several such directories.
        path: PathBuf,
    },
    /// A PCIe device of this machine.
    Vfio {
        /// Domain, bus, device and function, such as `0000:01:00.0`.
        address: String,
    },
}

/// PCIe generation and lanes of the simulated link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkWidth {
    /// 1 to 3.
    pub generation: u8,
    /// 1, 2, 4 or 8.
    pub lanes: u8,
}

/// The options of a simulated device, with the defaults that the figures of this project are
/// stated for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SimulationOptions {
    /// `size`: bytes of the medium; counts at creation only.
    pub size_bytes: Option<u64>,
    /// `vfs`: virtual functions beside the PF, 0 to 8.
    pub vfs: u8,
    /// `queues`: I/O queue pairs a function, 1 to 31.
    pub queues: u16,
    /// `link`: generation and lanes, such as `gen2x8`.
    pub link: LinkWidth,
    /// `rtt_ns`: a host memory read, from request to first completion.
    pub rtt_ns: u32,
    /// `mps`: Maximum Payload Size in bytes.
    pub mps: u32,
    /// `mrrs`: Maximum Read Request Size in bytes.
    pub mrrs: u32,
    /// `split`: bytes of a read completion.
    pub split: u32,
    /// `cpl_bytes`: completion space of the device's receiver.
    pub cpl_bytes: u32,
    /// `mem_cycles`: latency of the device's memory.
    pub mem_cycles: u32,
    /// `media_us`: further latency of the medium.
    pub media_us: u32,
    /// `huge_pages`: the image in memory lies in huge pages where the kernel has any.
    pub huge_pages: bool,
    /// `at_once`: a served model's commands move their data in one cycle; the cycles say nothing then.
    pub at_once: bool,
    /// `host_ns`: what a register access costs the host's software, for each function.
    pub host_ns: u32,
    /// `serial`: what the device calls itself, 1 to 20 printable characters. Without it, a device in this
    /// process has the same as ever, and one that is served has one of its own.
    pub serial: Option<String>,
    /// `--trace`: a file for the waves of the Verilog; no option of the URI.
    pub waves: Option<PathBuf>,
}

impl Default for SimulationOptions {
    fn default() -> Self {
        Self {
            size_bytes: None,
            vfs: 6,
            queues: 4,
            link: LinkWidth {
                generation: 2,
                lanes: 8,
            },
            rtt_ns: 560,
            mps: 256,
            mrrs: 512,
            split: 256,
            cpl_bytes: 15_872,
            mem_cycles: 25,
            media_us: 0,
            huge_pages: false,
            at_once: false,
            host_ns: 200,
            serial: None,
            waves: None,
        }
    }
}

impl SimulationOptions {
    /// Functions of the device: the PF and its VFs.
    pub fn functions(&self) -> usize {
        1 + usize::from(self.vfs)
    }
}

/// The size of a device that is created without `size=`.
pub const DEFAULT_SIZE_BYTES: u64 = 1 << 30;

/// A parsed `--device`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceUri {
    /// As it was written; how error messages name the device.
    pub text: String,
    /// What stands behind it.
    pub backend: Backend,
    /// Options of a simulated device.
    pub simulation: SimulationOptions,
    /// Options of any other.
    pub real_time: RealTimeOptions,
}

/// A URI that does not parse; names the part that is wrong.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{0}")]
pub struct UriError(String);

const SCHEMES: &str =
    "model:, model:FILE, rtl:, rtl:FILE, vfio-user:DIRECTORY and vfio:0000:01:00.0";
const OPTIONS: &str = "size, vfs, queues, link, rtt_ns, mps, mrrs, split, cpl_bytes, mem_cycles, \
                       media_us, huge_pages, at_once, host_ns and serial";

impl DeviceUri {
    /// The device outlives this process, and what is on it.
    pub fn keeps_content(&self) -> bool {
        !matches!(
            self.backend,
            Backend::Model { file: None } | Backend::Rtl { file: None }
        )
    }
}

impl FromStr for DeviceUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let Some((scheme, rest)) = text.split_once(':') else {
            return Err(UriError(format!(
                "'{text}' has no scheme; devices are {SCHEMES} (a file is model:{text})"
            )));
        };
        let (place, query) = match rest.split_once('?') {
            Some((place, query)) => (place, Some(query)),
            None => (rest, None),
        };
        let file = (!place.is_empty()).then(|| PathBuf::from(place));
        let backend = match scheme {
            "model" => Backend::Model { file },
            "rtl" => Backend::Rtl { file },
            "vfio-user" => Backend::VfioUser {
                path: file.ok_or_else(|| {
                    UriError("'vfio-user:' names no socket; write vfio-user:DIRECTORY".into())
                })?,
            },
            "vfio" => Backend::Vfio {
                address: parse_pci_address(place)?,
            },
            _ => {
                return Err(UriError(format!(
                    "unknown scheme '{scheme}:'; devices are {SCHEMES}"
                )));
            }
        };
        let mut simulation = SimulationOptions::default();
        let mut real_time = RealTimeOptions::default();
        for option in query.into_iter().flat_map(|query| query.split('&')) {
            match backend {
                Backend::Model { .. } | Backend::Rtl { .. } => {
                    parse_option(option, &mut simulation)?;
                }
                Backend::VfioUser { .. } | Backend::Vfio { .. } => {
                    real_time::parse_option(&backend, option, &mut real_time)?;
                }
            }
        }
        Ok(Self {
            text: text.to_owned(),
            backend,
            simulation,
            real_time,
        })
    }
}

impl fmt::Display for DeviceUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn parse_pci_address(text: &str) -> Result<String, UriError> {
    let is_hex = |part: &str, digits: usize| {
        part.len() == digits && part.bytes().all(|b| b.is_ascii_hexdigit())
    };
    let mut colons = text.split(':');
    let parts = (colons.next(), colons.next(), colons.next(), colons.next());
    if let (Some(domain), Some(bus), Some(rest), None) = parts
        && let Some((device, function)) = rest.split_once('.')
        && is_hex(domain, 4)
        && is_hex(bus, 2)
        && is_hex(device, 2)
        && matches!(function.as_bytes(), [b'0'..=b'7'])
    {
        return Ok(text.to_ascii_lowercase());
    }
    Err(UriError(format!(
        "'{text}' is not a PCI address; write domain:bus:device.function as in vfio:0000:01:00.0"
    )))
}

fn parse_option(option: &str, into: &mut SimulationOptions) -> Result<(), UriError> {
    let Some((name, value)) = option.split_once('=') else {
        return Err(UriError(format!(
            "option '{option}' has no value; write name=value"
        )));
    };
    let integer = |minimum: u32, maximum: u32| -> Result<u32, UriError> {
        value
            .parse()
            .ok()
            .filter(|v| (minimum..=maximum).contains(v))
            .ok_or_else(|| {
                UriError(format!(
                    "{name}={value}: must be a number from {minimum} to {maximum}"
                ))
            })
    };
    let one_of = |choices: &[u32]| -> Result<u32, UriError> {
        value
            .parse()
            .ok()
            .filter(|v| choices.contains(v))
            .ok_or_else(|| {
                let choices: Vec<_> = choices.iter().map(u32::to_string).collect();
                UriError(format!(
                    "{name}={value}: must be one of {}",
                    choices.join(", ")
                ))
            })
    };
    match name {
        "size" => {
            let bytes = parse_size(value).map_err(|e| UriError(format!("size={value}: {e}")))?;
            if bytes == 0 || !bytes.is_multiple_of(4096) {
                return Err(UriError(format!(
                    "size={value}: must be a multiple of 4 KiB and not 0"
                )));
            }
            into.size_bytes = Some(bytes);
        }
        "vfs" => into.vfs = integer(0, 8)? as u8,
        "queues" => into.queues = integer(1, 31)? as u16,
        "link" => into.link = parse_link(value)?,
        "rtt_ns" => into.rtt_ns = integer(0, 1_000_000)?,
        "mps" => into.mps = one_of(&[128, 256, 512, 1024, 2048, 4096])?,
        "mrrs" => into.mrrs = one_of(&[128, 256, 512, 1024, 2048, 4096])?,
        "split" => into.split = one_of(&[64, 128, 256, 512, 1024, 2048, 4096])?,
        "cpl_bytes" => into.cpl_bytes = integer(4096, 1 << 20)?,
        "mem_cycles" => into.mem_cycles = integer(1, 100_000)?,
        "media_us" => into.media_us = integer(0, 1_000_000)?,
        "huge_pages" => into.huge_pages = integer(0, 1)? == 1,
        "at_once" => into.at_once = integer(0, 1)? == 1,
        "host_ns" => into.host_ns = integer(0, 1_000_000)?,
        "serial" => into.serial = Some(parse_serial(value)?),
        _ => {
            return Err(UriError(format!(
                "unknown option '{name}'; options are {OPTIONS}"
            )));
        }
    }
    Ok(())
}

/// The standard's field has 20 characters, filled up with blanks; so none stands at an end.
fn parse_serial(value: &str) -> Result<String, UriError> {
    let is_shown = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if is_shown && (1..=20).contains(&value.len()) && value.trim() == value {
        return Ok(value.to_owned());
    }
    Err(UriError(format!(
        "serial={value}: must be 1 to 20 printable ASCII characters, no blank first or last"
    )))
}

fn parse_link(value: &str) -> Result<LinkWidth, UriError> {
    let parsed = value
        .strip_prefix("gen")
        .and_then(|rest| rest.split_once('x'))
        .and_then(|(generation, lanes)| {
            Some(LinkWidth {
                generation: generation.parse().ok()?,
                lanes: lanes.parse().ok()?,
            })
        });
    match parsed {
        Some(link) if (1..=3).contains(&link.generation) && [1, 2, 4, 8].contains(&link.lanes) => {
            Ok(link)
        }
        _ => Err(UriError(format!(
            "link={value}: must be gen1, gen2 or gen3 and x1, x2, x4 or x8, as in gen2x8"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        text.parse::<DeviceUri>().unwrap_err().to_string()
    }

    #[test]
    fn every_option_is_read() {
        let uri: DeviceUri = "model:disk.img?size=2GiB&vfs=7&queues=8&link=gen3x4&rtt_ns=1000&\
                              mps=128&mrrs=256&split=64&cpl_bytes=8192&mem_cycles=40&media_us=3&\
                              huge_pages=1&at_once=1&host_ns=500&serial=A1 b"
            .parse()
            .unwrap();
        assert_eq!(
            uri.backend,
            Backend::Model {
                file: Some("disk.img".into())
            }
        );
        assert_eq!(
            uri.simulation,
            SimulationOptions {
                size_bytes: Some(2 << 30),
                vfs: 7,
                queues: 8,
                link: LinkWidth {
                    generation: 3,
                    lanes: 4
                },
                rtt_ns: 1000,
                mps: 128,
                mrrs: 256,
                split: 64,
                cpl_bytes: 8192,
                mem_cycles: 40,
                media_us: 3,
                huge_pages: true,
                at_once: true,
                host_ns: 500,
                serial: Some("A1 b".into()),
                waves: None,
            }
        );
    }

    #[test]
    fn every_scheme_is_read() {
        let backend = |text: &str| text.parse::<DeviceUri>().unwrap().backend;
        assert_eq!(backend("model:"), Backend::Model { file: None });
        assert_eq!(backend("model:?vfs=0"), Backend::Model { file: None });
        assert_eq!(backend("rtl:"), Backend::Rtl { file: None });
        assert_eq!(
            backend("rtl:a.img"),
            Backend::Rtl {
                file: Some("a.img".into())
            }
        );
        assert_eq!(
            backend("vfio-user:/run/d"),
            Backend::VfioUser {
                path: "/run/d".into()
            }
        );
        assert_eq!(
            backend("vfio:0000:01:00.0"),
            Backend::Vfio {
                address: "0000:01:00.0".into()
            }
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            ("disk.img", "'disk.img' has no scheme"),
            ("nvme:0", "unknown scheme 'nvme:'"),
            ("vfio:01:00", "'01:00' is not a PCI address"),
            ("vfio:0000:01:00.9", "'0000:01:00.9' is not a PCI address"),
            ("vfio-user:", "names no socket"),
            ("vfio:0000:01:00.0?mps=128", "'mps=128'"),
            ("model:?colour=red", "unknown option 'colour'"),
            ("model:?vfs", "option 'vfs' has no value"),
            ("model:?vfs=9", "vfs=9: must be a number from 0 to 8"),
            ("model:?vfs=-1", "vfs=-1"),
            (
                "model:?mps=100",
                "mps=100: must be one of 128, 256, 512, 1024, 2048, 4096",
            ),
            ("model:?size=1000", "size=1000: must be a multiple of 4 KiB"),
            ("model:?size=big", "size=big: 'big' is not a size"),
            ("model:?link=gen9x8", "link=gen9x8"),
            ("model:?link=fast", "link=fast"),
            ("model:?serial=", "serial=: must be 1 to 20"),
            ("model:?serial=A1 ", "no blank first or last"),
            ("rtl:?serial=012345678901234567890", "must be 1 to 20"),
            ("rtl:?serial=naïve", "printable ASCII"),
        ] {
            let message = wrong(text);
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
