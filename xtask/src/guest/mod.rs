//! `cargo xtask guest`: a Linux that nobody here wrote, in front of the device.
//!
//! A Debian kernel boots in QEMU, without hardware help, from an image with a script of checks; what the
//! script says becomes the table. README: `xtask/guest/README.md`.

mod cpio;
mod debian;
mod device;
mod initramfs;
mod programs;
mod protocol;
mod qemu;
mod qmp;
mod server;
mod session;
mod set;
mod sets;
mod stage;

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::report::{Report, Row};
use crate::step::target;
use crate::{setup, verilog};
use debian::Debian;
use device::Device;
use initramfs::Content;
use qemu::Machine;
use session::{Session, watch};
use set::Set;
use sets::SETS;
use stage::Stage;

/// What to run, and what to leave behind.
#[derive(clap::Args, Default)]
pub(crate) struct Options {
    /// Only the sets whose name (`cargo xtask guest --list`) contains this text; those on QEMU's own device
    /// run only when they are asked for.
    #[arg(long)]
    only: Option<String>,
    /// List the sets, without running anything.
    #[arg(long)]
    list: bool,
    /// Keep the images, logs and command lines of sets that passed, too.
    #[arg(long)]
    keep: bool,
}

fn label_of(set: &Set, device: Device) -> String {
    format!("{} {}", device.name(), set.name)
}

/// Is a set run on a device, when `only` is asked for? QEMU's own device is asked for by its name.
fn is_wanted(set: &Set, device: Device, only: Option<&str>) -> bool {
    let asked = |only: &str| only.contains(Device::Qemu.name());
    let named = only.is_none_or(|only| label_of(set, device).contains(only));
    named && (device != Device::Qemu || only.is_some_and(asked))
}

pub(crate) fn run(options: &Options) -> Result<Report> {
    let only = options.only.as_deref();
    let runs: Vec<(&Set, Device)> = SETS
        .iter()
        .flat_map(|set| set.devices.iter().map(move |&device| (set, device)))
        .filter(|&(set, device)| is_wanted(set, device, only))
        .collect();
    if runs.is_empty() {
        bail!("no set's name contains that text: `cargo xtask guest --list` names them");
    }
    if options.list {
        for (set, device) in runs {
            eprintln!("{:24} {}", label_of(set, device), set.about);
        }
        return Ok(Report::default());
    }
    let guest = target().join("guest");
    std::fs::create_dir_all(&guest)?;
    let lock = File::create(guest.join("lock"))?;
    if lock.try_lock().is_err() {
        bail!("another `cargo xtask guest` is using {}", guest.display());
    }
    let with_rtl = runs.iter().any(|&(_, device)| device == Device::Rtl);
    let mut report = Report::default();
    if (with_rtl && !verilog::is_set_up()) || Debian::lacks_tools(&guest) {
        report = setup::run()?;
        if report.failed() > 0 {
            return Ok(report);
        }
    }
    let debian = Debian::fetched(&guest)?;
    if runs.iter().any(|&(_, device)| device != Device::Qemu) {
        programs::build(with_rtl)?;
    }
    for (set, device) in runs {
        let folder = guest
            .join("runs")
            .join(label_of(set, device).replace(' ', "-"));
        let rows = one(&debian, set, device, &folder)?;
        let passed = rows.iter().all(|row| row.failed == 0);
        report.rows.extend(rows);
        if passed && !options.keep {
            std::fs::remove_dir_all(&folder).ok();
        } else {
            eprintln!("   kept: {}", folder.display());
        }
    }
    Ok(report)
}

/// Boots one set's guests, and watches them.
fn one(debian: &Debian, set: &Set, device: Device, folder: &Path) -> Result<Vec<Row>> {
    let label = label_of(set, device);
    eprintln!("── {label}: {}", set.about);
    empty(folder)?;
    let image = folder.join("initramfs");
    let own = match set.our_programs {
        true => programs::of_guests(),
        false => Vec::new(),
    };
    let content = Content {
        script: set.script,
        modules: set.modules,
        programs: set.programs,
        own: &own,
    };
    initramfs::write(debian, &content, &folder.join("modules"), &image)?;
    let mut stage = Stage::new(device, set.layout, folder)?;
    let (mib, patience) = device.mib_and_patience();
    let mut sessions = Vec::new();
    for guest in 0..set.layout.guests() {
        let (folder, label) = match set.layout.guests() {
            1 => (folder.to_owned(), label.clone()),
            _ => (folder.join(guest.to_string()), format!("{label} {guest}")),
        };
        std::fs::create_dir_all(&folder)?;
        let append = format!("device={} mib={mib} guest={guest}", device.name());
        let machine = Machine::new(debian, &image, &folder, set.layout.iommu(), &append);
        let qemu = stage.furnish(machine, guest)?.start(debian, &folder)?;
        sessions.push(Session::new(qemu, &folder, &label, patience));
    }
    watch(&mut sessions, &mut |guest, words| {
        stage.answer(guest, words)
    });
    Ok(sessions
        .iter()
        .flat_map(|session| rows(set, device, session))
        .collect())
}

fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())
}

/// A row for each check, and one for each figure that must be something.
fn rows(set: &Set, device: Device, session: &Session) -> Vec<Row> {
    let label = &session.label;
    let only = label_of(set, device);
    let row = |name: &str, ok: bool| Row {
        name: format!("{label}: {name}"),
        passed: u64::from(ok),
        failed: u64::from(!ok),
        measured: String::new(),
        value: None,
        must: String::new(),
        command: format!("cargo xtask guest --only '{only}'"),
        wall_s: 0.0,
    };
    let mut rows: Vec<Row> = session
        .outcomes
        .iter()
        .map(|outcome| Row {
            measured: first_line(&outcome.detail),
            wall_s: outcome.seconds,
            ..row(&outcome.name, outcome.ok)
        })
        .collect();
    for must in set.musts.iter().filter(|must| must.device == device) {
        let found = session
            .figures
            .iter()
            .find(|figure| figure.name == must.figure);
        rows.push(match found {
            Some(figure) => Row {
                measured: format!("{} {}", figure.value, figure.unit),
                value: Some(figure.value),
                must: must.limit.text(&figure.unit),
                ..row(must.figure, must.limit.holds(figure.value))
            },
            None => Row {
                measured: "not measured".to_owned(),
                must: must.limit.text(""),
                ..row(must.figure, false)
            },
        });
    }
    rows
}

/// As much of a detail as a table has room for; all of it was printed as it came.
fn first_line(detail: &str) -> String {
    let line = detail.lines().next().unwrap_or_default();
    line.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What shows that the scripts are right ran in front of everything, though the page said that it has to be
    /// asked for.
    #[test]
    fn qemus_own_device_is_asked_for() {
        let runs = |only| {
            let all = SETS
                .iter()
                .flat_map(|set| set.devices.iter().map(move |&device| (set, device)));
            let wanted = all.filter(|&(set, device)| is_wanted(set, device, only));
            wanted
                .map(|(set, device)| label_of(set, device))
                .collect::<Vec<_>>()
        };
        let all = runs(None);
        assert!(all.contains(&"rtl fio".into()) && all.contains(&"model peer".into()));
        assert!(!all.iter().any(|run| run.starts_with("qemu")), "{all:?}");
        assert_eq!(runs(Some("probe")), ["model probe", "rtl probe"]);
        assert_eq!(runs(Some("qemu probe")), ["qemu probe"]);
    }
}
