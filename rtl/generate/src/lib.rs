//! Writes the parts of `rtl/` that are made from `nvme-spec` and the cycle model's tables, so that no
//! number of the standard and no latency is written down a second time.
//!
//! `cargo xtask generate` writes them; a test fails when one of them is stale.
#![forbid(unsafe_code)]

mod definitions;
mod identify;
mod verilog;

use std::path::PathBuf;

/// A generated file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Generated {
    /// Its name in `rtl/`.
    pub name: &'static str,
    /// What it must contain.
    pub text: String,
}

impl Generated {
    /// Where it stands.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .join(self.name)
    }
}

/// Every generated file.
pub fn files() -> Vec<Generated> {
    vec![
        Generated {
            name: "nvme_defs.vh",
            text: definitions::file(),
        },
        Generated {
            name: "identify_rom.v",
            text: identify::file(),
        },
    ]
}
