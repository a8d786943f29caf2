//! What is checked: sets of checks, each one boot of a guest (or of two), each on one or more devices.

/// The device a guest has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Device {
    /// QEMU's own: what the harness and the scripts themselves are tried on.
    Qemu,
}

impl Device {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Qemu => "qemu",
        }
    }
}

/// What a figure of a set must be.
pub(crate) struct Must {
    /// As the script names it.
    pub(crate) figure: &'static str,
    pub(crate) devices: &'static [Device],
    pub(crate) limit: Limit,
}

#[derive(Clone, Copy)]
pub(crate) enum Limit {
    AtMost(f64),
}

impl Limit {
    pub(crate) fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
        }
    }

    pub(crate) fn text(self, unit: &str) -> String {
        match self {
            Self::AtMost(limit) => format!("≤ {limit} {unit}"),
        }
    }
}

/// Checks that one script runs.
pub(crate) struct Set {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Of `xtask/guest`.
    pub(crate) script: &'static str,
    pub(crate) devices: &'static [Device],
    pub(crate) modules: &'static [&'static str],
    pub(crate) programs: &'static [&'static str],
    pub(crate) musts: &'static [Must],
}

pub(crate) const SETS: &[Set] = &[Set {
    name: "probe",
    about: "a boot to /dev/nvme0n1, and a write that reads back",
    script: "probe.sh",
    devices: &[Device::Qemu],
    modules: &["nvme"],
    programs: &[],
    musts: &[Must {
        figure: "probe",
        devices: &[Device::Qemu],
        limit: Limit::AtMost(2.0),
    }],
}];
