//! What a set of checks is made of.

use super::device::{Device, Layout};

/// Checks that one script runs, in one boot of a guest (or of two).
pub(crate) struct Set {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Of `xtask/guest`.
    pub(crate) script: &'static str,
    pub(crate) devices: &'static [Device],
    pub(crate) layout: Layout,
    pub(crate) modules: &'static [&'static str],
    /// Of Debian.
    pub(crate) programs: &'static [&'static str],
    /// Are `rdstore` and `stray_dma` in the guest?
    pub(crate) our_programs: bool,
    pub(crate) musts: &'static [Must],
}

/// What a figure of a set must be.
pub(crate) struct Must {
    /// As the script names it.
    pub(crate) figure: &'static str,
    pub(crate) device: Device,
    pub(crate) limit: Limit,
}

/// The side of a number on which a figure has to be.
#[derive(Clone, Copy)]
pub(crate) enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

impl Limit {
    pub(crate) fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }

    pub(crate) fn text(self, unit: &str) -> String {
        match self {
            Self::AtMost(limit) => format!("≤ {limit} {unit}"),
            Self::AtLeast(limit) => format!("≥ {limit} {unit}"),
        }
    }
}
