//! `device serve`: the simulated controller behind sockets, for other processes and machines.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use nvme_server::{Doorbells, Pace, Server, ServerOptions, function_name, stop_on_signals};
use pcie_host::endpoint::FunctionId;
use serde::Serialize;
use siphasher::sip::SipHasher13;

use crate::args::{ServeArgs, ServeDoorbells, ServePace};
use crate::machine::{MissingFile, host_options, image_file, open_medium};
use crate::outcome::Outcome;
use crate::output::print_json;
use crate::size::show_size;
use crate::store::single_device;
use crate::twin::Twin;
use crate::uri::DEFAULT_SIZE_BYTES;

#[derive(Serialize)]
struct ReadyJson {
    ready: bool,
    device: String,
    pid: u32,
    functions: Vec<FunctionJson>,
}

#[derive(Serialize)]
struct FunctionJson {
    function: String,
    socket: String,
}

/// `rdstore device serve`
pub(super) fn run(args: &ServeArgs, json: bool) -> anyhow::Result<Outcome> {
    let uri = single_device(&args.device.devices)?;
    let file = image_file(uri)?;
    if usize::from(args.functions) > uri.simulation.functions() {
        bail!(
            "{uri}: --functions {}: the device has {}, the PF and {} VFs; ask for more with vfs=, at \
             most 8",
            args.functions,
            uri.simulation.functions(),
            uri.simulation.vfs
        );
    }
    let (medium, created) = open_medium(uri, file, MissingFile::Create)?;
    if let Some(path) = created {
        let bytes = uri.simulation.size_bytes.unwrap_or(DEFAULT_SIZE_BYTES);
        eprintln!("created {} ({}, sparse)", path.display(), show_size(bytes));
    }
    let mut named = uri.clone();
    if named.simulation.serial.is_none() {
        named.simulation.serial = Some(serial_of(file)?);
    }
    let (endpoint, _) =
        Twin::make(&named, medium, false).with_context(|| format!("making the device of {uri}"))?;
    if !endpoint.keeps_time() && args.pace != ServePace::Fast {
        bail!(
            "{uri}: at_once=1 has no cycles that real time could follow; it goes with --pace fast"
        );
    }
    let stop = stop_on_signals()?;
    let mut server = Server::new(
        endpoint,
        ServerOptions {
            functions: args.functions,
            pace: match args.pace {
                ServePace::Fast => Pace::Fast,
                ServePace::Real => Pace::Real,
                ServePace::Media => Pace::Media,
            },
            doorbells: match args.doorbells {
                ServeDoorbells::Mapped => Doorbells::Mapped,
                ServeDoorbells::Trapped => Doorbells::Trapped,
            },
            spin: (!args.no_sleep).then(|| Duration::from_micros(args.spin_us)),
            interrupt_gap: Duration::from_micros(args.interrupt_gap_us),
            reveal_sriov: args.sriov,
            host: host_options(&uri.text, &uri.simulation),
            ..ServerOptions::new(&args.vfio_user)
        },
    )
    .with_context(|| format!("serving {uri}"))?;
    server.on_event(|event| eprintln!("{event}"));
    say_ready(&server, &uri.text, json)?;
    server.run(stop.as_fd())?;
    Ok(Outcome::Done)
}

/// The serial number of a device that has been given none, so that two of one machine are told apart by
/// whoever has both: by where its image is, for a device that is served again is the same one. An image in
/// memory is gone with its server, and a client that comes back must not take the next one's for it; nor a
/// file that was put in the place of another.
fn serial_of(file: Option<&Path>) -> anyhow::Result<String> {
    let number = match file {
        Some(file) => {
            let about = || file.display().to_string();
            let place = file.canonicalize().with_context(about)?;
            let inode = file.metadata().with_context(about)?.ino();
            let mut hash = SipHasher13::new();
            hash.write(place.as_os_str().as_bytes());
            hash.write_u64(inode);
            hash.finish()
        }
        None => RandomState::new().build_hasher().finish(),
    };
    Ok(format!("RDS{number:016X}"))
}

fn say_ready(server: &Server, device: &str, json: bool) -> anyhow::Result<()> {
    let functions: Vec<_> = (0..)
        .zip(server.sockets())
        .map(|(index, path)| FunctionJson {
            function: function_name(FunctionId(index)),
            socket: path.display().to_string(),
        })
        .collect();
    if json {
        print_json(&ReadyJson {
            ready: true,
            device: device.to_owned(),
            pid: std::process::id(),
            functions,
        })?;
    } else {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "serving {device}; end with Ctrl-C")?;
        for FunctionJson { function, socket } in functions {
            writeln!(stdout, "  {function}: {socket}")?;
        }
    }
    std::io::stdout().flush()?;
    Ok(())
}
