//! Devices in real time: served by another process, or the machine's own.

use std::path::Path;

use anyhow::{Context, bail};
use nvme_driver::CompletionMode;
use nvme_hosted::{HostedOptions, HostedTransport, WaitMode, WakeSet};
use nvme_vfio_user::FunctionPlace;

use crate::uri::{Backend, DeviceUri};

/// How many functions `uri` offers; `None` where it is a simulated device.
///
/// # Errors
/// Nothing is served there.
pub(super) fn functions(uri: &DeviceUri) -> anyhow::Result<Option<usize>> {
    Ok(match &uri.backend {
        Backend::VfioUser { path } => Some(served(uri, path)?.len()),
        Backend::Vfio { .. } => Some(1),
        Backend::Model { .. } | Backend::Rtl { .. } => None,
    })
}

/// The first `count` functions of the device. One thread of this process looks after all of them.
///
/// # Errors
/// What is in the way, and what helps.
pub(super) fn open(uri: &DeviceUri, count: usize) -> anyhow::Result<Vec<HostedTransport>> {
    let options = HostedOptions {
        wait: uri.real_time.wait,
        wakes: Some(WakeSet::new()),
        return_within: uri.real_time.reconnect,
    };
    match &uri.backend {
        Backend::VfioUser { path } => {
            let places = served(uri, path)?;
            check_count(uri, count, places.len())?;
            places
                .iter()
                .take(count)
                .map(|place| {
                    let name = match &place.label {
                        Some(label) => format!("vfio-user:{} {label}", path.display()),
                        None => format!("vfio-user:{}", path.display()),
                    };
                    let transport = nvme_vfio_user::open(&place.socket, &name, options.clone());
                    transport.with_context(|| format!("opening {name}"))
                })
                .collect()
        }
        Backend::Vfio { address } => {
            check_count(uri, count, 1)?;
            let transport = nvme_vfio::open(address, &format!("vfio:{address}"), options)
                .context("opening a device of this machine")?;
            Ok(vec![transport])
        }
        Backend::Model { .. } | Backend::Rtl { .. } => bail!("{uri}: is simulated in process"),
    }
}

/// The functions of a directory, or the one that `function=` names.
fn served(uri: &DeviceUri, path: &Path) -> anyhow::Result<Vec<FunctionPlace>> {
    let mut places = nvme_vfio_user::functions(path)?;
    let Some(function) = &uri.real_time.function else {
        return Ok(places);
    };
    let labels: Vec<String> = places
        .iter()
        .filter_map(|place| place.label.clone())
        .collect();
    places.retain(|place| place.label.as_ref() == Some(function));
    if places.is_empty() {
        let there = if labels.is_empty() {
            "is one function's own directory: leave function= out".to_owned()
        } else {
            format!("serves {}", labels.join(", "))
        };
        bail!("{uri}: function={function}: {} {there}", path.display());
    }
    Ok(places)
}

fn check_count(uri: &DeviceUri, count: usize, available: usize) -> anyhow::Result<()> {
    if count > available {
        bail!(
            "{uri}: {count} functions are needed, and {available} is all there is; serve more, or ask \
             for fewer"
        );
    }
    Ok(())
}

/// How queue pairs learn of completions.
pub(super) fn completion(wait: WaitMode) -> CompletionMode {
    match wait {
        WaitMode::Interrupt => CompletionMode::Msix,
        WaitMode::Spin | WaitMode::Adaptive => CompletionMode::Polling,
    }
}
